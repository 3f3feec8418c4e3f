#!/usr/bin/python3
"""The new side of a service: it serves well, and from its n-th request on in the way that it was told.

usage: canary.py PORT [--after N] [--fail-every N] [--delay SECONDS] [--exit] [--freeze] [--break FILE]

--after inf serves well until a SIGUSR1 comes.
--freeze stops the whole process (SIGSTOP), as a node that hangs: its connections stay and nobody answers, the health check neither.
--break writes what Traefik can not read into FILE when the fault begins, as a hand would that edits at the wrong time.
"""

import argparse
import http.server
import os
import pathlib
import signal
import threading
import time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("port", type=int)
parser.add_argument("--after", type=float, default=0)
parser.add_argument("--fail-every", type=int, default=0)
parser.add_argument("--delay", type=float, default=0.0)
parser.add_argument("--exit", action="store_true")
parser.add_argument("--freeze", action="store_true")
parser.add_argument("--break", dest="broken", type=pathlib.Path)
options = parser.parse_args()
lock = threading.Lock()
served = 0


def count() -> int:
    """The number of this request, from 1."""
    global served
    with lock:
        served += 1
        return served


def go_wrong(*_arguments: object) -> None:
    """The next request is the first that goes wrong."""
    options.after = served


class Handler(http.server.BaseHTTPRequestHandler):
    """Every path but the health check's may fail."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answers, late or badly where that is asked for."""
        number = 0 if self.path == "/health" else count() - options.after
        status = 200
        if number > 0:
            if options.exit:
                os._exit(1)
            if options.freeze and number == 1:
                os.kill(os.getpid(), signal.SIGSTOP)
            if number == 1 and options.broken:
                options.broken.write_text("http: [\n")
            time.sleep(options.delay)  # the fault itself
            if options.fail_every and number % options.fail_every == 0:
                status = 500
        self.send_response(status)
        self.send_header("X-Orchestrator", "k3s")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Says nothing: the journal of the host is for others."""


signal.signal(signal.SIGUSR1, go_wrong)
http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
