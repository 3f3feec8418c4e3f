#!/usr/bin/env python3
"""Clients of a PostgreSQL that keep their connections and write numbered rows, one transaction after the other, until SIGTERM.

usage: writer.py HOST PORT CLIENTS TRANSACTIONS_A_SECOND RESULT.json     with psql, and PGUSER, PGDATABASE and PGPASSFILE set

The result: how many transactions were acknowledged, what went wrong, how long the longest took in seconds, and how many there were
a second. Table lab_writes has the rows.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import signal
import subprocess
import sys
import threading
import time

TABLE = (
    "DROP TABLE IF EXISTS lab_writes; CREATE TABLE lab_writes (n bigint, at timestamptz DEFAULT clock_timestamp()); "
    "ALTER TABLE lab_writes REPLICA IDENTITY FULL"
)
leave = threading.Event()


class Client(threading.Thread):
    """One psql that is told a transaction and waited for."""

    def __init__(self, command: list[str], numbers: itertools.count[int], pause_s: float) -> None:
        super().__init__()
        self.numbers, self.pause_s = numbers, pause_s
        self.acknowledged, self.longest_s, self.fault = 0, 0.0, ""
        pipe = subprocess.PIPE
        self.psql = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True)

    def run(self) -> None:
        """Write until it is time to leave, or until one fails."""
        while not leave.is_set() and not self.fault:
            number, start = next(self.numbers), time.monotonic()
            said = self.transact(number)
            took_s = time.monotonic() - start
            if said == f"ack {number}":
                self.acknowledged += 1
                self.longest_s = max(self.longest_s, took_s)
            else:
                self.fault = f"transaction {number}: {said or 'the connection was closed'}"
            leave.wait(max(0.0, self.pause_s - took_s))
        self.psql.kill()

    def transact(self, number: int) -> str:
        """What was said after the transaction."""
        assert self.psql.stdin and self.psql.stdout
        try:
            self.psql.stdin.write(f"BEGIN; INSERT INTO lab_writes VALUES ({number}); COMMIT;\n\\echo ack {number}\n")
            self.psql.stdin.flush()
        except BrokenPipeError:
            pass  # its last words are read below
        return self.psql.stdout.readline().strip()


def main() -> None:
    """Begin, wait for the signal, and write the result."""
    host, port, clients, per_second, result = sys.argv[1:]
    command = ["psql", "-h", host, "-p", port, "-XAtq", "-v", "ON_ERROR_STOP=1"]
    subprocess.run([*command, "-c", TABLE], check=True)
    numbers = itertools.count(1)
    writers = [Client(command, numbers, int(clients) / float(per_second)) for _each in range(int(clients))]
    signal.signal(signal.SIGTERM, lambda *_signal: leave.set())
    start = time.monotonic()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    acknowledged = sum(writer.acknowledged for writer in writers)
    told = {
        "acknowledged": acknowledged,
        "faults": [writer.fault for writer in writers if writer.fault],
        "longest_s": round(max(writer.longest_s for writer in writers), 2),
        "per_second": round(acknowledged / (time.monotonic() - start), 1),
    }
    pathlib.Path(result).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
