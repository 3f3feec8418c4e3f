# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An audit's figures in the order in which a person reads them, beside those of an earlier audit."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

Row = t.Dict[str, t.Any]
# What the figures that are no kind of clutter count.
_OTHERS = {"kept": "files that no rule matches", "protected": "files protected", "archived": "files in the archive"}

# Kinds of clutter are indented below the other figures.
_KIND = "  "


def read_audit(path: str) -> dict[str, t.Any]:
    """An audit that was written earlier. Raises C(ReplatformError), in one line, for what is none."""
    try:
        with open(path, encoding="utf-8") as handle:
            audit = json.load(handle)
        rows(audit)
    except OSError as exc:
        raise ReplatformError(f"compare_to: {path} cannot be read: {exc.strerror}") from exc
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise ReplatformError(f"compare_to: {path} is no audit: name the .json file of a report") from exc
    return t.cast("dict[str, t.Any]", audit)


def compare(before: t.Mapping[str, t.Any] | None, after: t.Mapping[str, t.Any]) -> list[Row]:
    """The rows of both audits as C({figure, before, after}); what an audit does not count is 0, an audit that is not
    there None."""
    was, now = rows(before) if before is not None else {}, rows(after)
    order = [*now, *(figure for figure in was if figure not in now)]
    kinds = sorted(figure for figure in order if figure.startswith(_KIND))
    return [
        {"figure": figure, "before": was.get(figure, 0) if was else None, "after": now.get(figure, 0)}
        for figure in [*(figure for figure in order if not figure.startswith(_KIND)), *kinds]
    ]


def rows(audit: t.Mapping[str, t.Any]) -> dict[str, int]:
    """Each figure of an audit by its name, kinds of clutter last and indented."""
    categories = audit["categories"]
    return {
        "files in the root": int(audit["root_files"]),
        "folders in the root": int(audit["root_folders"]),
        "files": int(audit["files"]),
        "bytes": int(audit["bytes"]),
        "copies of other files": int(audit["duplicates"]["files"]),
        **{name: int(categories[key]["files"]) for key, name in _OTHERS.items() if key in categories},
        "files to move": int(audit["moves"]),
        "kept although a rule matches": len(audit["kept"]),
        "broken references": len(audit["broken"]),
        **{f"{_KIND}{key}": int(one["files"]) for key, one in sorted(categories.items()) if key not in _OTHERS},
    }
