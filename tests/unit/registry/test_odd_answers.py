"""What a registry of ill will, or one behind a cache, may answer."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.registry import client
from ansible_collections.sophia.replatform.plugins.module_utils.registry.check import check
from ansible_collections.sophia.replatform.plugins.module_utils.registry.client import Registry, Settings
from ansible_collections.sophia.replatform.plugins.module_utils.registry.credentials import Credentials
from ansible_collections.sophia.replatform.plugins.module_utils.registry.manifests import Platform

KIND = "application/vnd.oci.image.manifest.v1+json"


class Scripted:
    """Answers by (method, path) as (status, headers, body), and what was asked."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        handler = type("Handler", (Handler,), {"script": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def fault(self, version="1", **settings):
        settings = {"plain_http": frozenset({self.address}), "timeout_s": 20, **settings}
        image = f"{self.address}/web{'@' if ':' in version else ':'}{version}"
        answer = check(Registry(Settings(**settings)), image, [Platform("amd64")], True)
        assert "\n" not in answer["fault"]
        return answer["fault"]

    def good(self):
        """A whole image, whose configuration lies behind a redirect."""
        config = json.dumps({"os": "linux", "architecture": "amd64"}).encode()
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        manifest = json.dumps({"schemaVersion": 2, "config": {"digest": digest}, "layers": []}).encode()
        own = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        for version in ("1", own):
            self.answers["GET", f"/v2/web/manifests/{version}"] = (
                200,
                {"Content-Type": f"{KIND}; charset=utf-8"},
                manifest,
            )
        for method in ("GET", "HEAD"):
            self.answers[method, f"/v2/web/blobs/{digest}"] = (307, {"Location": f"http://{self.address}/store"}, b"")
        self.answers["GET", "/store"] = (200, {}, config)


class Handler(http.server.BaseHTTPRequestHandler):
    def serve(self):
        self.script.asked.append((self.command, self.path, self.headers.get("Authorization")))
        status, headers, body = self.script.answers.get((self.command, self.path), (404, {}, b""))
        if status == 401 and self.headers.get("Authorization"):
            status, headers, body = self.script.answers["GET", "/then"]
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = serve

    def log_message(self, format, *args):
        """Say nothing."""


@pytest.fixture(name="script")
def script_fixture():
    script = Scripted()
    yield script
    script.stop()


def test_a_redirect_is_followed_without_the_authorization(script):
    script.good()
    path = ("GET", "/v2/web/manifests/1")
    script.answers["GET", "/then"] = script.answers[path]
    script.answers[path] = (401, {"WWW-Authenticate": "Basic"}, b"")
    assert script.fault(credentials={script.address: Credentials("a", "b")}) == ""
    assert [sent is not None for method, path, sent in script.asked if path == "/store"] == [False]
    assert ("HEAD", "/store", None) not in script.asked


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, {"Content-Type": "text/html"}, b"<html>"), "gave an answer that is no JSON"),
        ((200, {"Content-Type": KIND}, b"[]"), "gave an answer that is no JSON"),
        (
            (200, {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"}, b"{}"),
            "containerd does not pull",
        ),
        ((429, {}, b""), "lets this address pull no more for now"),
        ((500, {}, b""), "answered 500 for web"),
        ((401, {"WWW-Authenticate": "Digest realm=x"}, b""), "neither basic nor a token"),
        ((401, {"WWW-Authenticate": "Bearer service=x"}, b""), "neither basic nor a token"),
        ((403, {}, b""), "lets nobody pull web"),
    ],
)
def test_an_odd_answer_is_one_line(script, answer, said):
    script.answers["GET", "/v2/web/manifests/1"] = answer
    assert said in script.fault()


def test_what_is_too_much_is_not_read(script, monkeypatch):
    monkeypatch.setattr(client, "_MOST", 100)
    script.answers["GET", "/v2/web/manifests/1"] = (200, {"Content-Type": KIND}, b" " * 200)
    assert "more than 100 bytes" in script.fault()


def test_a_manifest_with_another_digest_is_not_believed(script):
    digest = "sha256:" + "0" * 64
    script.answers["GET", f"/v2/web/manifests/{digest}"] = (200, {"Content-Type": KIND}, b"{}")
    assert f"with another digest than {digest}" in script.fault(digest)


def test_a_configuration_that_is_not_there(script):
    manifest = json.dumps({"config": {"digest": "sha256:" + "1" * 64}}).encode()
    script.answers["GET", "/v2/web/manifests/1"] = (200, {"Content-Type": KIND}, manifest)
    assert "does not have its configuration" in script.fault()


def test_tokens_over_plain_http_are_refused_where_the_registry_is_not(script, monkeypatch):
    real = client.open_url
    monkeypatch.setattr(client, "open_url", lambda url, **options: real(url.replace("https:", "http:"), **options))
    realm = {"WWW-Authenticate": f'Bearer realm="http://{script.address}/token"'}
    script.answers["GET", "/v2/web/manifests/1"] = (401, realm, b"")
    assert "gives its tokens out over plain HTTP" in script.fault(plain_http=frozenset())
    assert len(script.asked) == 1


def test_a_token_answer_without_a_token(script):
    realm = {"WWW-Authenticate": f'Bearer realm="http://{script.address}/token?a=b"'}
    script.answers["GET", "/v2/web/manifests/1"] = (401, realm, b"")
    script.answers["GET", "/token?a=b&service=&scope=repository%3Aweb%3Apull"] = (200, {}, b"{}")
    assert "gave no token for web" in script.fault()
