# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A K3s release: its file names, its checksum file, and secrets that its log may hold."""

from __future__ import annotations

import re

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError

_LINE = re.compile(r"^([0-9a-fA-F]{64})\s+\*?(\S+)$")
_TOKEN = re.compile(r"K10[0-9a-fA-F]{8,}::\S+|::(?:server|node):\S+")
_ASSIGNED = re.compile(r"(?i)((?:token|password|secret)[\w-]*[=:]\s*)\"?[^\s\"]+")


def checksum(text: str, name: str) -> str:
    """The SHA-256 of the file C(name) (the exact name) in the text of a C(sha256sum-<arch>.txt).

    Raises C(RefusedError) when the file is not listed, or listed twice with different sums.
    """
    found = set()
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match and match.group(2) == name:
            found.add(match.group(1).lower())
    if not found:
        raise RefusedError(f"the release's checksum file does not list '{name}'")
    if len(found) > 1:
        raise RefusedError(f"the release's checksum file lists '{name}' twice with different sums")
    return found.pop()


def redact(text: str) -> str:
    """A log text with everything that looks like a token, a password or a secret replaced."""
    return _ASSIGNED.sub(r"\1(hidden)", _TOKEN.sub("(hidden)", text))
