#!/usr/bin/env python3
"""Asks a host who answers, each time on a new connection, until SIGTERM.

usage: client.py URL HOST_NAME CA_FILE RESULT.json

The certificate must be of HOST_NAME and signed by CA_FILE. The result, written at each new certificate and at the end: how often each side
answered, the serial numbers of the certificates in their order, what failed.
"""

from __future__ import annotations

import collections
import http.client
import json
import pathlib
import signal
import socket
import ssl
import sys
import threading
import urllib.parse

PAUSE_S = 0.05
leave = threading.Event()


class Client:
    """What was asked and answered so far."""

    def __init__(self, url: str, name: str, authority: str, result: str) -> None:
        self.url, self.name, self.result = urllib.parse.urlsplit(url), name, pathlib.Path(result)
        self.tls = ssl.create_default_context(cafile=authority) if self.url.scheme == "https" else None
        self.sides: collections.Counter[str] = collections.Counter()
        self.serials: list[str] = []
        self.faults: list[str] = []

    def ask(self) -> None:
        """One request."""
        connection = http.client.HTTPConnection(str(self.url.hostname), self.url.port, timeout=30)
        try:
            connection.sock = socket.create_connection((connection.host, connection.port), 30)
            if self.tls:
                connection.sock = self.tls.wrap_socket(connection.sock, server_hostname=self.name)
                self.saw(str((connection.sock.getpeercert() or {})["serialNumber"]))
            connection.request("GET", "/whoami", headers={"Host": self.name})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise http.client.HTTPException(f"status {answer.status}")
            self.sides[str(answer.headers["X-Orchestrator"])] += 1
        except (OSError, http.client.HTTPException) as exc:
            self.faults.append(repr(exc))
        finally:
            connection.close()

    def saw(self, serial: str) -> None:
        """Note a certificate that was not served before."""
        if self.serials[-1:] != [serial]:
            self.serials.append(serial)
            self.tell()

    def tell(self) -> None:
        """Write the result."""
        told = {"sides": self.sides, "serials": self.serials, "faults": self.faults}
        new = self.result.with_suffix(".new")
        new.write_text(json.dumps(told), encoding="utf-8")
        new.rename(self.result)


def main() -> None:
    """Ask, and tell."""
    signal.signal(signal.SIGTERM, lambda *_signal: leave.set())
    client = Client(*sys.argv[1:])
    while not leave.wait(PAUSE_S):
        client.ask()
    client.tell()


if __name__ == "__main__":
    main()
