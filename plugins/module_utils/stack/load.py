# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stack files to the model: several files merged, variables filled in, references checked."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.forms import known_keys
from ansible_collections.sophia.replatform.plugins.module_utils.stack.interpolate import interpolate
from ansible_collections.sophia.replatform.plugins.module_utils.stack.merge import merge
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import FileSource, Service, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_bool,
    as_list,
    as_mapping,
    as_pairs,
    as_str,
    as_strings,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.yaml_reader import read_yaml

SECTIONS = ("services", "volumes", "networks", "secrets", "configs")
REFUSED_SECTIONS = {
    "include": "name the included files in 'stack_files'",
    "models": "run the model as a service of its own",
}
SOURCE_KEYS: dict[str, tuple[str, ...]] = {
    "volumes": ("name", "driver", "driver_opts", "external", "labels"),
    "networks": (
        "name",
        "driver",
        "driver_opts",
        "ipam",
        "external",
        "internal",
        "attachable",
        "labels",
        "enable_ipv4",
        "enable_ipv6",
    ),
    "secrets": ("name", "file", "environment", "external", "labels", "driver", "driver_opts", "template_driver"),
    "configs": ("name", "file", "content", "environment", "external", "labels", "template_driver"),
}
"""Keys of the top-level entries: docker/cli config_schema_v3.13.json and compose-spec schema/compose-spec.json."""

_PAIRS = ("environment", "labels", "sysctls", "extra_hosts", "annotations")
_NAME = re.compile(r"[a-zA-Z0-9._-]+")
_ENTRY_NAME = re.compile(r"[^\s{}]+|[^\n]*\{\{[^\n]*\}\}[^\n]*")

ReadFile = t.Callable[[str], str]


def load_stack(texts: t.Mapping[str, str], environment: t.Mapping[str, str], name: str, read_file: ReadFile) -> Stack:
    """C(texts) maps a file's name to its text, in the order in which they are merged; later files win.

    C(read_file) gives the content of a file that a stack file names (C(env_file), C(label_file), C(configs)); it is
    called with the name as written. Raises C(StackError).
    """
    stack = Stack(name)
    for file, text in texts.items():
        document = as_mapping(read_yaml(text, file), file)
        known_keys(document, {"version", "name", *SECTIONS, *REFUSED_SECTIONS}, file)
        stack.refused += [(file, key, mend) for key, mend in REFUSED_SECTIONS.items() if document.get(key)]
        sections = {key: as_mapping(document.get(key), f"{file}: {key}") for key in SECTIONS}
        for section, entries in sections.items():
            for key in entries:
                if not _NAME.fullmatch(key):
                    raise StackError(
                        f"{file}: {section}: {key!r} is not a name: letters, digits, '.', '_' and '-' alone"
                    )
        for key, raw in interpolate(sections["services"], environment, f"{file}: services").items():
            where = f"{file}: service '{key}'"
            keys = _normal(as_mapping(raw, where), where, environment, read_file)
            known = stack.services.get(key)
            stack.services[key] = Service(key, file, merge(known.keys, keys, "") if known else keys)
        for section in SOURCE_KEYS:
            part: dict[str, FileSource] = getattr(stack, section)
            for source, raw in interpolate(sections[section], environment, f"{file}: {section}").items():
                part[source] = _source(source, raw, file, section, environment, read_file)
    if texts and not stack.services:
        raise StackError(f"{', '.join(texts)}: no services")
    for service in stack.services.values():
        _check_names(service)
    return stack


def _normal(
    keys: dict[str, t.Any], where: str, environment: t.Mapping[str, str], read_file: ReadFile
) -> dict[str, t.Any]:
    """Files of variables and labels read in, under what is written; lists of pairs become mappings so that files merge."""
    result = dict(keys)
    for key in _PAIRS:
        if key in keys and not (key == "extra_hosts" and isinstance(keys[key], list)):
            result[key] = as_pairs(keys[key], f"{where}: {key}")
    for key, target in (("env_file", "environment"), ("label_file", "labels")):
        given: dict[str, str | None] = {}
        for file in _named_files(keys.get(key), f"{where}: {key}"):
            given.update(_file_pairs(read_file(file), f"{where}: {key} {file}"))
        if given:
            result[target] = {**given, **(result.get(target) or {})}
    if isinstance(keys.get("networks"), list):
        result["networks"] = {name: None for name in as_strings(keys["networks"], f"{where}: networks")}
    variables = result.get("environment") or {}
    for key, value in variables.items():
        variables[key] = value or environment.get(key, value)
    return result


def _named_files(value: t.Any, where: str) -> list[str]:
    """Names of files; an entry of the compose specification's long form must say no more than its path."""
    found = []
    for item in [value] if isinstance(value, str) else as_list(value, where):
        if not isinstance(item, dict):
            found.append(as_str(item, where))
            continue
        known_keys(item, ("path", "required", "format"), where)
        if not as_bool(item.get("required", True), where) or item.get("format"):
            raise StackError(f"{where}: docker stack deploy knows no 'required' or 'format'; name files that are there")
        found.append(as_str(item.get("path"), where))
    return found


def _file_pairs(text: str, where: str) -> dict[str, str | None]:
    """Lines as docker/cli opts.ParseEnvFile reads them: no quotes, no interpolation, spaces at an end kept."""
    lines = [line.lstrip() for line in text.lstrip("\ufeff").splitlines()]
    pairs = as_pairs([line for line in lines if line and not line.startswith("#")], where)
    for name in pairs:
        if not name or re.search(r"\s", name):
            raise StackError(f"{where}: {name!r} is not the name of a variable")
    return pairs


def _check_names(service: Service) -> None:
    """A variable that is named without a value comes from the given environment, or is missing."""
    for key, value in (service.keys.get("environment") or {}).items():
        if value is None:
            where = service.where(f"environment.{key}")
            raise StackError(f"{where}: it has no value; write one, or give it in 'environment'")


def _source(
    name: str, raw: t.Any, file: str, section: str, environment: t.Mapping[str, str], read_file: ReadFile
) -> FileSource:
    where = f"{file}: {section}: '{name}'"
    item = as_mapping(raw, where)
    known_keys(item, SOURCE_KEYS[section], where)
    external = item.get("external", False)
    real = external.get("name", name) if isinstance(external, dict) else item.get("name", name)
    real = as_str(real, f"{where}: name")
    if not _ENTRY_NAME.fullmatch(real):
        raise StackError(f"{where}: name {real!r} has spaces or braces in it")
    content = None
    if section == "configs" and not external:
        content = _content(item, where, environment, read_file)
    elif section == "secrets" and not external and not {"file", "environment", "driver"} & set(item):
        raise StackError(f"{where}: give 'file', or 'external: true'")
    return FileSource(
        name=real,
        external=bool(external),
        content=content,
        driver=as_str(item.get("driver") or "", where),
        driver_opts=as_mapping(item.get("driver_opts"), where),
        internal=as_bool(item.get("internal") or False, f"{where}: internal"),
        keys=item,
        file=file,
    )


def _content(item: t.Mapping[str, t.Any], where: str, environment: t.Mapping[str, str], read_file: ReadFile) -> str:
    given = [key for key in ("file", "content", "environment") if item.get(key) is not None]
    if len(given) != 1:
        raise StackError(f"{where}: give one of 'file', 'content' and 'environment', or 'external: true'")
    text = as_str(item[given[0]], f"{where}: {given[0]}")
    if given == ["file"]:
        return read_file(text)
    if given == ["content"]:
        return text
    if text not in environment:
        raise StackError(f"{where}: variable {text} has no value; give it in 'environment'")
    return environment[text]
