#!/usr/bin/env python3
"""Asks port 80 of a host who answers, each time on a new connection, until SIGTERM.

usage: client.py ADDRESS HOST_NAME RESULT.json     the result: how often each service answered, in which order they took turns, what failed
"""

from __future__ import annotations

import collections
import http.client
import json
import pathlib
import signal
import sys
import threading

PAUSE_S = 0.02
leave = threading.Event()


def ask(address: str, name: str) -> str:
    """The service that answers."""
    connection = http.client.HTTPConnection(address, 80, timeout=30)
    try:
        connection.request("GET", "/whoami", headers={"Host": name})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        return str(json.loads(body)["service"])
    finally:
        connection.close()


def main() -> None:
    """Ask, and write the result."""
    address, name, result = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_signal: leave.set())
    answers: collections.Counter[str] = collections.Counter()
    turns: list[str] = []
    faults: list[str] = []
    while not leave.wait(PAUSE_S):
        try:
            service = ask(address, name)
        except (OSError, http.client.HTTPException) as exc:
            faults.append(repr(exc))
            continue
        answers[service] += 1
        if turns[-1:] != [service]:
            turns.append(service)
    pathlib.Path(result).write_text(
        json.dumps({"answers": answers, "turns": turns, "faults": faults}), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
