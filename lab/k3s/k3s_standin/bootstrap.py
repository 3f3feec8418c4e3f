"""What makes several servers one cluster: authorities and keys, kept in the datastore under the token, and equal settings."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any, Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import logs, pki
from .etcd import Etcd
from .settings import Settings

DIFFERENT_TOKEN = (
    "failed to reconcile with local datastore: bootstrap data already found and encrypted with different token"
)
PREFIX = "/bootstrap/"
AGENT_PASSWORD = "cred/agent-password"
FILES = (
    *(f"tls/{name}.{kind}" for name in pki.AUTHORITIES for kind in ("crt", "key")),
    "tls/service.key",
    AGENT_PASSWORD,
)


def collect(settings: Settings) -> dict[str, str]:
    """Every file of FILES by its path below ``server``, in base64."""
    return {name: base64.b64encode((settings.server_dir / name).read_bytes()).decode() for name in FILES}


def write(settings: Settings, files: Mapping[str, str]) -> list[str]:
    """Put in place what differs; gives the names. Files of other names are left out, whoever sent them."""
    changed = []
    for name in FILES:
        content = base64.b64decode(files[name])
        file = settings.server_dir / name
        if not file.exists() or file.read_bytes() != content:
            pki.write(file, content, 0o644 if name.endswith(".crt") else 0o600)
            changed.append(name)
    return changed


def holds_agent_password(files: Mapping[str, str], password: str) -> bool:
    return hmac.compare_digest(base64.b64decode(files[AGENT_PASSWORD]), password.encode())


def storage_key(password: str) -> str:
    return PREFIX + hashlib.sha256(password.encode()).hexdigest()[:12]


def _key(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**13, r=8, p=1, dklen=32)


def encrypt(password: str, files: Mapping[str, str]) -> bytes:
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    return salt + nonce + AESGCM(_key(password, salt)).encrypt(nonce, json.dumps(files).encode(), None)


def decrypt(password: str, content: bytes) -> dict[str, str]:
    """Raises ValueError where the password is another one, or the content is not whole."""
    try:
        plain = AESGCM(_key(password, content[:16])).decrypt(content[16:28], content[28:], None)
    except InvalidTag as error:
        raise ValueError("bootstrap data cannot be decrypted with this token") from error
    files = json.loads(plain)
    assert isinstance(files, dict)
    return files


def save(store: Etcd, settings: Settings, server_password: str, agent_password: str) -> None:
    files = {**collect(settings), AGENT_PASSWORD: base64.b64encode(agent_password.encode()).decode()}
    store.put(storage_key(server_password), encrypt(server_password, files))


def agree(store: Etcd, settings: Settings, chosen: tuple[str, str], kept: str) -> None:
    """This server's token is the datastore's; a datastore without any takes this one."""
    stored = store.list(PREFIX)
    key = storage_key(chosen[0])
    if not stored and kept in ("", chosen[0]):
        save(store, settings, *chosen)
    elif key not in stored:
        raise logs.Fatal(DIFFERENT_TOKEN)
    else:
        try:
            decrypt(chosen[0], stored[key])
        except ValueError as error:
            raise logs.Fatal(f"failed to reconcile with local datastore: {error}") from error


def critical(settings: Settings) -> dict[str, Any]:
    """The settings that K3s wants to be equal on all servers, with its defaults."""
    flags = (
        "disable-cloud-controller",
        "disable-helm-controller",
        "disable-network-policy",
        "embedded-registry",
        "flannel-external-ip",
        "flannel-ipv6-masq",
        "secrets-encryption",
    )
    return {
        **{name: settings.flag(name) for name in flags},
        "cluster-cidr": settings.cluster_cidr,
        "cluster-dns": settings.cluster_dns,
        "cluster-domain": settings.cluster_domain,
        "disable-servicelb": "servicelb" in settings.disabled,
        "egress-selector-mode": settings.text("egress-selector-mode", "agent"),
        "flannel-backend": settings.flannel_backend,
        "secrets-encryption-provider": settings.text("secrets-encryption-provider", "aescbc"),
        "service-cidr": settings.service_cidr,
    }


def mismatched(own: Mapping[str, Any], cluster: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in own if own[name] != cluster.get(name, own[name]))
