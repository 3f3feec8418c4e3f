# Made by sophia.replatform.delivery: changes made here are lost.
"""What the two validation scripts share: the data that they go by, the chart's values, and how findings are told.

Exit codes: 0 nothing was found, 1 something was, 2 wrong usage or a data file that can't be used.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEFAULT = ".replatform/delivery.yml"
FOUND_NOTHING, FOUND_SOMETHING, UNUSABLE = 0, 1, 2
#: What a mapping holds that describes a workload, in the words that charts use.
_WORKLOAD = frozenset({"enabled", "image", "kind", "port", "ports", "replicaCount", "replicas", "service"})
_PORT_KEYS = frozenset({"containerPort", "port", "published", "target", "targetPort"})


class DataError(Exception):
    """The data file or a file that it names can't be used; the message is one line."""


@dataclass(frozen=True)
class Endpoint:
    """What must answer: a URL of http, https or tcp, and the status that is right (not for tcp)."""

    name: str
    url: str
    status: int


@dataclass(frozen=True)
class Environment:
    """One environment: its values files, the variables that must be set for it, and what must answer."""

    name: str
    values: tuple[str, ...]
    required: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True)
class Store:
    """A vector store that must be gone, and the words that name it in code, packages, images and variables."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Data:
    """The data file. Paths and patterns are relative to the repository's root."""

    chart: str
    image_values: tuple[str, ...]
    environments: Mapping[str, Environment]
    ports: tuple[tuple[str, int], ...]
    memory_services: tuple[str, ...]
    manifests: tuple[str, ...]
    legacy_stores: tuple[Store, ...]
    scan: tuple[str, ...]
    ignore: tuple[str, ...]


def load(path: Path) -> Data:
    """The data file. Raises DataError."""
    raw = mapping_of(path)
    if raw.get("format") != 1:
        raise DataError(f"{path}: format is not 1; it was made for another version of this script")
    try:
        return _data(raw)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise DataError(f"{path}: {type(exc).__name__} at {exc}; run the playbook that made it again") from exc


def _data(raw: Mapping[str, Any]) -> Data:
    memory = raw["memory"]
    return Data(
        chart=raw["chart"],
        image_values=tuple(raw["image_values"]),
        environments={name: _environment(name, one) for name, one in raw["environments"].items()},
        ports=tuple((str(one["name"]), int(one["port"])) for one in raw["services"]),
        memory_services=tuple(memory["services"]),
        manifests=tuple(memory["manifests"]),
        legacy_stores=tuple(Store(one["name"], tuple(one["words"])) for one in memory["legacy_stores"]),
        scan=tuple(memory["scan"]),
        ignore=tuple(memory["ignore"]),
    )


def _environment(name: str, raw: Mapping[str, Any]) -> Environment:
    endpoints = tuple(Endpoint(one["name"], one["url"], int(one["status"])) for one in raw["endpoints"])
    return Environment(name, tuple(raw["values"]), tuple(raw["required"]), endpoints)


def mapping_of(path: Path) -> dict[str, Any]:
    """A YAML file that holds one mapping; an empty file is an empty one. Raises DataError."""
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise DataError(f"{path}: can't be read: {exc.strerror}") from exc
    except (UnicodeDecodeError, yaml.YAMLError) as exc:
        raise DataError(f"{path}: is not YAML: {' '.join(str(exc).split())}") from exc
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise DataError(f"{path}: does not hold a mapping")
    return found


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Values as helm merges them: mappings key by key, anything else whole, and null takes a key away."""
    result = dict(base)
    for key, value in over.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            before = result.get(key)
            result[key] = merged(before if isinstance(before, dict) else {}, value)
        else:
            result[key] = value
    return result


@dataclass(frozen=True)
class Chart:
    """A chart's metadata and default values, those of its local subcharts below their name. O(opaque) are the names of
    subcharts whose values are not in the repository."""

    meta: Mapping[str, Any]
    values: Mapping[str, Any]
    opaque: frozenset[str]

    @property
    def dependencies(self) -> list[Mapping[str, Any]]:
        return [one for one in self.meta.get("dependencies") or [] if isinstance(one, dict)]


def read_chart(folder: Path) -> Chart:
    """A chart of the repository. Raises DataError."""
    meta = mapping_of(folder / "Chart.yaml")
    values = mapping_of(folder / "values.yaml")
    own: dict[str, Any] = {}
    opaque = set()
    listed = {str(one.get("name")): one for one in meta.get("dependencies") or [] if isinstance(one, dict)}
    unlisted = [path.parent.name for path in sorted((folder / "charts").glob("*/Chart.yaml"))]
    for name in dict.fromkeys([*listed, *unlisted]):
        below = subchart(folder, listed.get(name, {"name": name}))
        key = str(listed.get(name, {}).get("alias") or name)
        if below is None:
            opaque.add(key)
        elif (below / "values.yaml").exists():
            own[key] = read_chart(below).values
    return Chart(meta, merged(own, values), frozenset(opaque))


def subchart(folder: Path, dependency: Mapping[str, Any]) -> Path | None:
    """The folder of a chart's dependency, where it is in the repository."""
    repository = str(dependency.get("repository") or "")
    local = folder / repository[7:] if repository.startswith("file://") else folder / "charts" / str(dependency["name"])
    return local if (local / "Chart.yaml").is_file() else None


def values_of(root: Path, chart: Chart, environment: Environment) -> dict[str, Any]:
    """The values that an environment is deployed with. Raises DataError."""
    result = dict(chart.values)
    for path in environment.values:
        result = merged(result, mapping_of(root / path))
    return result


def walk(node: Any, path: str = "") -> Iterator[tuple[str, str, Any]]:
    """Everything below a node: its path, its key (empty for an item of a list) and itself."""
    pairs: Sequence[tuple[str, str, Any]] = ()
    if isinstance(node, dict):
        pairs = [(f"{path}.{key}".lstrip("."), str(key), value) for key, value in node.items()]
    elif isinstance(node, list):
        pairs = [(f"{path}[{number}]", "", value) for number, value in enumerate(node)]
    for where, key, value in pairs:
        yield where, key, value
        yield from walk(value, where)


def declarations(values: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Where a service is declared, and as what: a mapping under its name (also in camel case) that describes a workload, or
    an item of a list that has its name and an image."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for where, key, value in walk(values):
        if not isinstance(value, dict):
            continue
        under_its_name = kebab(key) == name and bool(_WORKLOAD & set(value))
        if under_its_name or (value.get("name") == name and "image" in value):
            found.append((where, value))
    return found


def kebab(name: str) -> str:
    """A name as Kubernetes has it: C(unifiedMemory) and C(unified_memory) are C(unified-memory)."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-").lower()


def ports_of(declared: Mapping[str, Any]) -> set[int]:
    """The ports that a declaration of a service gives it."""
    return {
        value for _where, key, value in walk(declared) if key in _PORT_KEYS and isinstance(value, int) and value > 0
    }


def files(root: Path, patterns: Sequence[str], ignore: Sequence[str] = ()) -> Iterator[str]:
    """The files below the root that a pattern matches, by their path from there; git's own folder is never looked into."""
    wanted, unwanted = _either(patterns), _either(ignore)
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = (Path(folder) / name).relative_to(root).as_posix()
            if wanted.fullmatch(path) and not unwanted.fullmatch(path):
                yield path


def _either(patterns: Sequence[str]) -> re.Pattern[str]:
    """Globs as one expression: C(**) crosses folders, C(*) and C(?) do not."""
    parts = []
    for pattern in patterns:
        text = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*\*", ".*")
        parts.append(text.replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
    return re.compile("|".join(parts) or r"(?!)")


def finish(findings: Sequence[str], what: str) -> int:
    """Tell the findings, a line each, and return the exit code."""
    for line in findings:
        print(line)
    print(f"{what}: findings: {len(findings)}" if findings else f"{what}: nothing found", file=sys.stderr)
    return FOUND_SOMETHING if findings else FOUND_NOTHING
