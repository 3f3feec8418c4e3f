# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a module's parameters to its result: files and specs read, converted, compared with each other, judged."""

from __future__ import annotations

import os
import typing as t
from dataclasses import fields, replace

from ansible_collections.sophia.replatform.plugins.module_utils.stack import standing
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.drift import drift
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.inverse import live_stack, template_driver
from ansible_collections.sophia.replatform.plugins.module_utils.stack.inverse_container import SWARM
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import FileSource, Options, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.page import page
from ansible_collections.sophia.replatform.plugins.module_utils.stack.public import public
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import (
    MAPPED,
    REFUSED,
    Verdict,
    markdown,
    summary,
)
from ansible_collections.sophia.replatform.plugins.module_utils.text_file import read_text

_SHOWN = 5


def stack_values(params: t.Mapping[str, t.Any]) -> tuple[dict[str, t.Any], str]:
    """The result of M(sophia.replatform.stack_values), and why it must fail, or an empty string."""
    current, live, objects = params["current"] or {}, params["live"] or [], params.get("live_objects") or {}
    files = _load(params)
    running = _running(params["stack"], live, objects, params["exclude"])
    stack = _whole(files, running, objects)
    if not stack.services:
        raise StackError("nothing to convert: 'stack_files' is empty, and 'live' has no service with a spec")
    given = {item.name: params[item.name] for item in fields(Options) if item.name in params}
    given["handed_over"] = standing.handed_over(params["handed_over"], params.get("handed_back", ()), current)
    given["external"] = standing.external(params["external"], live, current)
    given["nodes"] = standing.nodes(params["nodes"], current)
    given["homes"] = standing.homes(live, given["nodes"])
    if "secrets" in objects:
        given["known_secrets"] = frozenset(str(item["name"]) for item in objects["secrets"])
    pinned = _by_digest(stack, live) if params.get("pin_images") else stack
    converted = convert(pinned, Options(**given), params["exclude"])
    keepers = {name for name, values in converted.values["services"].items() if _has_data(values)}
    converted.values["swarmNodes"] = standing.remember(given["nodes"], given["homes"], keepers)
    rows: list[dict[str, t.Any]] = []
    verdicts = converted.verdicts
    if params["live"] is not None and files.services:
        rows, more = drift(converted.values, files, live, params["exclude"], running)
        verdicts = verdicts + more
    result = {
        "values": converted.values,
        "values_public": public(converted.values),
        "verdicts": [item.as_dict() for item in verdicts],
        "summary": summary(verdicts),
        "markdown": markdown(verdicts, stack.name, rows),
        "html": page(verdicts, stack.name, rows),
        "drift": rows,
        "secrets": converted.secrets,
    }
    names = ", ".join(os.path.basename(path) for path in params["stack_files"]) or SWARM
    return result, _reason(verdicts, stack, names, params["strict"])


def _load(params: t.Mapping[str, t.Any]) -> Stack:
    paths = params["stack_files"]
    texts = {os.path.basename(path): read_text(path, StackError) for path in paths}
    if len(texts) < len(paths):
        # Messages name a file by its last part; two of the same name are told by the whole.
        texts = {path: read_text(path, StackError) for path in paths}
    folder = os.path.dirname(os.path.abspath(paths[0])) if paths else ""
    environment = {str(key): _text(value) for key, value in params["environment"].items()}

    def beside(name: str) -> str:
        return read_text(os.path.join(folder, name), StackError)

    return load_stack(texts, environment, params["stack"], beside)


def _running(
    name: str, live: t.Sequence[t.Mapping[str, t.Any]], objects: t.Mapping[str, t.Any], exclude: t.Container[str]
) -> Stack:
    try:
        return live_stack(name, live, objects, exclude)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        reason = f"no {exc}" if isinstance(exc, KeyError) else str(exc)
        raise StackError(f"live, live_objects: not as swarm_stack_info returns them with 'specs': {reason}") from exc


def _whole(files: Stack, running: Stack, objects: t.Mapping[str, t.Any]) -> Stack:
    """The files, and what runs and is in none of them; what is external to a file is as the Swarm has it."""
    return Stack(
        files.name,
        {**running.services, **files.services},
        {**running.volumes, **files.volumes},
        {**running.networks, **files.networks},
        {**running.secrets, **_as_there(files.secrets, objects.get("secrets", []))},
        {**running.configs, **_as_there(files.configs, objects.get("configs", []))},
        files.refused,
    )


def _as_there(sources: t.Mapping[str, FileSource], items: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, FileSource]:
    """Secrets or configs of files; those that are external with the content and the template driver that the Swarm tells."""
    there = {item["name"]: item for item in items}
    result = dict(sources)
    for key, source in sources.items():
        if source.external and source.name in there:
            item = there[source.name]
            result[key] = replace(source, content=item.get("content"), keys={**source.keys, **template_driver(item)})
    return result


def _by_digest(stack: Stack, live: t.Sequence[t.Mapping[str, t.Any]]) -> Stack:
    """Each image as it runs, where the Swarm has pinned the one that the file names."""
    seen = {str(item["name"]): str(item.get("image") or "") for item in live}
    services = {}
    for name, service in stack.services.items():
        image, _sep, digest = seen.get(name, "").partition("@")
        same = digest and image == service.keys.get("image")
        services[name] = replace(service, keys={**service.keys, "image": seen[name]}) if same else service
    return replace(stack, services=services)


def _has_data(values: t.Mapping[str, t.Any]) -> bool:
    return any("claim" in item or "hostPath" in item for item in values.get("volumes", []))


def _reason(verdicts: t.Sequence[Verdict], stack: Stack, files: str, strict: bool) -> str:
    bad = [item for item in verdicts if item.verdict == REFUSED or (strict and item.verdict != MAPPED)]
    lines = []
    for item in bad[:_SHOWN]:
        service = stack.services.get(item.service)
        where = service.where(item.key) if service else f"{files}: service '{item.service}': {item.key}"
        lines.append(f"{where}: {item.verdict}: {item.note}")
    more = f"; and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return "; ".join(lines) + more


def _text(value: t.Any) -> str:
    """A YAML boolean in an inventory is written as Docker's users write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
