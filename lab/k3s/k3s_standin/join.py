"""The agent's side of the join protocol: trust the CA that the token vouches for, then show the token."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import ssl
import time
from typing import Any, Sequence
from urllib.parse import urlsplit

from . import logs, pki
from .settings import NODE_PASSWORD, Settings
from .token import Token, ca_hash, parse


def _request(
    url: str, context: ssl.SSLContext, method: str, path: str, body: str = "", headers: Any = None
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port or 6443, context=context, timeout=15)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def trusted_ca(url: str, token: Token) -> bytes:
    """The CA of the server, fetched unverified and then compared with the hash in the token."""
    unverified = ssl._create_unverified_context()
    status, cacerts = _request(url, unverified, "GET", "/cacerts")
    if status != 200:
        raise ConnectionError(f"{url}/cacerts: {status}")
    if not token.pins(cacerts):
        raise logs.Fatal(
            f"token CA hash does not match the Cluster CA certificate hash: {token.ca_hash} != {ca_hash(cacerts)}"
        )
    if not token.ca_hash:
        logs.warning(
            "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. "
            "Use the full token from the server's node-token file to enable Cluster CA validation."
        )
    return cacerts


def authorized(
    url: str, cacerts: bytes, user: str, password: str, method: str, path: str, body: str = ""
) -> tuple[int, bytes]:
    """A request that shows the password, to a server whose certificate is of ``cacerts``."""
    verified = ssl.create_default_context(cadata=cacerts.decode())
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    return _request(url, verified, method, path, body, {"Authorization": f"Basic {credentials}"})


def node_password() -> str:
    if not NODE_PASSWORD.exists():
        pki.write(NODE_PASSWORD, secrets.token_hex(16).encode())
    return NODE_PASSWORD.read_text().strip()


def ask(settings: Settings, url: str, token: Token) -> dict[str, Any]:
    """One attempt. Fatal: refused for good. ConnectionError, OSError: not reachable yet."""
    cacerts = trusted_ca(url, token)
    addresses = [settings.node_ip, *settings.many("node-external-ip")]
    body = json.dumps({"name": settings.node_name, "password": node_password(), "addresses": addresses})
    status, answer = authorized(url, cacerts, token.user, token.password, "POST", "/v1-k3s/node", body)
    if status == 401:
        raise logs.Fatal(f"failed to validate token: {url}/v1-k3s/node: 401 Unauthorized")
    if status == 403:
        raise logs.Fatal(answer.decode())
    if status != 200:
        raise ConnectionError(f"{url}/v1-k3s/node: {status} {answer.decode(errors='replace')}")
    bundle = json.loads(answer)
    assert isinstance(bundle, dict)
    return bundle


def join(settings: Settings, urls: Sequence[str], token_text: str) -> dict[str, Any]:
    """Ask the servers in turn until one answers; K3s waits for its server without end, too."""
    try:
        token = parse(token_text)
    except ValueError as error:
        raise logs.Fatal(f"failed to validate token: {error}") from error
    while True:
        for url in urls:
            try:
                return ask(settings, url, token)
            except (OSError, http.client.HTTPException) as error:
                logs.error(f"Failed to validate connection to cluster at {url}: {error}")
        time.sleep(2)
