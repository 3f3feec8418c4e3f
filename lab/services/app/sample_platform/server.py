"""An HTTP/1.1 server that says where it runs and leaves in good order."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable
from urllib.parse import parse_qsl, urlsplit

Answer = tuple[int, Any]
Route = Callable[[dict[str, str], Any], Answer]

ORCHESTRATOR = "k3s" if "KUBERNETES_SERVICE_HOST" in os.environ else "swarm"
NODE = os.environ.get("NODE_NAME") or socket.gethostname()
DRAIN_SECONDS = float(os.environ.get("DRAIN_SECONDS", "5"))


class BadRequest(ValueError):
    """What the client sent cannot be used."""


class Server(ThreadingHTTPServer):
    """Routes by method and path; counts what is in flight, so that it can end when nothing is."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, name: str, port: int, routes: dict[tuple[str, str], Route]) -> None:
        super().__init__(("", port), Handler)
        self.name = name
        self.routes = {("GET", "/health"): self.health, ("GET", "/whoami"): self.whoami, **routes}
        self.draining = False
        self.in_flight = 0
        self.lock = threading.Lock()

    def health(self, _query: dict[str, str], _body: Any) -> Answer:
        return (503, {"status": "draining"}) if self.draining else (200, {"status": "ok"})

    def whoami(self, _query: dict[str, str], _body: Any) -> Answer:
        return 200, {"service": self.name, "orchestrator": ORCHESTRATOR, "node": NODE}

    def drain(self, *_signal: object) -> None:
        """On TERM: say so at /health, serve on until load balancers have seen it, finish what is in flight, end."""
        if not self.draining:
            self.draining = True
            threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        time.sleep(DRAIN_SECONDS)
        self.shutdown()
        deadline = time.monotonic() + 10
        while self.in_flight and time.monotonic() < deadline:
            time.sleep(0.02)

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.drain)
        signal.signal(signal.SIGINT, self.drain)
        self.serve_forever(poll_interval=0.2)
        while self.in_flight:
            time.sleep(0.02)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "sample-platform"
    sys_version = ""
    wbufsize = -1  # headers and body leave in one packet
    disable_nagle_algorithm = True
    timeout = 120
    server: Server

    def handle_request(self) -> None:
        with self.server.lock:
            self.server.in_flight += 1
        try:
            self._answer(*self._call())
            self.wfile.flush()
        finally:
            with self.server.lock:
                self.server.in_flight -= 1

    do_GET = do_POST = handle_request

    def _call(self) -> Answer:
        url = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        raw = self.rfile.read(length) if length else b""
        route = self.server.routes.get((self.command, url.path))
        if route is None:
            return 404, {"error": f"no {self.command} {url.path} here"}
        try:
            return route(dict(parse_qsl(url.query)), json.loads(raw) if raw else None)
        except (BadRequest, json.JSONDecodeError) as error:
            return 400, {"error": str(error)}
        except Exception as error:  # noqa: BLE001  a service answers whatever happens behind it
            self.log_error("%s %s: %r", self.command, self.path, error)
            return 503, {"error": type(error).__name__}

    def _answer(self, status: int, content: Any) -> None:
        page = isinstance(content, str)
        body = content.encode() if page else json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8" if page else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Orchestrator", ORCHESTRATOR)
        if self.server.draining:
            self.send_header("Connection", "close")  # so that no client holds a connection that is about to end
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: hundreds of lines a second help nobody."""
