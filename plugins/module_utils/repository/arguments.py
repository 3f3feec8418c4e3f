# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options that the repository modules share."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import CATEGORIES

SURVEY_OPTIONS: dict[str, t.Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["archived", "organised", "restored"], "default": "organised"},
    # What a rule holds is looked at by rules.parse_rules, which names the rule at fault.
    "rules": {"type": "list", "elements": "dict", "required": True},
    "categories": {"type": "dict", "default": CATEGORIES},
    "strict": {"type": "bool", "default": False},
    "protected": {"type": "list", "elements": "str", "default": []},
    "protected_days": {"type": "int", "default": 0},
    "on_reference": {"type": "str", "choices": ["keep", "rewrite", "fail"], "default": "keep"},
    "root_limit": {"type": "int", "default": 100},
}
