"""The join protocol, on loopback behind haproxy: /ping and /cacerts for anyone, /v1-k3s/node for who has the token."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import secrets
import threading
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

from . import pki
from .api import Api, ApiError
from .controlplane import SUPERVISOR_PORT
from .settings import Settings
from .token import accepted

SECRETS = "/api/v1/namespaces/kube-system/secrets"
REJECTED = (
    "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server "
    "node-passwd entry, try enabling a unique node name with the --with-node-id flag"
)


class Refusal(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def hashed(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**12, r=8, p=1).hex()


def check_node_password(api: Api, node: str, password: str) -> None:
    """The first to come with a name keeps it, until its node is deleted (K3s keeps the same secret)."""
    name = f"{node}.node-password.k3s"
    present = api.find(f"{SECRETS}/{name}")
    if present:
        salt, digest = base64.b64decode(present["data"]["hash"]).decode().split(":")
        if not hmac.compare_digest(hashed(password, salt), digest):
            raise Refusal(403, REJECTED)
        return
    salt = secrets.token_hex(8)
    value = base64.b64encode(f"{salt}:{hashed(password, salt)}".encode()).decode()
    api.put(SECRETS, {"metadata": {"name": name}, "type": "Opaque", "immutable": True, "data": {"hash": value}})


def forget_node_password(api: Api, node: str) -> None:
    """A node that was deleted may come back as another machine."""
    with contextlib.suppress(ApiError):
        api.call("DELETE", f"{SECRETS}/{node}.node-password.k3s")


def node_bundle(settings: Settings, node: str, addresses: list[str], bootstrap_token: str) -> dict[str, Any]:
    """What an agent needs to start; the kubelet's own identity is not in it, that one is asked for by a CSR."""
    tls = settings.server_dir / "tls"

    def pair(ca: str, user: str, groups: list[str], sans: list[str]) -> dict[str, str]:
        key, certificate = pki.issue(tls, ca, user, groups, sans)
        return {"key": key.decode(), "crt": certificate.decode()}

    return {
        "config": {
            "cluster-cidr": settings.cluster_cidr,
            "service-cidr": settings.service_cidr,
            "cluster-dns": settings.cluster_dns,
            "cluster-domain": settings.cluster_domain,
        },
        "bootstrap-token": bootstrap_token,
        "files": {
            "server-ca.crt": (tls / "server-ca.crt").read_text(),
            "client-ca.crt": (tls / "client-ca.crt").read_text(),
        },
        "pairs": {
            "serving-kubelet": pair("server-ca", node, [], [node, "127.0.0.1", "localhost", *addresses]),
            "client-kube-proxy": pair("client-ca", "system:kube-proxy", [], []),
            "client-k3s-controller": pair("client-ca", "system:k3s-controller", [], []),
        },
    }


class Supervisor:
    def __init__(self, settings: Settings, passwords: tuple[str, str], bootstrap_token: str) -> None:
        self.settings, self.passwords, self.bootstrap_token = settings, passwords, bootstrap_token
        self.cacerts = (settings.server_dir / "tls" / "server-ca.crt").read_bytes()
        self.api: Api | None = None

    def join(self, authorization: str, request: dict[str, Any]) -> dict[str, Any]:
        kind, _, encoded = authorization.partition(" ")
        user, _, password = base64.b64decode(encoded if kind == "Basic" else "").decode().partition(":")
        if not accepted(user, password, *self.passwords):
            raise Refusal(401, "Unauthorized")
        if self.api is None:
            raise Refusal(503, "apiserver not ready")
        check_node_password(self.api, request["name"], request["password"])
        return node_bundle(self.settings, request["name"], request["addresses"], self.bootstrap_token)

    def serve(self) -> None:
        handler = _handler(self.cacerts, self.join)
        server = ThreadingHTTPServer(("127.0.0.1", SUPERVISOR_PORT), handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="supervisor", daemon=True).start()


def _handler(cacerts: bytes, join: Callable[[str, dict[str, Any]], dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            content = {"/ping": b"pong", "/cacerts": cacerts}.get(self.path)
            self.answer(200, content) if content else self.answer(404, b"404 page not found\n")

        def do_POST(self) -> None:
            try:
                request = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
                if self.path != "/v1-k3s/node":
                    raise Refusal(404, "404 page not found")
                bundle = join(self.headers.get("Authorization") or "", request)
            except Refusal as refusal:
                return self.answer(refusal.status, str(refusal).encode())
            except (ValueError, KeyError, TypeError) as error:
                return self.answer(400, f"bad request: {error}".encode())
            except (OSError, HTTPException) as error:  # the API is away for a moment: the agent shall ask again
                return self.answer(503, str(error).encode())
            return self.answer(200, json.dumps(bundle).encode(), "application/json")

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler
