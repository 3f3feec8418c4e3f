# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tokens: the secret in one, and which of them a cluster can be given.

The secure form is C(K10<sha256 of the CA>::<user>:<secret>), the short one is the secret alone (U(https://docs.k3s.io/cli/token)).
No message here repeats any part of a token.
"""

from __future__ import annotations

import re

_SECURE = re.compile(r"K10[0-9a-fA-F]+::(?:[^:]*:)?(.*)")
_BOOTSTRAP = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_PLAIN = re.compile(r"[!-~]+")
_SHORTEST = 16
_MEND = "write another one (openssl rand -hex 32)"


def secret(token: str) -> str:
    """The secret in a token of either form."""
    text = token.strip()
    match = _SECURE.fullmatch(text)
    return match.group(1) if match else text


def rotated(present: str, noted: str) -> bool:
    """Whether a cluster whose token is C(present) was given the one that a rotation has C(noted), empty without a rotation.

    From then on no server can start with another one: bootstrap data are encrypted with the token.
    """
    return bool(secret(noted)) and secret(present) == secret(noted)


def token_faults(token: str, where: str) -> list[str]:
    """Why a cluster can't be given this token; each line begins with C(where), the variable of its file."""
    text = token.strip()
    if not text:
        return [f"{where}: the file is empty; {_MEND}"]
    if _SECURE.fullmatch(text):
        return [
            f"{where}: the file holds the secure form (K10...); write the secret alone, what follows the user's name and a colon"
        ]
    if _BOOTSTRAP.fullmatch(text):
        return [
            f"{where}: the file holds a bootstrap token, which keeps servers from starting (k3s issue 12982); {_MEND}"
        ]
    if not _PLAIN.fullmatch(text) or "::" in text:
        return [f"{where}: the file must hold one word of ASCII without '::'; {_MEND}"]
    if len(text) < _SHORTEST:
        return [f"{where}: the token is shorter than {_SHORTEST} characters; {_MEND}"]
    return []
