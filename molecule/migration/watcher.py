#!/usr/bin/env python3
"""Reads from both instances of PostgreSQL and from both of Redis until SIGTERM, and says how often two were seen that take writes at once.

usage: watcher.py PASSWORD_FILE RESULT.json POSTGRES POSTGRES REDIS REDIS     the stores as HOST:PORT; with PGUSER and PGDATABASE set

It removes PASSWORD_FILE when it has read it. The module C(looks), which judges, lies beside it.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

import looks

# The hosts share a few cores with all that is moved.
POSTGRES_PAUSE_S, REDIS_PAUSE_S = 0.6, 0.2
TIMEOUT_S = 5


def postgres(address: str) -> str:
    """What an application's new connection may do."""
    host, _colon, port = address.partition(":")
    command = ["psql", f"host={host} port={port} connect_timeout={TIMEOUT_S}", "-XAtqc", looks.READ]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S).stdout.strip()
    except subprocess.SubprocessError as exc:
        raise RuntimeError from exc


def redis(address: str) -> str:
    """The instance's role."""
    host, _colon, port = address.partition(":")
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
            connection.sendall(b"ROLE\r\n")
            with connection.makefile() as answer:
                return [answer.readline() for _line in ("how many", "how long", "role")][2].strip()
    except OSError as exc:
        raise RuntimeError from exc


def main() -> None:
    """Watch, and write the result."""
    password, result, *addresses = sys.argv[1:]
    os.environ["PGPASSWORD"] = pathlib.Path(password).read_text(encoding="utf-8").strip()
    pathlib.Path(password).unlink()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    reads = [functools.partial(read, one) for read, one in zip((postgres, postgres, redis, redis), addresses)]
    watches = {
        "postgres": looks.Watch(reads[:2], looks.TAKES_WRITES, POSTGRES_PAUSE_S, looks.BRIEF_S),
        "redis": looks.Watch(reads[2:], "master", REDIS_PAUSE_S),
    }
    for watch in watches.values():
        watch.start()
    signal.sigwait({signal.SIGTERM})
    for watch in watches.values():
        watch.leave.set()
        watch.join()
    told = {name: {"read": watch.conclusive, "both": watch.both} for name, watch in watches.items()}
    pathlib.Path(result).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
