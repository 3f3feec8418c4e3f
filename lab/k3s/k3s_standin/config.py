"""config.yaml, config.yaml.d and the command line, put together in K3s' order: environment < files < command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterable, Mapping

import yaml

from . import flags, logs

DEFAULT_FILE = "/etc/rancher/k3s/config.yaml"


def read_files(path: Path, required: bool) -> list[dict[str, Any]]:
    """The file and its drop-ins, in the order in which they are merged."""
    drop_ins = sorted(p for p in Path(f"{path}.d").glob("*") if p.suffix in (".yaml", ".yml"))
    if not path.exists() and required:
        raise logs.Fatal(f"open {path}: no such file or directory")
    documents = []
    for file in [path, *drop_ins]:
        if not file.exists():
            continue
        try:
            content = yaml.safe_load(file.read_text()) or {}
        except yaml.YAMLError as error:
            raise logs.Fatal(f"failed to parse {file}: {str(error).splitlines()[0]}") from error
        if not isinstance(content, dict):
            raise logs.Fatal(f"failed to parse {file}: not a mapping of keys to values")
        documents.append(content)
    return documents


def as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [as_text(item) for item in value] if isinstance(value, list) else [as_text(value)]


def as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def merge(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Later files replace a key; ``key+`` appends to what is there."""
    merged: dict[str, Any] = {}
    for document in documents:
        for key, value in document.items():
            if str(key).endswith("+"):
                name = str(key)[:-1]
                merged[name] = [*as_list(merged.get(name)), *as_list(value)]
            else:
                merged[str(key)] = value
    return merged


def shaped(kind: str, value: Any) -> Any:
    if kind == flags.LIST:
        return [part for item in as_list(value) for part in item.split(",")]
    if isinstance(value, list):
        value = value[-1] if value else ""
    if kind == flags.BOOL:
        return as_text(value).lower() in ("true", "1", "t")
    return as_text(value)


def known_only(values: Mapping[str, Any], table: Mapping[str, str], warn: Callable[[str], None]) -> dict[str, Any]:
    """K3s warns about a key it does not know and goes on; so does this."""
    result = {}
    for key, value in values.items():
        if key in table:
            result[key] = as_list(value) if key.endswith("-arg") else shaped(table[key], value)
        else:
            warn(f"Unknown flag --{key} found in config.yaml, skipping")
    return result


def parse_arguments(arguments: list[str], table: Mapping[str, str]) -> dict[str, Any]:
    """``--key value``, ``--key=value``, ``--flag``; an unknown one ends K3s, as it does here."""
    result: dict[str, Any] = {}
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        name, equals, value = word.lstrip("-").partition("=")
        name = flags.SHORT.get(name, name) if not word.startswith("--") else name
        if not word.startswith("-") or name not in table:
            raise logs.Fatal(f"flag provided but not defined: -{name}" if word.startswith("-") else f"unknown: {word}")
        kind = table[name]
        if kind == flags.BOOL:
            value = value if equals else "true"
        elif not equals:
            if not rest:
                raise logs.Fatal(f"flag needs an argument: -{name}")
            value = rest.pop(0)
        if kind == flags.LIST:
            result.setdefault(name, []).extend([value] if name.endswith("-arg") else value.split(","))
        else:
            result[name] = shaped(kind, value)
    return result


def load(role: str, arguments: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    return load_with(flags.known(role), arguments, environment)


def load_with(table: Mapping[str, str], arguments: list[str], environment: Mapping[str, str]) -> dict[str, Any]:
    command_line = parse_arguments(arguments, table)
    values = {
        k: shaped(table[k], environment[e]) for k, e in flags.ENVIRONMENT.items() if k in table and environment.get(e)
    }
    chosen = command_line.get("config") or values.get("config")
    files = read_files(Path(chosen or DEFAULT_FILE), required=bool(chosen))
    values.update(known_only(merge(files), table, logs.warning))
    values.update(command_line)
    return values
