"""The supervisor's requests, on loopback behind haproxy: /ping and /cacerts for anyone, the rest for who has a token.

/v1-k3s/node is for agents; /v1-k3s/config, /v1-k3s/server-bootstrap, /v1-k3s/token and /db/info for servers alone.
"""

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

from . import bootstrap, etcd, logs, passwords, pki
from .api import Api, ApiError
from .controlplane import SUPERVISOR_PORT
from .settings import Settings
from .token import accepted

FOR_SERVERS = ("/v1-k3s/config", "/v1-k3s/server-bootstrap", "/db/info")
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


def node_bundle(settings: Settings, node: str, addresses: list[str]) -> dict[str, Any]:
    """What an agent needs to start."""
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
            "flannel-backend": settings.flannel_backend,
            "flannel-external-ip": settings.flag("flannel-external-ip"),
        },
        "files": {
            "server-ca.crt": (tls / "server-ca.crt").read_text(),
            "client-ca.crt": (tls / "client-ca.crt").read_text(),
        },
        "pairs": {
            "serving-kubelet": pair("server-ca", node, [], [node, "127.0.0.1", "localhost", *addresses]),
            "client-kubelet": pair("client-ca", f"system:node:{node}", ["system:nodes"], []),
            "client-kube-proxy": pair("client-ca", "system:kube-proxy", [], []),
            "client-k3s-controller": pair("client-ca", "system:k3s-controller", [], []),
        },
    }


class Supervisor:
    def __init__(self, settings: Settings, chosen: tuple[str, str]) -> None:
        self.settings = settings
        # The newest first; what was valid before a rotation stays so until the next start.
        self.passwords = [chosen]
        self.cacerts = (settings.server_dir / "tls" / "server-ca.crt").read_bytes()
        self.api: Api | None = None
        self.store: etcd.Etcd | None = None
        self.before_server_joins: Callable[[], None] = lambda: None

    def admit(self, authorization: str, servers_only: bool = False) -> None:
        kind, _, encoded = authorization.partition(" ")
        user, _, password = base64.b64decode(encoded if kind == "Basic" else "").decode().partition(":")
        if not any(accepted(user, password, *pair) for pair in self.passwords):
            raise Refusal(401, "Unauthorized")
        if servers_only and not any(accepted("server", password, *pair) for pair in self.passwords):
            raise Refusal(403, "Forbidden")

    def join(self, authorization: str, request: dict[str, Any]) -> dict[str, Any]:
        self.admit(authorization)
        if self.api is None:
            raise Refusal(503, "apiserver not ready")
        check_node_password(self.api, request["name"], request["password"])
        return node_bundle(self.settings, request["name"], request["addresses"])

    def for_servers(self, authorization: str, path: str) -> dict[str, Any]:
        """What a server that joins has to know."""
        self.admit(authorization, servers_only=True)
        if not etcd.clustered(self.settings):
            logs.warning(f"Received HTTP request for {path}, but embedded etcd is not enabled.")
            raise Refusal(400, "etcd disabled")
        if self.store is None or self.api is None:
            raise Refusal(503, "apiserver not ready")
        if path == "/v1-k3s/config":
            return bootstrap.critical(self.settings)
        if path == "/db/info":
            return self.store.call("cluster/member/list")
        self.before_server_joins()
        return bootstrap.collect(self.settings)

    def rotate(self, authorization: str, request: dict[str, Any]) -> None:
        """Another server token: in the datastore first, so that what is on this disk can open it at any time."""
        self.admit(authorization, servers_only=True)
        if self.store is None:
            raise Refusal(503, "datastore not ready")
        server, agents = self.passwords[0]
        fresh = str(request["newToken"] or secrets.token_hex(16))
        if fresh != server:
            follows = agents == server and not self.settings.secret("agent-token")
            chosen = (fresh, fresh if follows else agents)
            bootstrap.save(self.store, self.settings, *chosen)
            self.store.delete(bootstrap.storage_key(server))
            passwords.keep(self.settings, *chosen)
            self.passwords.insert(0, chosen)
            logs.info("Server token rotated")

    def serve(self) -> None:
        server = ThreadingHTTPServer(("127.0.0.1", SUPERVISOR_PORT), handler(self))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, name="supervisor", daemon=True).start()


def handler(supervisor: Supervisor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, body: bytes, kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def attempt(self, act: Callable[[str, Any], Any]) -> None:
            try:
                length = int(self.headers.get("Content-Length") or 0)
                request = json.loads(self.rfile.read(length)) if length else None
                result = act(self.headers.get("Authorization") or "", request)
            except Refusal as refusal:
                return self.answer(refusal.status, str(refusal).encode())
            except (ValueError, KeyError, TypeError) as error:
                return self.answer(400, f"bad request: {error}".encode())
            except (OSError, HTTPException) as error:  # the API is away for a moment: who asks shall ask again
                return self.answer(503, str(error).encode())
            return self.answer(200, b"" if result is None else json.dumps(result).encode(), "application/json")

        def do_GET(self) -> None:
            content = {"/ping": b"pong", "/cacerts": supervisor.cacerts}.get(self.path)
            if content:
                self.answer(200, content)
            elif self.path in FOR_SERVERS:
                self.attempt(lambda authorization, _: supervisor.for_servers(authorization, self.path))
            else:
                self.answer(404, b"404 page not found\n")

        def do_POST(self) -> None:
            self.attempt(supervisor.join if self.path == "/v1-k3s/node" else not_found)

        def do_PUT(self) -> None:
            self.attempt(supervisor.rotate if self.path == "/v1-k3s/token" else not_found)

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Handler


def not_found(authorization: str, request: Any) -> None:
    raise Refusal(404, "404 page not found")
