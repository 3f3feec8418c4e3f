# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A K3s release: its checksum file, what its binary calls itself, whether its script is to be run, and secrets in its log."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError

_LINE = re.compile(r"^([0-9a-fA-F]{64})\s+\*?(\S+)$")
_VERSION = re.compile(r"^k3s version (\S+)", re.MULTILINE)
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


def release_faults(said: str, wanted: str, source: str) -> list[str]:
    """Why a binary is not of the release C(wanted): C(said) is the output of its C(--version), C(source) the variable that gave it.

    A checksum says that a file is the one that its list names, not of which release the list is.
    """
    match = _VERSION.search(said)
    if match and match.group(1) == wanted:
        return []
    of = f"is of {match.group(1)}" if match else "does not say of which release it is"
    return [
        f"{source}: its binary {of}, and k3s_version is {wanted}; put that release there, or set k3s_version to the one that is there"
    ]


def script_due(script: t.Mapping[str, t.Any], unit: t.Mapping[str, t.Any]) -> bool:
    """Whether C(install.sh) is to be run: what C(stat) says of it and of the unit that it writes, last of all that it changes.

    Read from the files, not from what a run has copied: one that is killed before the script has ended is made good by the next.
    """
    return not unit.get("exists") or bool(script.get("exists") and script["mtime"] > unit["mtime"])


def redact(text: str) -> str:
    """A log text with everything that looks like a token, a password or a secret replaced."""
    return _ASSIGNED.sub(r"\1(hidden)", _TOKEN.sub("(hidden)", text))
