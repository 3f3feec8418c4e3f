# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stack files to the model: several files merged, variables filled in, references checked."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.forms import known_keys
from ansible_collections.sophia.replatform.plugins.module_utils.stack.interpolate import interpolate
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import FileSource, Service, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_mapping,
    as_pairs,
    as_str,
    as_strings,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.yaml_reader import read_yaml

SECTIONS = ("services", "volumes", "networks", "secrets", "configs")
_SOURCE_KEYS = {"file", "external", "name", "labels", "driver", "driver_opts", "template_driver"}
_PAIRS = ("environment", "labels", "sysctls", "extra_hosts")

ReadFile = t.Callable[[str], str]


def load_stack(texts: t.Mapping[str, str], environment: t.Mapping[str, str], name: str, read_file: ReadFile) -> Stack:
    """C(texts) maps a file's name to its text, in the order in which they are merged; later files win.

    C(read_file) gives the content of a file that a stack file names (C(env_file), C(configs)); it is called with the
    name as written. Raises C(StackError).
    """
    stack = Stack(name)
    for file, text in texts.items():
        document = as_mapping(read_yaml(text, file), file)
        known_keys(document, {"version", "name", *SECTIONS}, file)
        sections = {key: as_mapping(document.get(key), f"{file}: {key}") for key in SECTIONS}
        for key, raw in interpolate(sections["services"], environment, f"{file}: services").items():
            keys = _normal(as_mapping(raw, f"{file}: service '{key}'"), f"{file}: service '{key}'", read_file)
            known = stack.services.get(key)
            stack.services[key] = Service(key, file, _merge(known.keys, keys) if known else keys)
        stack.networks.update(sections["networks"])
        for key in ("volumes", "secrets", "configs"):
            part: dict[str, FileSource] = getattr(stack, key)
            for source, raw in interpolate(sections[key], environment, f"{file}: {key}").items():
                part[source] = _source(source, raw, f"{file}: {key}: '{source}'", key, read_file)
    if not stack.services:
        raise StackError(f"{', '.join(texts)}: no services")
    for service in stack.services.values():
        _fill_names(service, environment)
    return stack


def _normal(keys: dict[str, t.Any], where: str, read_file: ReadFile) -> dict[str, t.Any]:
    """C(env_file) read into C(environment), which wins; lists of pairs become mappings so that files merge."""
    result = dict(keys)
    given: dict[str, str | None] = {}
    for file in as_strings(keys.get("env_file"), f"{where}: env_file"):
        given.update(_env_file(read_file(file)))
    for key in _PAIRS:
        if key in keys and not (key == "extra_hosts" and isinstance(keys[key], list)):
            result[key] = as_pairs(keys[key], f"{where}: {key}")
    if given:
        result["environment"] = {**given, **result.get("environment", {})}
    return result


def _env_file(text: str) -> dict[str, str | None]:
    lines = [line.strip() for line in text.splitlines()]
    return as_pairs([line for line in lines if line and not line.startswith("#")], "env_file")


def _merge(first: t.Any, second: t.Any) -> t.Any:
    """Mappings merge, lists are joined, and of two commands the later one counts, as docker/cli merges files."""
    if isinstance(first, dict) and isinstance(second, dict):
        merged = dict(first)
        for key, value in second.items():
            whole = key in ("command", "entrypoint", "test") or key not in first
            merged[key] = value if whole else _merge(first[key], value)
        return merged
    if isinstance(first, list) and isinstance(second, list):
        return first + [item for item in second if item not in first]
    return second


def _fill_names(service: Service, environment: t.Mapping[str, str]) -> None:
    """A variable that is named without a value comes from the given environment."""
    variables = service.keys.get("environment") or {}
    for key, value in variables.items():
        if value is None and key not in environment:
            where = service.where(f"environment.{key}")
            raise StackError(f"{where}: it has no value; write one, or give it in 'environment'")
        variables[key] = environment[key] if value is None else value


def _source(name: str, raw: t.Any, where: str, section: str, read_file: ReadFile) -> FileSource:
    item = as_mapping(raw, where)
    known_keys(item, _SOURCE_KEYS, where)
    external = item.get("external", False)
    real = external.get("name", name) if isinstance(external, dict) else item.get("name", name)
    content = None
    if section == "configs" and not external:
        content = read_file(as_str(item.get("file"), f"{where}: file"))
    elif section == "secrets" and not external and "file" not in item:
        raise StackError(f"{where}: give 'file', or 'external: true'")
    return FileSource(
        name=as_str(real, where),
        external=bool(external),
        content=content,
        driver=as_str(item.get("driver", ""), where),
        driver_opts=as_mapping(item.get("driver_opts"), where),
    )
