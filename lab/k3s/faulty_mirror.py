"""A release mirror with a fault, for tests: the first part of the path says which, so that one server serves them all.

usage: python3 faulty_mirror.py FOLDER [ADDRESS] [PORT]; then http://ADDRESS:PORT/FAULT/k3s-io/k3s/releases/download

    plain          as it is
    slow-SPEED     so many bytes a second
    changed        one byte of each file is another one; the lists of checksums are right
    cut            half of each file, then the connection ends; the lists of checksums are whole
    silent         no answer, for a minute
"""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

TICK = 0.1
SILENCE = 60.0


def is_list(path: Path) -> bool:
    return path.name.startswith("sha256sum-") or "checksums" in path.name


def changed(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1]) if content else b""


def handler(folder: Path, stop: threading.Event) -> type[BaseHTTPRequestHandler]:
    root = folder.resolve()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            fault, _, rest = unquote(self.path).lstrip("/").partition("/")
            file = (root / rest).resolve()
            if fault == "silent":
                stop.wait(SILENCE)
                return
            speed = fault.removeprefix("slow-") if fault.startswith("slow-") else ""
            known = fault in ("plain", "changed", "cut") or speed.isdigit()
            if not known or not file.is_relative_to(root) or not file.is_file():
                self.send_error(404, f"no such fault: {fault}" if not known else "not found")
                return
            content = file.read_bytes()
            if fault == "changed" and not is_list(file):
                content = changed(content)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "HEAD":
                return
            if fault == "cut" and not is_list(file):
                content = content[: len(content) // 2]
            self.send(content, int(speed or 0))

        def send(self, content: bytes, speed: int) -> None:
            step = max(int(speed * TICK), 1) if speed else max(len(content), 1)
            for start in range(0, len(content), step):
                self.wfile.write(content[start : start + step])
                if speed and stop.wait(TICK):
                    return

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


class Mirror(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path, address: str = "127.0.0.1", port: int = 0) -> None:
        self.stop = threading.Event()
        super().__init__((address, port), handler(folder, self.stop))

    def close(self) -> None:
        self.stop.set()
        self.shutdown()
        self.server_close()


if __name__ == "__main__":
    folder, address, port = [*sys.argv[1:], *("", "172.31.77.1", "8099")[len(sys.argv) - 1 :]]
    mirror = Mirror(Path(folder), address, int(port))
    print(f"http://{address}:{mirror.server_address[1]}", flush=True)
    mirror.serve_forever()
