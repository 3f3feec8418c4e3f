#!/usr/bin/env python3
"""Sends numbered lines in sessions of three seconds, one after the other, and reads the answer to each, until SIGTERM.

usage: line_writer.py HOST PORT RESULT.json

It begins with the first line that is answered: before that nobody serves there. The result: how many lines were sent since, how many were
answered by each orchestrator, and which were not and why.
"""

from __future__ import annotations

import collections
import json
import pathlib
import signal
import socket
import sys
import threading
import typing as t

LINES_A_SESSION = 15
PAUSE_S = 0.2
# An entry point without a route may hold a client and say nothing.
BEFORE_S = 2
# Five hosts share a few cores here: an answer may be slow and is still an answer.
PATIENCE_S = 30
leave = threading.Event()


class Lines:
    """What was sent, and what became of it."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.address = address
        self.sent = 0
        self.answered: collections.Counter[str] = collections.Counter()
        self.unanswered: list[dict[str, t.Any]] = []

    def session(self) -> None:
        """One connection, to its end or to the first line that is not answered."""
        text = f"line {self.sent + 1}"
        patience_s = PATIENCE_S if self.answered else BEFORE_S
        try:
            with socket.create_connection(self.address, patience_s) as connection, connection.makefile("rw") as stream:
                for _each in range(LINES_A_SESSION):
                    text = f"line {self.sent + 1}"
                    stream.write(f"{text}\n")
                    stream.flush()
                    self.hear(text, stream.readline())
                    connection.settimeout(PATIENCE_S)
                    if leave.wait(PAUSE_S):
                        return
        except (OSError, ValueError) as exc:
            if self.answered:
                self.sent += 1
                self.unanswered.append({"line": text, "reason": str(exc) or type(exc).__name__})
            leave.wait(PAUSE_S)

    def hear(self, text: str, answer: str) -> None:
        """Count the answer to the line; raises where it is none."""
        if not answer:
            raise ConnectionError("the connection was closed")
        told = json.loads(answer)
        if told["line"] != text:
            raise ValueError(f"answered with {told['line']}")
        self.sent += 1
        self.answered[told["orchestrator"]] += 1


def main() -> None:
    """Until the signal; then the result."""
    host, port, result = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_signal: leave.set())
    lines = Lines((host, int(port)))
    while not leave.is_set():
        lines.session()
    told = {"sent": lines.sent, "answered": lines.answered, "unanswered": lines.unanswered}
    pathlib.Path(result).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
