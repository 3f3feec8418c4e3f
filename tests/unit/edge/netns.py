"""A host, its clients and the sandbox of a Swarm's ingress, each in a network namespace of its own, with the kernel's real nftables."""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import typing as t
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
IP = shutil.which("ip", path="/usr/sbin:/usr/bin") or "ip"
CLONE_NEWNET = 0x40000000
HOST, HOST6, CLIENT, CLIENT6 = "10.77.0.1", "fd77::1", "10.77.0.2", "fd77::2"
GATEWAY, SANDBOX = "172.31.7.1", "172.31.7.2"


def environment() -> dict[str, str]:
    """With the programs that tools/apt-unpack has unpacked, and their libraries."""
    nft = shutil.which("nft")
    assert nft, "nft is missing: run make unit, which unpacks Debian's"
    libraries = pathlib.Path(nft).parent.parent / "lib" / f"{os.uname().machine}-linux-gnu"
    return {**os.environ, "LD_LIBRARY_PATH": str(libraries), "PYTHONPATH": str(ROOT / "collections")}


def require() -> None:
    """Skips a test where no namespace can be made, or the kernel has no nftables to look at in one."""
    if os.geteuid():
        pytest.skip("needs root, to make network namespaces")
    look = ["unshare", "--net", "nft", "list", "ruleset"]
    if subprocess.run(look, capture_output=True, check=False, env=environment()).returncode:
        pytest.skip("needs a kernel with nftables in network namespaces")


class Namespace:
    """A network namespace that lasts until RV(end)."""

    def __init__(self, name: str) -> None:
        self.name = f"{name}-{uuid.uuid4().hex[:8]}"
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command: str, given: str = "", check: bool = True) -> str:
        done = subprocess.run(
            [IP, "netns", "exec", self.name, *command],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def end(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=True)

    def within(self, do: t.Callable[[], t.Any]) -> t.Any:
        """What O(do) returns, done by a thread in the namespace: sockets made there belong to it."""

        def enter() -> t.Any:
            with open(f"/run/netns/{self.name}", "rb") as handle:
                if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return do()

        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            return thread.submit(enter).result()


class Server:
    """Says its name to each connection, then sends back what it gets."""

    def __init__(self, namespace: Namespace, name: str, port: int, family: int = socket.AF_INET6) -> None:
        self.name = name
        address = "::" if family == socket.AF_INET6 else "0.0.0.0"
        self.socket = namespace.within(
            lambda: socket.create_server(
                (address, port), family=family, dualstack_ipv6=family == socket.AF_INET6, backlog=512
            )
        )
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                connection, _address = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(self.name.encode())
            while piece := connection.recv(100):
                connection.sendall(piece)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Client:
    """Opens connections without a pause, and keeps who answered each, or what went wrong."""

    def __init__(
        self, namespace: Namespace, address: str, port: int = 80, how: t.Callable[[str, int], str] | None = None
    ) -> None:
        self.answers: list[str] = []
        self._address, self._port, self._ask = address, port, how or ask
        self._stop = threading.Event()
        self._seen = threading.Condition()
        self._thread = threading.Thread(target=namespace.within, args=(self._run,), daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            answer = self._ask(self._address, self._port)
            with self._seen:
                self.answers.append(answer)
                self._seen.notify_all()

    def more(self, count: int) -> None:
        """Wait for O(count) more answers."""
        with self._seen:
            wanted = len(self.answers) + count
            assert self._seen.wait_for(lambda: len(self.answers) >= wanted, 600)

    def end(self) -> list[str]:
        self._stop.set()
        self._thread.join()
        return self.answers


def ask(address: str, port: int) -> str:
    try:
        with socket.create_connection((address, port), 60) as connection:
            return connection.recv(100).decode() or "closed"
    except OSError as exc:
        return type(exc).__name__


def ask_http(address: str, port: int) -> str:
    """What C(/) answers, over a connection of its own."""
    connection = http.client.HTTPConnection(address, port, timeout=60)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        return answer.read().decode() if answer.status == 200 else str(answer.status)
    except (OSError, http.client.HTTPException) as exc:
        return type(exc).__name__
    finally:
        connection.close()


class HttpServer:
    """Answers each request with its name."""

    def __init__(self, namespace: Namespace, name: str, port: int) -> None:
        self.asked = 0
        served = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *_args: object) -> None:
                pass

        class Quick(http.server.ThreadingHTTPServer):
            address_family = socket.AF_INET6
            request_queue_size = 512
            daemon_threads = True

        self.server = namespace.within(lambda: Quick(("::", port), Handler))
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Host:
    """A host with a client beside it: on C(:80) the Swarm's, on C(:8081) the edge."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.path = folder / "takeover.nft"
        self.namespace, self.outside = Namespace("host"), Namespace("client")
        self.link(self.outside, ("h0", HOST), ("c0", CLIENT))
        for name, address in ((self.namespace, HOST6), (self.outside, CLIENT6)):
            name.run("ip", "address", "add", f"{address}/64", "dev", "h0" if address == HOST6 else "c0", "nodad")
        self.servers: list[Server] = []

    def link(self, other: Namespace, ours: tuple[str, str], theirs: tuple[str, str]) -> None:
        self.namespace.run("ip", "link", "add", ours[0], "type", "veth", "peer", theirs[0], "netns", other.name)
        for namespace, (device, address) in ((self.namespace, ours), (other, theirs)):
            namespace.run("ip", "address", "add", f"{address}/24", "dev", device)
            namespace.run("ip", "link", "set", device, "up")

    def serve(self, name: str, port: int, **more: t.Any) -> Server:
        self.servers.append(Server(self.namespace, name, port, **more))
        return self.servers[-1]

    def module(self, check: bool = False, **options: t.Any) -> dict[str, t.Any]:
        """The result of nft_redirect on the host."""
        given = {"path": str(self.path), "_ansible_check_mode": check, "_ansible_diff": True, **options}
        program = [sys.executable, str(ROOT / "plugins/modules/nft_redirect.py")]
        return t.cast(
            "dict[str, t.Any]",
            json.loads(self.namespace.run(*program, given=json.dumps({"ANSIBLE_MODULE_ARGS": given}), check=False)),
        )

    def take(self, **options: t.Any) -> dict[str, t.Any]:
        return self.module(redirects=[{"port": 80, "to_port": 8081}], **options)

    def give_back(self, **options: t.Any) -> dict[str, t.Any]:
        return self.module(state="absent", **options)

    def tables(self) -> str:
        return self.namespace.run("nft", "list", "ruleset")

    def end(self) -> None:
        for server in self.servers:
            server.end()
        self.namespace.end()
        self.outside.end()


class Ingress:
    """The rules and the sandbox that Docker makes for a Swarm service with the published port 80, and a task in it.

    The rules are those of moby, integration/network/bridge/iptablesdoc/generated/swarm-portmap.md.
    """

    NAT = """*nat
:DOCKER - [0:0]
:DOCKER-INGRESS - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE
-A DOCKER -i docker_gwbridge -j RETURN
-A DOCKER-INGRESS -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.31.7.2:80
-A DOCKER-INGRESS -j RETURN
COMMIT
"""

    def __init__(self, host: Host) -> None:
        self.sandbox = Namespace("ingress")
        host.link(self.sandbox, ("docker_gwbridge", GATEWAY), ("eth1", SANDBOX))
        self.sandbox.run("ip", "route", "add", "default", "via", GATEWAY)
        host.namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.docker_gwbridge.route_localnet=1")
        host.namespace.run("iptables-nft-restore", given=self.NAT)
        self.task = Server(self.sandbox, "swarm", 80)

    def end(self) -> None:
        self.task.end()
        self.sandbox.end()
