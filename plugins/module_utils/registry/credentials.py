# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who to be at a registry, from Docker's C(config.json) or as given. Pure."""

from __future__ import annotations

import base64
import binascii
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.registry.reference import HUB

_HUB_KEYS = frozenset({"index.docker.io", "registry-1.docker.io", HUB})


@dataclass(frozen=True)
class Credentials:
    """A user with a password, or an identity token that stands for both."""

    username: str = ""
    password: str = ""
    identity_token: str = ""


def collect(
    config: t.Mapping[str, t.Any], given: t.Iterable[t.Mapping[str, t.Any]] = ()
) -> tuple[dict[str, Credentials], frozenset[str]]:
    """Credentials by registry, those O(given) before those of O(config); and the registries whose credentials only a
    helper program knows. Raises C(ReplatformError) for an entry that can't be read.
    """
    found: dict[str, Credentials] = {}
    for address, entry in (config.get("auths") or {}).items():
        credentials = _entry(address, entry)
        if credentials:
            found[registry_of(address)] = credentials
    for one in given:
        found[registry_of(one["registry"])] = Credentials(one["username"], one["password"])
    helped = {registry_of(address) for address in (config.get("credHelpers") or {})}
    if config.get("credsStore"):
        helped |= {registry_of(address) for address in (config.get("auths") or {})}
    return found, frozenset(helped - set(found))


def registry_of(address: str) -> str:
    """The registry that a key of C(auths) means: C(host), C(host:port), or either in an URL."""
    host = urllib.parse.urlsplit(address if "//" in address else f"//{address}").netloc
    return HUB if host in _HUB_KEYS else host


def _entry(address: str, entry: t.Mapping[str, t.Any]) -> Credentials | None:
    if entry.get("identitytoken"):
        return Credentials(identity_token=str(entry["identitytoken"]))
    if entry.get("username"):
        return Credentials(str(entry["username"]), str(entry.get("password", "")))
    if not entry.get("auth"):
        return None
    try:
        username, colon, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError, TypeError):
        colon = ""
    if not colon:
        raise ReplatformError(f"docker_config: the entry 'auth' of {address} is not user:password in base64")
    return Credentials(username, password.rstrip("\0"))
