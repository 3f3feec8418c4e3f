# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the stack file and the running stack differ: what was changed by hand since the file was last deployed."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.canonical import canonical
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.public import HIDDEN, is_secret, names_secret
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import REFUSED, REPORTED, Verdict

ABSENT = "absent"
_COMMANDS = ("command", "entrypoint", "healthcheck.test")
Row = t.Mapping[str, t.Any]


def drift(
    values: Row, stack: Stack, live: t.Sequence[Row], exclude: t.Container[str] = (), running: Stack | None = None
) -> tuple[list[dict[str, t.Any]], list[Verdict]]:
    """Rows C(service, key, file, live), and their verdicts.

    C(live) are the services that M(sophia.replatform.swarm_stack_info) returns, and C(running) is the stack of those
    that have a spec, whose every key is compared; of the others the image, the mode and the replicas are. A service that
    runs, that no file has and that has no spec would be lost: that is refused. Everything else is reported.
    """
    rows: list[dict[str, t.Any]] = []
    verdicts: list[Verdict] = []
    found = {str(item["name"]): item for item in live}
    specs = running.services if running else {}
    for name in sorted({*found, *stack.services}):
        if name in exclude:
            continue
        if name not in stack.services:
            rows.append(_row(name, "(service)", ABSENT, "running"))
            if name in specs:
                verdicts.append(Verdict(name, "(drift)", REPORTED, "no stack file has it: it is converted as it runs"))
            else:
                note = "it runs, but no stack file has it: it would be lost; add its file, or exclude it"
                verdicts.append(Verdict(name, "(drift)", REFUSED, note))
        elif name not in found:
            rows.append(_row(name, "(service)", "present", ABSENT))
            verdicts.append(Verdict(name, "(drift)", REPORTED, "the stack file has it, but it does not run"))
        else:
            pairs = (
                _all_differences(canonical(stack.services[name], stack), canonical(specs[name], running))
                if running and name in specs
                else _differences(values["services"][name], found[name])
            )
            for key, wanted, seen in pairs:
                rows.append(_row(name, key, wanted, seen))
                note = f"the file says {_text(wanted)}, the Swarm runs {_text(seen)}; the file counts"
                verdicts.append(Verdict(name, f"(drift).{key}", REPORTED, note))
    return rows, verdicts


def _row(service: str, key: str, file: t.Any, live: t.Any) -> dict[str, t.Any]:
    return {"service": service, "key": key, "file": file, "live": live}


def _text(value: t.Any) -> str:
    return "nothing" if value in (None, "", [], {}) else str(value)


def _all_differences(wanted: Row, found: Row) -> t.Iterator[tuple[str, t.Any, t.Any]]:
    """Every key of the one form or the other. What looks like a secret is told as changed, not as what it is."""
    for key in sorted({*wanted, *found}):
        file, live = wanted.get(key, ABSENT), found.get(key, ABSENT)
        if key == "image" and "@" not in str(file):
            live = str(live).partition("@")[0]
        if file != live:
            yield key, _shown(key, file), _shown(key, live)


def _shown(key: str, value: t.Any) -> t.Any:
    name = key.partition(".")[2]
    secret = names_secret(str(value)) if key in _COMMANDS else is_secret(name, str(value))
    return HIDDEN if secret and value != ABSENT else value


def _differences(wanted: Row, found: Row) -> t.Iterator[tuple[str, t.Any, t.Any]]:
    """Image (a digest that the Swarm pinned is no difference), mode, and replicas."""
    image, live_image = str(wanted["image"]), str(found.get("image") or "")
    if "@" not in image:
        live_image = live_image.partition("@")[0]
    if live_image and image != live_image:
        yield "image", image, live_image
    mode = {"DaemonSet": "global", "Job": found.get("mode")}.get(wanted["kind"], "replicated")
    if found.get("mode") and mode != found["mode"]:
        yield "deploy.mode", mode, found["mode"]
    elif "replicas" in wanted and found.get("replicas") is not None and wanted["replicas"] != found["replicas"]:
        yield "deploy.replicas", wanted["replicas"], found["replicas"]
