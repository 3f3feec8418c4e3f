"""systemd's readiness protocol (sd_notify(3)), which Type=notify waits for."""

from __future__ import annotations

import os
import socket


def send(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.connect(target)
        channel.sendall(state.encode())


def ready() -> None:
    send("READY=1")
