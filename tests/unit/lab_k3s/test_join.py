"""The join protocol end to end over TLS: the supervisor's own handler, the agent's own client."""

from __future__ import annotations

import base64
import ssl
import threading
from http.server import ThreadingHTTPServer

import pytest
from k3s_standin import join, logs, pki, supervisor
from k3s_standin.api import ApiError
from k3s_standin.settings import resolve
from k3s_standin.token import full, parse


class Secrets:
    """As much of the API as node passwords need."""

    def __init__(self):
        self.stored = {}

    def find(self, path):
        return self.stored.get(path.rpartition("/")[2])

    def put(self, collection, body):
        self.stored[body["metadata"]["name"]] = body


@pytest.fixture
def server(tmp_path, monkeypatch):
    settings = resolve("server", {"node-ip": ["127.0.0.1"], "data-dir": str(tmp_path / "server")})
    tls = settings.server_dir / "tls"
    pki.server_certificates(tls, "one", ["localhost", "127.0.0.1"], ["127.0.0.1"])
    monkeypatch.setattr(join, "NODE_PASSWORD", tmp_path / "password")
    part = supervisor.Supervisor(settings, ("server-password", "agent-password"))
    part.api = Secrets()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "serving-kube-apiserver.pem")
    http = ThreadingHTTPServer(("127.0.0.1", 0), supervisor.handler(part))
    http.socket = context.wrap_socket(http.socket, server_side=True)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    part.url = f"https://127.0.0.1:{http.server_address[1]}"
    yield part
    http.shutdown()
    http.server_close()


def agent(server, name="two"):
    return resolve("agent", {"server": server.url, "token": "t", "node-ip": ["127.0.0.2"], "node-name": name})


def ask(server, token, name="two"):
    return join.ask(agent(server, name), server.url, parse(token))


@pytest.mark.parametrize("password, user", [("server-password", "server"), ("agent-password", "node")])
def test_both_tokens_join_and_the_bundle_holds_what_a_node_needs(server, password, user):
    bundle = ask(server, full(password, user, server.cacerts))
    assert bundle["config"]["cluster-dns"] == "10.43.0.10"
    assert (bundle["config"]["flannel-backend"], bundle["config"]["flannel-external-ip"]) == ("vxlan", False)
    assert set(bundle["pairs"]) == {"serving-kubelet", "client-kubelet", "client-kube-proxy", "client-k3s-controller"}
    assert "PRIVATE" not in "".join(bundle["files"].values())


def test_a_wrong_token_is_refused_for_good(server):
    with pytest.raises(logs.Fatal, match="failed to validate token: .*401 Unauthorized"):
        ask(server, full("wrong", "node", server.cacerts))


def test_a_ca_that_the_token_does_not_vouch_for_is_refused_before_the_password_is_sent(server):
    with pytest.raises(logs.Fatal, match="token CA hash does not match the Cluster CA certificate hash"):
        ask(server, full("server-password", "server", b"another CA"))
    assert not server.api.stored


def test_the_short_token_joins_with_a_warning(server, capsys):
    assert ask(server, "server-password")["config"]
    assert "does not include a CA hash" in capsys.readouterr().err


def test_a_name_belongs_to_the_first_who_came_with_it(server, tmp_path):
    token = full("server-password", "server", server.cacerts)
    assert ask(server, token) and ask(server, token)
    (tmp_path / "password").write_text("another machine")
    with pytest.raises(logs.Fatal, match="Node password rejected, duplicate hostname"):
        ask(server, token)
    assert ask(server, token, "three")


def test_node_passwords_are_stored_hashed(server, tmp_path):
    ask(server, full("server-password", "server", server.cacerts))
    [secret] = server.api.stored.values()
    assert secret["metadata"]["name"] == "two.node-password.k3s"
    assert (tmp_path / "password").read_text() not in base64.b64decode(secret["data"]["hash"]).decode()


def test_a_server_that_is_not_ready_is_asked_again(server):
    server.api = None
    with pytest.raises(ConnectionError, match="503"):
        ask(server, full("server-password", "server", server.cacerts))


def test_an_api_that_fails_is_no_refusal(server, monkeypatch):
    def fail(path):
        raise ApiError(500, "etcdserver: leader changed")

    monkeypatch.setattr(server.api, "find", fail)
    with pytest.raises(ConnectionError, match="503 .*leader changed"):
        ask(server, full("server-password", "server", server.cacerts))


def test_any_server_that_answers_will_do(server, capsys):
    token = full("server-password", "server", server.cacerts)
    assert join.join(agent(server), ["https://127.0.0.1:1", server.url], token)["config"]
    assert "Failed to validate connection to cluster at https://127.0.0.1:1" in capsys.readouterr().err


def test_a_token_that_is_none_ends_it(server):
    with pytest.raises(logs.Fatal, match="failed to validate token: invalid token CA hash length"):
        join.join(agent(server), [server.url], "K10abc::node:x")
