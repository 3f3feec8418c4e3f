"""A real Traefik on loopback with backends in threads, for tests that must see a change taken by the real thing."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import pathlib
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import typing as t

import pytest
from ports import free_port

LONG = {
    "test_breach_real.py",
    "test_cutover_tcp_real.py",
    "test_disk_full_real.py",
    "test_edges_down_real.py",
    "test_frozen_real.py",
    "test_guard_real.py",
    "test_guard_role_real.py",
    "test_killed_real.py",
    "test_network_cut_real.py",
    "test_no_result_real.py",
    "test_quiet_real.py",
    "test_restart_by_role_real.py",
    "test_restart_real.py",
    "test_role_real.py",
    "test_schedule_real.py",
    "test_strangers_real.py",
    "test_ways_real.py",
}
SAMPLE = 3


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of the long tests only a few, drawn anew with each commit, unless this folder or what is in it is asked for."""
    named = any("unit/traffic" in str(argument) for argument in config.invocation_params.args)
    long = [item for item in items if item.path.parent == pathlib.Path(__file__).parent and item.path.name in LONG]
    if named or len(long) <= SAMPLE:
        return
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=config.rootpath, capture_output=True, text=True, check=False
    )
    left_out = set(long) - set(random.Random(commit.stdout).sample(long, SAMPLE))
    config.hook.pytest_deselected(items=[item for item in items if item in left_out])
    items[:] = [item for item in items if item not in left_out]


class QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, *_args: object) -> None:
        """An edge that ends resets its connections."""


class Backend:
    """A server of one side; O(fail_every) makes each n-th answer a 500, O(delay) slows it down.

    C(/long) sends a piece, waits for O(let_go) and sends the last one; an upgrade to C(echo) sends back what it gets. O(methods) has the
    methods that were asked for.
    """

    def __init__(self, side: str) -> None:
        self.side = side
        self.fail_every = 0
        self.delay = 0.0
        self.served = 0
        self.methods: list[str] = []
        self.lock = threading.Lock()
        self.let_go = threading.Event()
        backend = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                if self.headers.get("Upgrade") == "echo":
                    self._echo()
                    return
                if self.path == "/long":
                    self._long()
                    return
                status = 200
                if self.path != "/health":
                    backend.methods.append(self.command)
                    with backend.lock:
                        backend.served += 1
                        if backend.fail_every and backend.served % backend.fail_every == 0:
                            status = 500
                    time.sleep(backend.delay)  # the fault itself
                body = backend.side.encode()
                self.send_response(status)
                self.send_header("X-Orchestrator", backend.side)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def _echo(self) -> None:
                self.send_response(101)
                self.send_header("Upgrade", "echo")
                self.send_header("Connection", "Upgrade")
                self.end_headers()
                self.close_connection = True
                while piece := self.connection.recv(100):
                    self.connection.sendall(backend.side.encode() + piece)

            def _long(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", "10")
                self.end_headers()
                self.wfile.write(b"first")
                self.wfile.flush()
                backend.let_go.wait(60)
                self.wfile.write(b"final")

            def log_message(self, *_args: object) -> None:
                pass

        self._handler = Handler
        self.port = free_port()
        self._server: QuietServer | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._server = QuietServer(("127.0.0.1", self.port), self._handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class Traffic:
    """Asks the edge about O(rate) times a second until stopped, and keeps every answer as (status, side).

    With O(ca_file) it asks over TLS and verifies. C(asked) is when the request was sent that has no answer yet, on the monotonic clock; 0 when there is none.
    """

    def __init__(self, port: int, host: str, rate: float = 200.0, ca_file: pathlib.Path | None = None) -> None:
        self.answers: list[tuple[int, str]] = []
        self.asked = 0.0
        self._stop = threading.Event()
        self._port, self._host, self._pause = port, host, 1.0 / rate
        self._context = ssl.create_default_context(cafile=ca_file) if ca_file else None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._stop.wait(self._pause):
            try:
                self.asked = time.monotonic()
                if self._context and connection.sock is None:
                    plain = socket.create_connection(("127.0.0.1", self._port), 60)
                    connection.sock = self._context.wrap_socket(plain, server_hostname=self._host)
                connection.request("GET", "/whoami", headers={"Host": self._host})
                answer = connection.getresponse()
                answer.read()
                self.answers.append((answer.status, answer.headers.get("X-Orchestrator", "")))
            except (OSError, http.client.HTTPException):
                connection.close()
                self.answers.append((0, ""))
            self.asked = 0.0

    @property
    def failed(self) -> int:
        return sum(1 for status, _side in self.answers if status != 200)


class TcpBackend:
    """A server of one side of a TCP service: it says its side, then sends back what it gets."""

    def __init__(self, side: str) -> None:
        self.side = side
        self._server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _address = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(self.side.encode())
            while piece := connection.recv(100):
                connection.sendall(piece)


class Edge:
    def __init__(self, folder: pathlib.Path) -> None:
        self.web, self.api, self.tcp, self.secure = free_port(), free_port(), free_port(), free_port()
        self.dynamic_dir = folder / "dynamic"
        self.state_dir = folder / "state"
        self.dynamic_dir.mkdir()
        config = folder / "traefik.yml"
        config.write_text(self.static())
        self._command = [_traefik(), f"--configFile={config}"]
        self.start()

    def static(self) -> str:
        """Traefik's static configuration."""
        return f"""
entryPoints:
  web: {{address: "127.0.0.1:{self.web}"}}
  websecure: {{address: "127.0.0.1:{self.secure}", http: {{tls: {{}}}}}}
  tcp-1: {{address: "127.0.0.1:{self.tcp}"}}
  traefik: {{address: "127.0.0.1:{self.api}"}}
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
api: {{insecure: true, dashboard: false}}
metrics: {{prometheus: {{entryPoint: traefik, addRoutersLabels: true, addServicesLabels: true, buckets: [0.01, 0.1, 1]}}}}
providers: {{providersThrottleDuration: 100ms, file: {{directory: "{self.dynamic_dir}", watch: true}}}}
"""

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.api}"

    def get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=1)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        until(lambda: self.get("/api/overview") == 200)

    def stop(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.send_signal(signal.SIGCONT)
        self.process.wait(timeout=60)


def _traefik() -> str:
    found = pathlib.Path(sys.executable).with_name("traefik")
    path = str(found) if found.exists() else shutil.which("traefik")
    if not path:
        pytest.fail("no traefik executable: run the tests from the development environment (make unit)")
    return path


def until(true: t.Callable[[], object], seconds: float = 180.0) -> None:
    """Waits; O(seconds) only keep a test from waiting for ever."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not within time"
        time.sleep(0.02)  # between two looks


@pytest.fixture()
def edge(tmp_path: pathlib.Path):
    started = Edge(tmp_path)
    yield started
    started.stop()


@pytest.fixture()
def sides():
    both = Backend("swarm"), Backend("k3s")
    yield both
    for backend in both:
        backend.stop()


@pytest.fixture()
def edges(tmp_path):
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    both = [Edge(folder) for folder in folders]
    yield both
    for edge in both:
        edge.stop()


@pytest.fixture()
def sides_of_two():
    backends = [Backend(side) for side in ("swarm", "k3s", "swarm", "k3s")]
    yield backends
    for backend in backends:
        backend.stop()


@pytest.fixture()
def tcp_sides():
    both = TcpBackend("swarm"), TcpBackend("k3s")
    yield both
    for backend in both:
        backend.stop()


@pytest.fixture()
def traffic():
    @contextlib.contextmanager
    def running(port: int, host: str, ca_file: pathlib.Path | None = None):
        requests = Traffic(port, host, ca_file=ca_file)
        requests.start()
        try:
            yield requests
        finally:
            requests.stop()

    return running
