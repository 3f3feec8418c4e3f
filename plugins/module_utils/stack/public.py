# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values that may be shown: what looks like a secret in the environment is hidden."""

from __future__ import annotations

import copy
import re
import typing as t

HIDDEN = "(hidden)"
_NAME = re.compile(r"passw|secret|token|api_?key|credential|private|_dsn$|auth", re.IGNORECASE)
_URL = re.compile(r"://[^/@\s:]*:[^/@\s]+@")


def public(values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A copy of C(values) without inline secrets: by the variable's name, or a password in a URL."""
    result = copy.deepcopy(dict(values))
    for service in result.get("services", {}).values():
        for item in service.get("env", []):
            text = str(item.get("value", ""))
            is_file = str(item["name"]).endswith("_FILE") or text.startswith("/run/secrets/")
            if text and not is_file and (_NAME.search(str(item["name"])) or _URL.search(text)):
                item["value"] = HIDDEN
    return result
