# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that the repository modules share."""

from __future__ import annotations

import typing as t

SURVEY_OPTIONS: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "rules": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "category": {"type": "str", "required": True},
            "patterns": {"type": "list", "elements": "str", "required": True},
            "reason": {"type": "str", "required": True},
            "destination": {"type": "str"},
            "keep_path": {"type": "bool"},
        },
    },
    "protected": {"type": "list", "elements": "str", "default": []},
    "root_limit": {"type": "int", "default": 100},
}
