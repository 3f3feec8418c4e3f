"""The lookup, with the real Kubernetes client, against a server that answers a TokenRequest."""

from __future__ import annotations

import http.server
import json
import pathlib
import subprocess
import threading

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[3]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        known = self.path == "/api/v1/namespaces/shop/serviceaccounts/secret-copy/token"
        seconds = request["spec"]["expirationSeconds"]
        answer = {**request, "status": {"token": f"token-of-{seconds}", "expirationTimestamp": "2026-11-27T23:00:00Z"}}
        text = json.dumps(answer if known else {"kind": "Status"}).encode()
        self.send_response(201 if known else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format, *args):
        """Say nothing."""


@pytest.fixture(name="kubeconfig")
def kubeconfig_fixture(tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    path = tmp_path / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "current-context": "it",
                "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                "clusters": [{"name": "it", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}],
                "users": [{"name": "it", "user": {"token": "admin"}}],
            }
        )
    )
    yield str(path)
    server.shutdown()
    thread.join()
    server.server_close()


def ask(name="secret-copy", **options):
    """What a play on the controller gets, as Ansible prints it."""
    words = "".join(f", {key}={value!r}" for key, value in options.items())
    expression = f"{{{{ lookup('sophia.replatform.service_account_token', {name!r}{words}) }}}}"
    command = ["ansible", "localhost", "-m", "ansible.builtin.debug", "-a", json.dumps({"msg": expression})]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_a_token_with_its_time(kubeconfig):
    assert '"msg": "token-of-600"' in ask(namespace="shop", kubeconfig=kubeconfig)
    assert '"msg": "token-of-900"' in ask(namespace="shop", kubeconfig=kubeconfig, expiration=900)


def test_an_account_that_is_not_there(kubeconfig):
    said = ask("nobody", namespace="shop", kubeconfig=kubeconfig)
    assert "no token of service account nobody in namespace shop: 404" in said


def test_a_kubeconfig_that_is_none(tmp_path):
    assert "can't be used" in ask(namespace="shop", kubeconfig=str(tmp_path / "none"))
