"""The client against a small server over TLS: lists, watches and what the API refuses."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from k3s_standin import pki
from k3s_standin.api import Api, ApiError


def thing(name, **more):
    return {"metadata": {"name": name, "uid": name}, **more}


EVENTS = [
    {"type": "ADDED", "object": thing("b")},
    {"type": "MODIFIED", "object": thing("a", changed=True)},
    {"type": "DELETED", "object": thing("b")},
    {"type": "ERROR", "object": {"code": 410}},
    {"type": "ADDED", "object": thing("never seen")},
]


STORED: dict[str, str] = {}


class Handler(BaseHTTPRequestHandler):
    def answer(self, status, *lines):
        self.send_response(status)
        self.end_headers()
        for line in lines:
            self.wfile.write(json.dumps(line).encode() + b"\n")

    def do_GET(self):
        if "watch=1" in self.path:
            assert "resourceVersion=7" in self.path
            self.answer(200, *EVENTS)
        elif self.path == "/things":
            self.answer(200, {"metadata": {"resourceVersion": "7"}, "items": [thing("a")]})
        else:
            self.answer(404, {"message": "not found"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = body["metadata"]["name"] in STORED
        STORED.setdefault(body["metadata"]["name"], "posted")
        self.answer(409 if known else 201, body)

    def do_PATCH(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        STORED[self.path.rpartition("/")[2]] = self.headers["Content-Type"]
        self.answer(200, {})

    def log_message(self, *args):
        return


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    tls = tmp_path_factory.mktemp("tls")
    pki.authority(tls, "ca")
    pki.ensure(tls, "server", "ca", "server", sans=["127.0.0.1"])
    pki.ensure(tls, "client", "ca", "client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "server.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield Api(f"https://127.0.0.1:{server.server_address[1]}", tls / "ca.crt", tls / "client.crt", tls / "client.key")
    server.shutdown()
    server.server_close()


def test_a_watch_gives_the_whole_list_after_each_change_and_ends_at_an_error(api):
    seen = [
        {item["metadata"]["name"]: item.get("changed", False) for item in items} for items in api.changes("/things")
    ]
    assert seen == [{"a": False}, {"a": False, "b": False}, {"a": True, "b": False}, {"a": True}]


def test_put_creates_and_then_changes(api):
    api.put("/things", thing("new"))
    assert STORED["new"] == "posted"
    api.put("/things", thing("new"))
    assert STORED["new"] == "application/merge-patch+json"


def test_what_is_not_there_is_none_to_find_and_an_error_to_get(api):
    assert api.find("/nothing") is None
    with pytest.raises(ApiError, match="404") as caught:
        api.get("/nothing")
    assert caught.value.status == 404 and isinstance(caught.value, OSError)
