"""The agent's load balancer: one address on loopback for everything on this node, any server behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import Any, Iterable
from urllib.parse import urlsplit

from . import logs, pki

CHUNK = 65536
DIAL_SECONDS = 3.0
# A server that vanished without a word is given up after a quarter of a minute.
KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15000),
)
CONTROL_PLANE = "node-role.kubernetes.io/control-plane"


def place(url: str) -> str:
    """``host:port`` of a server's URL."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"[{host}]:{parts.port or 6443}" if ":" in host else f"{host}:{parts.port or 6443}"


def servers_among(nodes: Iterable[dict[str, Any]], port: int) -> list[str]:
    """Where the servers of the cluster are, from its nodes."""
    found = []
    for node in nodes:
        if CONTROL_PLANE in (node["metadata"].get("labels") or {}):
            addresses = node.get("status", {}).get("addresses") or []
            found += [f"{a['address']}:{port}" for a in addresses if a["type"] == "InternalIP"][:1]
    return sorted(found)


class Balancer:
    """Connections go to the server that answered last, else to the next that does; the configured one is always tried."""

    def __init__(self, first: str, port: int, store: Path) -> None:
        self.first, self.port, self.store = first, port, store
        self.servers = [first]
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            self.servers += [str(s) for s in json.loads(store.read_text())["ServerAddresses"] if s != first]
        self.open: dict[asyncio.Task[None], str] = {}
        self.loop = asyncio.new_event_loop()

    def start(self) -> Balancer:
        """Returns when the port is listened on."""
        threading.Thread(target=self.loop.run_forever, name="load balancer", daemon=True).start()
        listening = asyncio.start_server(self.serve, "127.0.0.1", self.port)
        try:
            server = asyncio.run_coroutine_threadsafe(listening, self.loop).result(10)
        except OSError as error:
            raise logs.Fatal(f"listen tcp 127.0.0.1:{self.port}: bind: {error.strerror or error}") from error
        self.port = server.sockets[0].getsockname()[1]
        logs.info(f"Running load balancer k3s-agent-load-balancer 127.0.0.1:{self.port} -> {self.servers}")
        return self

    def set_servers(self, servers: list[str]) -> None:
        """What the cluster says now; connections to a server that is gone are ended, and come back to another one."""
        wanted = [s for s in self.servers if s in servers] + [s for s in servers if s not in self.servers]
        wanted += [self.first] if self.first not in wanted else []
        if sorted(wanted) == sorted(self.servers):
            return
        gone = set(self.servers) - set(wanted)
        self.servers = wanted
        content = {"ServerURL": f"https://{self.first}", "ServerAddresses": sorted(servers)}
        pki.write(self.store, json.dumps(content).encode())
        logs.info(f"Updated load balancer k3s-agent-load-balancer server addresses -> {self.servers}")
        self.loop.call_soon_threadsafe(self.end, gone)

    def end(self, servers: set[str]) -> None:
        for task, server in list(self.open.items()):
            if server in servers:
                task.cancel()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.end, set(self.open.values()))
        self.loop.call_soon_threadsafe(self.loop.call_later, 0.1, self.loop.stop)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            server, up_reader, up_writer = await self.dial()
        except OSError as error:
            logs.error(f"load balancer: no server answers: {error}")
            writer.close()
            return
        self.open[task] = server
        ways = [asyncio.ensure_future(relay(reader, up_writer)), asyncio.ensure_future(relay(up_reader, writer))]
        try:
            await asyncio.gather(*ways)
            writer.close()
            up_writer.close()
        except (OSError, asyncio.CancelledError):
            # Either side broke off, or the server was taken out: the client shall see it at once and ask anew.
            for way in ways:
                way.cancel()
            writer.transport.abort()
            up_writer.transport.abort()
        finally:
            self.open.pop(task, None)

    async def dial(self) -> tuple[str, asyncio.StreamReader, asyncio.StreamWriter]:
        failures = []
        for server in list(self.servers):
            host, _, port = server.rpartition(":")
            try:
                connecting = asyncio.open_connection(host.strip("[]"), int(port))
                reader, writer = await asyncio.wait_for(connecting, DIAL_SECONDS)
            except (OSError, asyncio.TimeoutError) as error:
                failures.append(f"{server}: {error or 'no answer'}")
                continue
            for option in KEEP_ALIVE:
                writer.get_extra_info("socket").setsockopt(*option)
            if server in self.servers and self.servers[0] != server:
                self.servers = [server, *(s for s in self.servers if s != server)]
            return server, reader, writer
        raise ConnectionError("; ".join(failures))


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One direction, to its end; the other may go on."""
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
