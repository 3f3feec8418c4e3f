"""The K3s token: ``K10<sha256 of the CA>::<user>:<password>`` in its full form, the bare password in its short one."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

PREFIX = "K10"


@dataclass(frozen=True)
class Token:
    password: str
    user: str = "node"
    ca_hash: str = ""

    def pins(self, cacerts: bytes) -> bool:
        """Whether this token vouches for that CA; the short form vouches for any."""
        return not self.ca_hash or hmac.compare_digest(self.ca_hash, ca_hash(cacerts))


def ca_hash(cacerts: bytes) -> str:
    return hashlib.sha256(cacerts).hexdigest()


def parse(text: str, user: str = "node") -> Token:
    """Raises ValueError, in K3s' words, for something that cannot be a token."""
    text = text.strip()
    if not text:
        raise ValueError("token must not be empty")
    if not text.startswith(PREFIX):
        return Token(text, user)
    digest, separator, credentials = text[len(PREFIX) :].partition("::")
    if not separator or len(digest) != 64:
        raise ValueError("invalid token CA hash length")
    name, colon, password = credentials.partition(":")
    return Token(password, name, digest) if colon else Token(name, user, digest)


def full(password: str, user: str, cacerts: bytes) -> str:
    return f"{PREFIX}{ca_hash(cacerts)}::{user}:{password}"


def accepted(user: str, password: str, server_password: str, agent_password: str) -> bool:
    """The server's password opens everything; the agents' password only joins agents."""
    if hmac.compare_digest(password.encode(), server_password.encode()):
        return user in ("server", "node")
    return user == "node" and hmac.compare_digest(password.encode(), agent_password.encode())
