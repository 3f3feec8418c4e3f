# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values that may be shown: what looks like a secret in the environment, or in a header, is hidden."""

from __future__ import annotations

import copy
import re
import typing as t

HIDDEN = "(hidden)"
_NAME = re.compile(r"passw|secret|token|api_?key|credential|private|_dsn$|auth", re.IGNORECASE)
_WORD = re.compile(r"pass|secret|token|api[-_]?key|credential|private|auth", re.IGNORECASE)
_URL = re.compile(r"://[^/@\s:]*:[^/@\s]+@")


def public(values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A copy of C(values) without inline secrets: by the variable's name, or a password in a URL."""
    result = copy.deepcopy(dict(values))
    for service in result.get("services", {}).values():
        for item in service.get("env", []):
            if is_secret(str(item["name"]), str(item.get("value", ""))):
                item["value"] = HIDDEN
    for middleware in result.get("middlewares", {}).values():
        for options in middleware.values():
            for pairs in [item for item in options.values() if isinstance(item, dict)]:
                pairs.update({name: HIDDEN for name, text in pairs.items() if is_secret(name, text)})
    return result


def is_secret(name: str, text: str) -> bool:
    """Whether a variable looks like a secret; the path of one does not."""
    is_file = name.endswith("_FILE") or text.startswith("/run/secrets/")
    return bool(text and not is_file and (_NAME.search(name) or _URL.search(text)))


def names_secret(text: str) -> bool:
    """Whether a command line names one, as an option or in a URL; which of its words it is can't be told."""
    return bool(_WORD.search(text) or _URL.search(text))
