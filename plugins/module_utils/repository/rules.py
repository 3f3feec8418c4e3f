# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules that say which files of a repository are clutter, and where each kind belongs.

Patterns are those of gitignore(5), matched against paths from the repository's root. The first rule that matches decides;
a protected pattern, and a commit of the last days, beat every rule.
"""

from __future__ import annotations

import difflib
import functools
import re
import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import in_root, shown, stays_inside

try:
    from pathspec import GitIgnoreSpec

    PATHSPEC_ERROR = None
except ImportError as exc:
    PATHSPEC_ERROR = exc

ARCHIVE = "archive"
SCRIPTS = "scripts"
# Where a rule may send files: out of the way, or to where scripts of a purpose live.
ROOTS = (ARCHIVE, SCRIPTS)
# The categories that rules may name, unless the inventory lists others. The archive's README shows the descriptions.
CATEGORIES = {
    "backups": "Copies kept beside their original",
    "deprecated": "What is no longer used, by its own name",
    "legacy-deployments": "Ways of deploying that the migration replaces",
    "plans": "Plans of work",
    "reports": "Reports on work that is done",
    "one-time-scripts": "Scripts that were written to run once",
    "documents": "Guides and notes on work that is done",
    "ci-scripts": "Scripts that build, test and release",
    "deployment-scripts": "Scripts that deploy and start",
    "quality-scripts": "Scripts that lint, format and measure",
    "validation-scripts": "Scripts that check a configuration or a running system",
    "utility-scripts": "Scripts for everyday work",
}
_KEYS = ("category", "patterns", "reason", "destination", "keep_path")
# How pathspec begins the expression of a pattern that may match in any folder.
_ANYWHERE = "^(?:.+/)?"


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

    def origin(self, path: str) -> str:
        """Where a file that lies below the destination came from; the path itself for any other."""
        return path.removeprefix(f"{self.destination}/")

    def concerns(self, path: str) -> bool:
        """A rule that keeps only names is for the root: two folders may hold files of one name."""
        return self.keep_path or in_root(path)


@dataclass(frozen=True)
class Verdict:
    """What the rules say about one path: C(move), C(protected) or C(keep), and why."""

    outcome: str
    category: str
    reason: str
    destination: str = ""


def parse_rules(raw: t.Sequence[t.Mapping[str, t.Any]], categories: t.Mapping[str, str] | None = None) -> list[Rule]:
    """Rules from mappings with C(category), C(patterns), C(reason) and optionally C(destination) and C(keep_path).

    O(categories) are the names that rules may use, with a description each; None allows any. Raises C(ReplatformError)
    that names the first rule at fault, in one line.
    """
    for name, description in (categories or {}).items():
        if not isinstance(description, str):
            raise ReplatformError(f"repository_categories: {shown(str(name))} has no description")
    return [_parse(number, one, categories) for number, one in enumerate(raw, start=1)]


def parse_protected(raw: t.Sequence[t.Any]) -> list[str]:
    """Patterns of what never moves. Raises C(ReplatformError) that names the first at fault, in one line."""
    for number, pattern in enumerate(raw, start=1):
        why = _pattern_fault(pattern)
        if why:
            raise ReplatformError(f"repository_protected: pattern {number} {why}")
    return list(raw)


def _parse(number: int, raw: t.Mapping[str, t.Any], categories: t.Mapping[str, str] | None) -> Rule:
    category = raw.get("category")
    name = f"repository_rules: rule {number} ({shown(str(category)) if category else 'no category'})"
    why = _keys_fault(raw) or _patterns_fault(raw["patterns"])
    if why:
        raise ReplatformError(f"{name} {why}")
    destination = str(raw.get("destination") or f"{ARCHIVE}/{category}").rstrip("/")
    top = destination.split("/", maxsplit=1)[0]
    if not stays_inside(destination) or top not in ROOTS:
        raise ReplatformError(
            f"{name} has the destination '{shown(destination)}', which is not below {' or '.join(ROOTS)}"
        )
    if categories is not None and category not in categories:
        raise ReplatformError(
            f"{name} has a category that repository_categories does not list{_nearest(str(category), categories)}"
        )
    keep_path = raw.get("keep_path")
    return Rule(
        category=str(category),
        patterns=tuple(raw["patterns"]),
        reason=raw["reason"],
        destination=destination,
        # An archive that dropped folders could not be put back; a scripts folder is flat by nature.
        keep_path=top == ARCHIVE if keep_path is None else keep_path,
    )


def _keys_fault(raw: t.Mapping[str, t.Any]) -> str:
    for key in raw:
        if key not in _KEYS:
            return f"has the unknown key '{shown(str(key))}'{_nearest(str(key), _KEYS)}"
    for key in ("category", "patterns", "reason"):
        if raw.get(key) in (None, "", []):
            return f"has no '{key}'"
    for key in ("category", "reason", "destination"):
        if not isinstance(raw.get(key, ""), (str, type(None))):
            return f"has {_kind(raw[key])} as '{key}', not a text"
    if not isinstance(raw["patterns"], (list, tuple)):
        return f"has {_kind(raw['patterns'])} as 'patterns', not a list"
    if not isinstance(raw.get("keep_path"), (bool, type(None))):
        return f"has {_kind(raw['keep_path'])} as 'keep_path', not true or false"
    return ""


def _patterns_fault(patterns: t.Sequence[t.Any]) -> str:
    for number, pattern in enumerate(patterns, start=1):
        why = _pattern_fault(pattern)
        if why:
            return f"has at 'patterns' number {number} a pattern that {why}"
    if all(pattern.startswith("!") for pattern in patterns):
        return "has only negated patterns at 'patterns', which match nothing"
    return ""


def _pattern_fault(pattern: t.Any) -> str:
    """What is wrong with one pattern, empty when nothing is."""
    if not isinstance(pattern, str):
        return f"is {_kind(pattern)}, not a text"
    if not pattern.strip():
        return "is empty"
    if pattern.startswith("#"):
        return f"is a comment ('{shown(pattern)}'): begin it with a backslash"
    try:
        found = _compiled(pattern)
    except (ValueError, re.error) as exc:
        return f"is not valid ('{shown(pattern)}': {shown(str(exc))})"
    if found.include is None:
        return f"is not valid ('{shown(pattern)}' can match nothing)"
    return ""


def _kind(value: t.Any) -> str:
    """What a value is, in the words of those who write YAML."""
    names = ((bool, "true or false"), (int, "a number"), (float, "a number"), (str, "a text"), (dict, "a mapping"))
    return next((name for kind, name in (*names, (list, "a list")) if isinstance(value, kind)), "nothing")


def _nearest(word: str, words: t.Iterable[str]) -> str:
    known = [str(one) for one in words]
    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean '{shown(near[0])}'?" if near else f" ({', '.join(shown(one) for one in known)})"


class Classifier:
    """Answers, for a path, which rule decides. Needs the pathspec library (see RV(PATHSPEC_ERROR)).

    O(recent) are the paths that commits of the last O(days) days changed: protected like O(protected). O(strict) asks
    that every pattern of the rules matches something, which RV(unmatched) tells.
    """

    def __init__(
        self,
        rules: t.Sequence[Rule],
        protected: t.Sequence[str],
        recent: t.Collection[str] = (),
        days: int = 0,
        strict: bool = False,
    ) -> None:
        self.strict = strict
        self._protected_lines = [str(pattern) for pattern in protected]
        self._protected = _spec(self._protected_lines)
        self._rules = [(rule, _spec(rule.patterns)) for rule in rules]
        self._sieve = _Sieve([self._protected, *(spec for _rule, spec in self._rules)])
        self._recent = frozenset(recent)
        self._days = days

    def is_protected(self, path: str) -> bool:
        return path in self._recent or self._protected.match_file(path)

    def classify(self, path: str) -> Verdict:
        if path.split("/")[0] == ARCHIVE:
            return Verdict("keep", "archived", "it is in the archive already")
        if path in self._recent:
            return Verdict("protected", "protected", f"changed in the last {self._days} days")
        if not self._sieve.may_match(path):
            return Verdict("keep", "kept", "no rule matches")
        if self._protected.match_file(path):
            index = self._protected.check_file(path).index
            return Verdict("protected", "protected", f"protected by '{self._protected_lines[index or 0]}'")
        for rule, spec in self._rules:
            if rule.concerns(path) and spec.match_file(path):
                return Verdict("move", rule.category, rule.reason, rule.target(path))
        return Verdict("keep", "kept", "no rule matches")

    def unmatched(self, paths: t.Iterable[str]) -> list[str]:
        """The patterns that match no file, each with its rule. What a run has moved still matches where it came from."""
        files = list(paths)
        return [
            f"rule {number} ({shown(rule.category)}): pattern '{shown(pattern)}' matches nothing"
            for number, (rule, _spec) in enumerate(self._rules, start=1)
            for pattern in rule.patterns
            if not pattern.startswith("!") and not _matches_any(rule, pattern, files)
        ]


def _matches_any(rule: Rule, pattern: str, paths: t.Sequence[str]) -> bool:
    spec = _spec([pattern])
    sieve = _Sieve([spec])
    for path in paths:
        origin = rule.origin(path)
        if sieve.may_match(origin) and rule.concerns(origin) and spec.match_file(origin):
            return True
    return False


def _spec(patterns: t.Iterable[str]) -> GitIgnoreSpec:
    return GitIgnoreSpec([_compiled(pattern) for pattern in patterns])


@functools.lru_cache(maxsize=None)
def _compiled(pattern: str) -> t.Any:
    """What a pattern means, also for names with a newline, and for whole names only, as git's does."""
    kind = type(GitIgnoreSpec.from_lines(["*"]).patterns[0])
    regex, include = kind.pattern_to_regex(pattern)
    if regex is None:
        return kind(None, None)
    return kind(re.compile(re.sub(r"\$(\)*)$", r"\\Z\1", regex), re.DOTALL), include)


class _Sieve:
    """Most paths match no pattern at all: one look at all patterns together spares them the look at each."""

    def __init__(self, specs: t.Iterable[GitIgnoreSpec]) -> None:
        found = [
            re.sub(r"\(\?P<\w+>", "(?:", one.regex.pattern) for spec in specs for one in spec.patterns if one.regex
        ]
        anywhere = [one.removeprefix(_ANYWHERE) for one in found if one.startswith(_ANYWHERE)]
        anchored = [one.removeprefix("^") for one in found if not one.startswith(_ANYWHERE)]
        # An expression that can't match stands for no pattern at all.
        self._anywhere = re.compile(f"(?:^|/)(?:{'|'.join(anywhere) or '(?!)'})", re.DOTALL)
        self._anchored = re.compile(f"(?:{'|'.join(anchored) or '(?!)'})", re.DOTALL)

    def may_match(self, path: str) -> bool:
        return bool(self._anchored.match(path) or self._anywhere.search(path))
