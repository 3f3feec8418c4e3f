# Made by sophia.replatform.delivery: changes made here are lost.
"""Whether the memory architecture is whole: every memory service is declared once, in the chart's values and nowhere else, and
nothing uses a legacy vector store any more.

Exit codes: 0 nothing was found, 1 something was (a line each on standard output), 2 wrong usage or a data file that can't be
used.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import delivery_data as delivery
import yaml

_WORKLOADS = frozenset({"CronJob", "DaemonSet", "Deployment", "Job", "Pod", "ReplicaSet", "StatefulSet"})
_KIND_LINE = re.compile(r"^kind:\s*(\w+)", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#.*")


def declared(root: Path, data: delivery.Data) -> Iterator[str]:
    """Memory services that an environment's values declare not at all, or more than once."""
    for environment in data.environments.values():
        try:
            values = delivery.values_of(root, delivery.read_chart(root / data.chart), environment)
        except delivery.DataError as exc:
            yield str(exc)
            continue
        for name in data.memory_services:
            places = [where for where, _one in delivery.declarations(values, name)]
            if not places:
                yield f"{environment.name}: the memory service {name} is not declared in the values of {data.chart}"
            elif len(places) > 1:
                yield f"{environment.name}: the memory service {name} is declared {len(places)} times: {', '.join(places)}"


def elsewhere(root: Path, data: delivery.Data) -> Iterator[str]:
    """Manifests and stack files outside the chart that declare a memory service a second time."""
    deployed = [f"{data.chart}/**", *(path for one in data.environments.values() for path in one.values)]
    for path in delivery.files(root, data.manifests, [*deployed, *data.ignore]):
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        for name in data.memory_services:
            if name in text and _declares(text, name):
                yield f"{path}: declares the memory service {name}, which {data.chart} deploys: remove it here"


def _declares(text: str, name: str) -> bool:
    try:
        return any(_is_workload(document, name) for document in yaml.safe_load_all(text))
    except yaml.YAMLError:
        # A template: its lines have to do.
        kinds = set(_KIND_LINE.findall(text))
        return bool(
            kinds & _WORKLOADS and re.search(rf"^  name:\s*[\"']?{re.escape(name)}[\"']?\s*$", text, re.MULTILINE)
        )


def _is_workload(document: Any, name: str) -> bool:
    if not isinstance(document, dict):
        return False
    metadata, services = document.get("metadata"), document.get("services")
    if document.get("kind") in _WORKLOADS and isinstance(metadata, dict) and metadata.get("name") == name:
        return True
    return "kind" not in document and isinstance(services, dict) and name in services


def legacy(root: Path, data: delivery.Data) -> Iterator[str]:
    """What still imports, installs, runs or configures a legacy vector store."""
    if not data.legacy_stores:
        return
    for path in delivery.files(root, data.scan, data.ignore):
        text = (root / path).read_text(encoding="utf-8", errors="replace")
        for store in data.legacy_stores:
            for number in uses(path, text, store):
                yield f"{path}:{number}: uses {store.name}"


def uses(path: str, text: str, store: delivery.Store) -> list[int]:
    """The lines that use a store. Of Python that parses these are its imports; elsewhere comments do not count."""
    # A module's name has an underscore where the package's has a hyphen.
    words = "|".join(re.escape(word).replace(r"\-", "[-_]") for word in store.words)
    pattern = re.compile(rf"(?<![A-Za-z0-9])({words})(?![A-Za-z0-9])", re.IGNORECASE)
    if not pattern.search(text):
        return []
    if path.endswith(".py"):
        imported = _imports(text)
        if imported is not None:
            modules = {word.lower().replace("-", "_") for word in store.words}
            return [line for line, name in imported if modules & set(name.lower().split("."))]
    lines = (_COMMENT.sub("", line) for line in text.splitlines())
    return [number for number, line in enumerate(lines, start=1) if pattern.search(line)]


def _imports(text: str) -> list[tuple[int, str]] | None:
    """The line and the dotted name of every import; None where the text is no Python."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return None
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.lineno, f"{node.module or ''}.{alias.name}") for alias in node.names]
    return sorted(set(found))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (by default the current folder)")
    parser.add_argument("--data", type=Path, help=f"the data file (by default {delivery.DEFAULT} in the repository)")
    given = parser.parse_args(arguments)
    try:
        data = delivery.load(given.data or given.root / delivery.DEFAULT)
    except delivery.DataError as exc:
        print(exc, file=sys.stderr)
        return delivery.UNUSABLE
    findings = [*declared(given.root, data), *elsewhere(given.root, data), *legacy(given.root, data)]
    return delivery.finish(list(dict.fromkeys(findings)), "memory architecture")


if __name__ == "__main__":
    sys.exit(main())
