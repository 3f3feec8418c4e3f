"""A line protocol over TCP: each line is answered with itself, the orchestrator and the node. Sessions last as long as clients like."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from typing import Any

from sample_platform.server import NODE, ORCHESTRATOR

# Within the stack's stop_grace_period.
PATIENCE_S = 10.0


async def serve(port: int) -> None:
    """On TERM: take no new session, answer on in those that are open until their clients end them or patience ends, end."""
    leave = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, leave.set)
    sessions: set[asyncio.Task[Any]] = set()

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        sessions.add(task)
        try:
            while (line := await reader.readline()).endswith(b"\n"):
                answer = {
                    "line": line.decode(errors="replace").rstrip("\r\n"),
                    "orchestrator": ORCHESTRATOR,
                    "node": NODE,
                }
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # a client that is gone, a line without an end, the end of patience
        finally:
            sessions.discard(task)
            writer.close()

    server = await asyncio.start_server(session, port=port, family=socket.AF_INET, backlog=512)
    await leave.wait()
    server.close()
    if sessions:
        _ended, left = await asyncio.wait(sessions, timeout=PATIENCE_S)
        for task in left:
            task.cancel()


def run(port: int) -> None:
    asyncio.run(serve(port))
