#!/usr/bin/env python3
"""Asks each of the services who it is, four times a second, each time by its name and on a new connection, until SIGTERM.

usage: client.py NAME:PORT...     it prints how often each was asked, and what failed
"""

from __future__ import annotations

import collections
import http.client
import json
import random
import signal
import socket
import sys
import threading
import time

PAUSE_S = 0.25
TIMEOUT_S = 30  # hosts that share two cores may all stand still for seconds
leave = threading.Event()


def ask(name: str, port: str) -> None:
    """Ask one of its tasks."""
    address = random.choice(socket.getaddrinfo(name, int(port), socket.AF_INET, socket.SOCK_STREAM))[4]
    connection = http.client.HTTPConnection(str(address[0]), int(address[1]), timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/whoami")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status} of {address[0]}")
    finally:
        connection.close()


def client(server: str, asked: collections.Counter[str], faults: list[str]) -> None:
    """Ask a service again and again."""
    name, _colon, port = server.partition(":")
    while not leave.wait(PAUSE_S):
        asked[name] += 1
        try:
            ask(name, port)
        except (OSError, http.client.HTTPException) as exc:
            faults.append(f"{time.strftime('%H:%M:%S')} {name}: {exc!r}")


def main() -> None:
    """Ask all of them at once."""
    signal.signal(signal.SIGTERM, lambda *_signal: leave.set())
    asked: collections.Counter[str] = collections.Counter()
    faults: list[str] = []
    threads = [threading.Thread(target=client, args=(server, asked, faults)) for server in sys.argv[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"asked": asked, "faults": faults}), flush=True)


if __name__ == "__main__":
    main()
