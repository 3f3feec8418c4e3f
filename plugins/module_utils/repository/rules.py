# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules that say which files of a repository are clutter, and where each kind belongs.

Patterns are those of gitignore(5), matched against paths from the repository's root. The first rule that matches decides;
a protected pattern beats every rule.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import in_root, stays_inside

try:
    from pathspec import GitIgnoreSpec

    PATHSPEC_ERROR = None
except ImportError as exc:
    PATHSPEC_ERROR = exc

ARCHIVE = "archive"
# Where a rule may send files: out of the way, or to where scripts of a purpose live.
ROOTS = (ARCHIVE, "scripts")


@dataclass(frozen=True)
class Rule:
    """Files of one kind. Below O(destination) they keep their path, or, with O(keep_path=False), only their name."""

    category: str
    patterns: tuple[str, ...]
    reason: str
    destination: str
    keep_path: bool = True

    def target(self, path: str) -> str:
        """Where a file that this rule matches belongs."""
        return f"{self.destination}/{path if self.keep_path else path.rsplit('/', 1)[-1]}"


@dataclass(frozen=True)
class Verdict:
    """What the rules say about one path: C(move), C(protected) or C(keep), and why."""

    outcome: str
    category: str
    reason: str
    destination: str = ""


def parse_rules(raw: t.Sequence[t.Mapping[str, t.Any]]) -> list[Rule]:
    """Rules from mappings with C(category), C(patterns), C(reason) and optionally C(destination) and C(keep_path).

    Raises C(ReplatformError) that names the first rule at fault.
    """
    return [_parse(number, one) for number, one in enumerate(raw, start=1)]


def _parse(number: int, raw: t.Mapping[str, t.Any]) -> Rule:
    name = f"repository_rules: rule {number} ({raw.get('category') or 'no category'})"
    for key in ("category", "patterns", "reason"):
        if not raw.get(key):
            raise ReplatformError(f"{name} has no '{key}'")
    destination = str(raw.get("destination") or f"{ARCHIVE}/{raw['category']}").rstrip("/")
    if not stays_inside(destination) or destination.split("/", maxsplit=1)[0] not in ROOTS:
        raise ReplatformError(f"{name} has the destination '{destination}', which is not below {' or '.join(ROOTS)}")
    keep_path = raw.get("keep_path")
    return Rule(
        category=str(raw["category"]),
        patterns=tuple(str(pattern) for pattern in raw["patterns"]),
        reason=str(raw["reason"]),
        destination=destination,
        # An archive that dropped folders could not be put back; a scripts folder is flat by nature.
        keep_path=destination.split("/", maxsplit=1)[0] == ARCHIVE if keep_path is None else bool(keep_path),
    )


class Classifier:
    """Answers, for a path, which rule decides. Needs the pathspec library (see RV(PATHSPEC_ERROR))."""

    def __init__(self, rules: t.Sequence[Rule], protected: t.Sequence[str]) -> None:
        self._protected_lines = [str(pattern) for pattern in protected]
        self._protected = GitIgnoreSpec.from_lines(self._protected_lines)
        self._rules = [(rule, GitIgnoreSpec.from_lines(rule.patterns)) for rule in rules]

    def is_protected(self, path: str) -> bool:
        return self._protected.match_file(path)

    def classify(self, path: str) -> Verdict:
        if path.split("/")[0] == ARCHIVE:
            return Verdict("keep", "archived", "it is in the archive already")
        if self.is_protected(path):
            index = self._protected.check_file(path).index
            return Verdict("protected", "protected", f"protected by '{self._protected_lines[index or 0]}'")
        for rule, spec in self._rules:
            # A rule that keeps only names is for the root: two folders may hold files of one name.
            if (rule.keep_path or in_root(path)) and spec.match_file(path):
                return Verdict("move", rule.category, rule.reason, rule.target(path))
        return Verdict("keep", "kept", "no rule matches")
