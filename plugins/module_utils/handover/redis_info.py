# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What C(redis-cli INFO) prints, and what is added to it in the same form."""

from __future__ import annotations

import re
import typing as t


def parse(text: str) -> dict[str, str]:
    """The values by their names."""
    return dict(line.strip().split(":", 1) for line in text.splitlines() if ":" in line)


def keys(info: t.Mapping[str, str]) -> int:
    """How many there are in all databases."""
    found = (re.match(r"keys=(\d+)", value) for name, value in info.items() if re.fullmatch(r"db\d+", name))
    return sum(int(one[1]) for one in found if one)


def loading(info: t.Mapping[str, str]) -> bool:
    """Whether it reads its own data after a start; keys and offset are not yet those that it has. What a replica gets from its master it
    loads as well."""
    return info.get("loading") == "1" and info.get("master_sync_in_progress") != "1"
