"""Kubeconfig files: K3s' own for people, with every name "default", and plain ones for the parts."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml


def render(url: str, ca: bytes, certificate: bytes = b"", key: bytes = b"", token: str = "") -> bytes:
    def encoded(content: bytes) -> str:
        return base64.b64encode(content).decode()

    user: dict[str, str] = {"token": token} if token else {}
    if certificate:
        user = {"client-certificate-data": encoded(certificate), "client-key-data": encoded(key)}
    document = {
        "apiVersion": "v1",
        "clusters": [{"cluster": {"certificate-authority-data": encoded(ca), "server": url}, "name": "default"}],
        "contexts": [{"context": {"cluster": "default", "user": "default"}, "name": "default"}],
        "current-context": "default",
        "kind": "Config",
        "preferences": {},
        "users": [{"name": "default", "user": user}],
    }
    return yaml.safe_dump(document, sort_keys=False).encode()


def from_files(url: str, ca: Path, stem: Path) -> bytes:
    """From ``stem``.crt and ``stem``.key."""
    return render(url, ca.read_bytes(), stem.with_suffix(".crt").read_bytes(), stem.with_suffix(".key").read_bytes())
