"""Checks of services: a query that finds what it looks for, and a write where it does not."""

from __future__ import annotations

import http.server
import json
import threading
import typing as t

import pytest


@pytest.fixture
def service():
    """A service that keeps what is posted, and knows how often it was written to."""

    class Handler(http.server.BaseHTTPRequestHandler):
        kept: t.ClassVar[list[str]] = []
        posts = 0

        def do_GET(self):
            self._answer(200, {"kept": self.kept})

        def do_POST(self):
            Handler.posts += 1
            text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
            self.kept.append(text)
            self._answer(201, {"text": text})

        def _answer(self, status, content):
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Handler.url = f"http://127.0.0.1:{server.server_port}"
        yield Handler
        server.shutdown()


@pytest.fixture
def check(play, service):
    def run(*options, **more):
        one = {
            "name": "it is kept",
            "service": "memory",
            "port": 80,
            "query": {"path": "/", "contains": "by the check"},
            "write": {"path": "/", "body": {"text": "kept by the check"}, "status": 201},
        }
        given = {"__platform_check": {**one, **more}, "__platform_check_url": service.url}
        return play("checks", *options, platform_namespace="shop", **given)

    return run


def test_what_is_not_found_is_written_once(check, service):
    status, text = check()
    assert status == 0 and "changed=1" in text, text
    status, text = check()
    assert status == 0 and "changed=0" in text, text
    assert service.posts == 1


def test_a_query_alone_finds_what_is_there(check, service):
    service.kept.append("by the check")
    status, text = check(write={"path": "/never"})
    assert status == 0 and "changed=0" in text, text
    assert service.posts == 0
