# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values of a chart that was there before, merged into those of the new one: no key is lost without a word."""

from __future__ import annotations

import copy
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.chart.conventions import Place, convention
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.chart.model import Row, Values
from ansible_collections.sophia.replatform.plugins.module_utils.chart.rules import Path, Rule, read, show
from ansible_collections.sophia.replatform.plugins.module_utils.chart.split import RESERVED, places
from ansible_collections.sophia.replatform.plugins.module_utils.stack.public import HIDDEN, public

CARRIED = "carried"
RENAMED = "renamed"
REPORTED = "reported"
VERDICTS = (RENAMED, CARRIED, REPORTED)
_SECRET = "looks like a secret: it is not written into files; give it as a secret of the cluster"
_IDLE = "nothing in the chart reads it"
_MISSING = object()


def merge(
    existing: t.Mapping[str, t.Any],
    values: t.Mapping[str, t.Any],
    rules: t.Iterable[t.Mapping[str, t.Any]] = (),
    dependencies: t.Iterable[str] = (),
) -> tuple[Values, list[Row]]:
    """C(values) of an umbrella with what C(existing) adds to them, and a row for every key of C(existing).

    A rule counts first. A block that is a service's (its C(name), or its key in kebab case, is the service's) is read by
    Helm's conventions. C(dependencies) are charts that the existing one fetched and the new one does not. Every other key
    stays where it is.
    """
    merger = _Merger(values, read(rules), set(dependencies))
    merger.walk((), existing, None)
    return merger.values, merger.rows


@dataclass(frozen=True)
class _Block:
    """A part of the existing values that is one service's."""

    path: Path
    service: str
    node: t.Mapping[str, t.Any]


class _Merger:
    def __init__(self, values: t.Mapping[str, t.Any], rules: list[Rule], dependencies: set[str]) -> None:
        self.values: Values = copy.deepcopy(dict(values))
        self.rows: list[Row] = []
        self.rules = rules
        self.dependencies = dependencies
        self.places = places(values)
        for rule in rules:
            if rule.service and rule.service not in self.places:
                raise ChartError(
                    f"rules: {show(rule.key)} is given to service {rule.service}, which is not in the stack"
                )

    def walk(self, path: Path, node: t.Any, block: _Block | None) -> None:
        if path and block is None:
            service = self._service(path, node)
            block = _Block(path, service, node) if service else None
        if isinstance(node, dict) and node:
            for key, value in node.items():
                self.walk((*path, str(key)), value, block)
        elif path:
            self._leaf(path, node, block)

    def _service(self, path: Path, node: t.Any) -> str | None:
        """The service whose block this is."""
        if not isinstance(node, dict):
            return None
        for rule in self.rules:
            if rule.service and len(rule.key) == len(path) and rule.match(path) is not None:
                return rule.service
        for name in (node.get("name"), kebab(path[-1])):
            if isinstance(name, str) and name in self.places:
                return name
        return None

    def _leaf(self, path: Path, value: t.Any, block: _Block | None) -> None:
        if hides_secret(path[len(block.path) :] if block else path, value):
            self._say(path, REPORTED, note=_SECRET)
            return
        for rule in self.rules:
            if not rule.service and rule.match(path) is not None:
                self._by_rule(rule, path, value)
                return
        if block:
            self._by_convention(path, value, block)
        elif path[0] in self.dependencies:
            self._say(
                path, REPORTED, note=f"of the chart {path[0]}, which the existing chart fetched and this one does not"
            )
        else:
            self._carry(path, value)

    def _by_rule(self, rule: Rule, path: Path, value: t.Any) -> None:
        if rule.report:
            self._say(path, REPORTED, note=rule.report)
            return
        target = rule.target(path)
        if target[0] not in self.values:
            raise ChartError(
                f"rules: {show(rule.key)} goes to {show(target)}, and there is no {target[0]} in the chart"
            )
        if not self._put(target, value):
            raise ChartError(f"rules: {show(rule.key)} goes to {show(target)}, where a value is in its way")
        self._say(path, RENAMED, show(target), rule.note)

    def _by_convention(self, path: Path, value: t.Any, block: _Block) -> None:
        home = (self.places[block.service], "services", block.service)
        place = Place(block.service, _get(self.values, home), block.node)
        outcome = convention(path[len(block.path) :], value, place)
        for at, item in outcome.changes:
            self._put((*home, *at), item)
        if outcome.at is None:
            self._say(path, REPORTED, note=outcome.note)
        else:
            self._say(path, RENAMED, show((*home, *outcome.at)), outcome.note)

    def _carry(self, path: Path, value: t.Any) -> None:
        there = _get(self.values, path)
        if there is not _MISSING:
            same = there == value
            self._say(path, CARRIED if same else REPORTED, note="" if same else "the new chart has another value there")
        elif path[0] in RESERVED[1:] or path[0] in self.places.values():
            self._say(
                path, REPORTED, note=f"the new chart means something else by {path[0]}, and does not know this key"
            )
        elif not self._put(path, value):
            self._say(path, REPORTED, note="the new chart has a value in its way")
        else:
            self._say(path, CARRIED, note=_IDLE)

    def _put(self, path: Path, value: t.Any) -> bool:
        node = self.values
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                return False
        node[path[-1]] = copy.deepcopy(value)
        return True

    def _say(self, path: Path, verdict: str, to: str = "", note: str = "") -> None:
        self.rows.append(Row(show(path), verdict, to, note))


def _get(node: t.Any, path: Path) -> t.Any:
    for part in path:
        if not isinstance(node, dict) or part not in node:
            return _MISSING
        node = node[part]
    return node


def kebab(key: str) -> str:
    """C(aiMemory) as C(ai-memory), as services are named."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])|_", lambda match: "-" + (match.group(1) or ""), key).lower()


def hides_secret(path: Path, value: t.Any) -> bool:
    """Whether a value may not be shown, by the same measure as an environment's.

    A text counts by every key on the way to it, a number by the last one, a list or mapping by all that it holds. In a list of
    C(name) and C(value), the name is a key, too.
    """
    if isinstance(value, dict):
        named = (str(value["name"]),) if "name" in value else ()
        return any(
            hides_secret((*path, *(named if key == "value" else ()), str(key)), item) for key, item in value.items()
        )
    if isinstance(value, list):
        return any(hides_secret(path, item) for item in value)
    if value is None or isinstance(value, (bool, float)):
        return False
    env = [{"name": name, "value": value} for name in (path if isinstance(value, str) else path[-1:])]
    shown = public({"services": {"any": {"env": env}}})["services"]["any"]["env"]
    return any(item["value"] == HIDDEN for item in shown)
