# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Paths of keys, and rules of the operator for keys of an existing chart."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError

Path = t.Tuple[str, ...]
_ACTIONS = ("to", "service", "report")


def parse(text: str) -> Path:
    """C(a.b) as a path; a dot within a key is written with a backslash, as for C(helm --set)."""
    return tuple(part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", text))


def show(path: t.Iterable[str]) -> str:
    return ".".join(str(part).replace(".", "\\.") for part in path)


@dataclass(frozen=True)
class Rule:
    """What the operator decides for the keys at and below C(key), in which C(*) stands for any one part.

    One of C(to) (the new place, in which each C(*) is what C(key)'s matched), C(service) (the block is this service's)
    and C(report) (not carried, for this reason).
    """

    key: Path
    to: Path = ()
    service: str = ""
    report: str = ""
    note: str = ""

    def match(self, path: Path) -> Path | None:
        """What the stars stand for, or nothing."""
        if len(path) < len(self.key) or any(k not in ("*", p) for k, p in zip(self.key, path)):
            return None
        return tuple(p for k, p in zip(self.key, path) if k == "*")

    def target(self, path: Path) -> Path:
        """Where the value at C(path) goes."""
        stars = list(self.match(path) or ())
        start = tuple(stars.pop(0) if part == "*" and stars else part for part in self.to)
        return start + path[len(self.key) :]


def read(given: t.Iterable[t.Mapping[str, t.Any]]) -> list[Rule]:
    """Rules as the operator writes them; raises C(ChartError) for one that can't be followed."""
    result = []
    for i, item in enumerate(given):
        actions = [name for name in _ACTIONS if item.get(name)]
        unknown = sorted(set(item) - {"key", "note", *_ACTIONS})
        if not item.get("key") or len(actions) != 1 or unknown:
            wrong = (
                f"unknown key {unknown[0]}" if unknown else "'key' and one of 'to', 'service' and 'report' are wanted"
            )
            raise ChartError(f"rules[{i}]: {wrong}")
        to = parse(str(item["to"])) if "to" in actions else ()
        rule = Rule(
            parse(str(item["key"])),
            to,
            str(item.get("service", "")),
            str(item.get("report", "")),
            str(item.get("note", "")),
        )
        if rule.to.count("*") > rule.key.count("*"):
            raise ChartError(f"rules[{i}]: 'to' has more stars than 'key'")
        result.append(rule)
    return result
