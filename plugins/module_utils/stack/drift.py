# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the stack file and the running stack differ: what was changed by hand since the file was last deployed."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import REFUSED, REPORTED, Verdict


def drift(
    values: t.Mapping[str, t.Any], stack: Stack, live: t.Sequence[t.Mapping[str, t.Any]], exclude: t.Container[str] = ()
) -> tuple[list[dict[str, t.Any]], list[Verdict]]:
    """Rows C(service, key, file, live), and their verdicts.

    C(live) are the services that M(sophia.replatform.swarm_stack_info) returns. A service that runs and that no file
    has would be lost: that is refused. Everything else is reported.
    """
    rows: list[dict[str, t.Any]] = []
    verdicts: list[Verdict] = []
    services = values["services"]
    running = {str(item["name"]): item for item in live}
    for name in sorted({*running, *services}):
        if name in exclude:
            continue
        if name not in stack.services:
            rows.append(_row(name, "(service)", "absent", "running"))
            note = "it runs, but no stack file has it: it would be lost; add its file, or exclude it"
            verdicts.append(Verdict(name, "(drift)", REFUSED, note))
        elif name not in running:
            rows.append(_row(name, "(service)", "present", "absent"))
            verdicts.append(Verdict(name, "(drift)", REPORTED, "the stack file has it, but it does not run"))
        else:
            for key, wanted, found in _differences(services[name], running[name]):
                rows.append(_row(name, key, wanted, found))
                note = f"the file says {wanted}, the Swarm runs {found}; the file counts"
                verdicts.append(Verdict(name, f"(drift).{key}", REPORTED, note))
    return rows, verdicts


def _row(service: str, key: str, file: t.Any, live: t.Any) -> dict[str, t.Any]:
    return {"service": service, "key": key, "file": file, "live": live}


def _differences(wanted: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, t.Any, t.Any]]:
    """Image (a digest that the Swarm pinned is no difference), mode, and replicas."""
    image, live_image = str(wanted["image"]), str(found.get("image") or "")
    if "@" not in image:
        live_image = live_image.partition("@")[0]
    if live_image and image != live_image:
        yield "image", image, live_image
    mode = "global" if wanted["kind"] == "DaemonSet" else "replicated"
    if found.get("mode") and mode != found["mode"]:
        yield "deploy.mode", mode, found["mode"]
    elif "replicas" in wanted and found.get("replicas") is not None and wanted["replicas"] != found["replicas"]:
        yield "deploy.replicas", wanted["replicas"], found["replicas"]
