"""A further server against the supervisor of one that runs, over TLS: who gets in, with what, and what is refused."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import ThreadingHTTPServer

import pytest
from k3s_standin import bootstrap, cluster, etcd, join, logs, passwords, pki, supervisor, tokens
from k3s_standin.settings import resolve
from k3s_standin.token import full

PASSWORDS = ("server-password", "agent-password")


class Store:
    """As much of etcd as the supervisor needs."""

    def __init__(self):
        self.stored = {}

    def call(self, path):
        return {"members": [{"ID": "1", "name": "one-aa", "peerURLs": ["https://127.0.0.1:2380"]}]}

    def put(self, key, value):
        self.stored[key] = value

    def delete(self, key):
        self.stored.pop(key, None)


@pytest.fixture
def first(tmp_path):
    """A server that runs, with ``url``."""
    settings = resolve("server", {"node-ip": ["127.0.0.1"], "data-dir": str(tmp_path / "first"), "cluster-init": True})
    tls = settings.server_dir / "tls"
    pki.server_certificates(tls, "one", ["localhost", "127.0.0.1"], ["127.0.0.1"])
    passwords.keep(settings, *PASSWORDS)
    part = supervisor.Supervisor(settings, PASSWORDS)
    part.store, part.api, part.joins = Store(), object(), []
    bootstrap.save(part.store, settings, *PASSWORDS)
    part.before_server_joins = lambda: part.joins.append(1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls / "serving-kube-apiserver.pem")
    http = ThreadingHTTPServer(("127.0.0.1", 0), supervisor.handler(part))
    http.socket = context.wrap_socket(http.socket, server_side=True)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    part.url = f"https://127.0.0.1:{http.server_address[1]}"
    yield part
    http.shutdown()
    http.server_close()


def second(first, tmp_path, token=None, **values):
    token = full("server-password", "server", first.cacerts) if token is None else token
    base = {"node-ip": ["127.0.0.2"], "node-name": "two", "data-dir": str(tmp_path / "second"), "server": first.url}
    return resolve("server", {**base, "token": token, "agent-token": "agent-password", **values})


def accept(settings):
    cluster.Invitation(settings).accept(settings)


def nothing_was_written(tmp_path):
    return not (tmp_path / "second").exists()


def test_a_further_server_takes_over_the_clusters_keys_and_the_first_one_is_told_before(first, tmp_path):
    settings = second(first, tmp_path)
    assert cluster.joins(settings)
    accept(settings)
    assert bootstrap.collect(settings) == bootstrap.collect(first.settings)
    assert first.joins


def test_data_on_the_disk_keeps_its_place(first, tmp_path):
    settings = second(first, tmp_path)
    (etcd.folder(settings) / "member/wal").mkdir(parents=True)
    assert not cluster.joins(settings)


@pytest.mark.parametrize(
    "token, said",
    [
        ("", "K3S_TOKEN is required to join a cluster"),
        ("wrong", "failed to validate token: .*/v1-k3s/config: 401 Unauthorized"),
        ("agent-password", "401 Unauthorized"),
        ("K10" + "0" * 64 + "::server:server-password", "token CA hash does not match"),
        ("K10abc", "invalid token CA hash length"),
    ],
)
def test_a_wrong_token_is_refused_and_leaves_no_trace(first, tmp_path, token, said):
    with pytest.raises(logs.Fatal, match=said):
        accept(second(first, tmp_path, token))
    assert nothing_was_written(tmp_path) and not first.joins


@pytest.mark.parametrize("user, status", [("server", 401), ("node", 403)])
@pytest.mark.parametrize("path", supervisor.FOR_SERVERS)
def test_the_agents_password_opens_nothing_that_is_for_servers(first, user, status, path):
    assert join.authorized(first.url, first.cacerts, user, "agent-password", "GET", path)[0] == status


@pytest.mark.parametrize(
    "values, named",
    [({"cluster-cidr": "10.99.0.0/16"}, "cluster-cidr"), ({"agent-token": "another"}, "agent-token")],
)
def test_other_critical_settings_are_refused_in_k3s_words_and_leave_no_trace(first, tmp_path, capsys, values, named):
    words = "failed to validate server configuration: critical configuration value mismatch between servers"
    with pytest.raises(logs.Fatal, match=words):
        accept(second(first, tmp_path, **values))
    assert f"critical configuration mismatched: {named}" in capsys.readouterr().err
    assert nothing_was_written(tmp_path)


def test_a_server_without_embedded_etcd_takes_no_other(first, tmp_path):
    first.settings.values.pop("cluster-init")
    with pytest.raises(logs.Fatal, match="400 etcd disabled"):
        accept(second(first, tmp_path))


def test_a_server_that_does_not_answer_ends_the_attempt(first, tmp_path):
    settings = second(first, tmp_path, server="https://127.0.0.1:1")
    with pytest.raises(logs.Fatal, match="failed to get CA certs: .*refused"):
        accept(settings)


class Busy:
    """A member that takes a learner in once it has said no so many times."""

    def __init__(self, *refusals):
        self.refusals, self.asked = list(refusals), 0

    def __call__(self, settings, url):
        return self

    def members(self):
        return [etcd.Member(1, "one-aa", ("https://127.0.0.1:2380",), ("https://127.0.0.1:2379",), False)]

    def add_learner(self, peer):
        self.asked += 1
        if self.refusals:
            raise etcd.EtcdError(self.refusals.pop(0))


def place(first, tmp_path, monkeypatch, member):
    known = {
        "ID": "1",
        "name": "one-aa",
        "peerURLs": ["https://127.0.0.1:2380"],
        "clientURLs": ["https://127.0.0.1:2379"],
    }
    monkeypatch.setattr(first.store, "call", lambda path: {"members": [known]})
    monkeypatch.setattr(etcd, "Etcd", member)
    settings = second(first, tmp_path)
    return cluster.Invitation(settings).member(settings, pause=0)


def test_a_server_waits_while_others_join(first, tmp_path, monkeypatch, capsys):
    member = Busy("etcdserver: too many learner members in cluster", "etcdserver: unhealthy cluster")
    assert place(first, tmp_path, monkeypatch, member).startswith("one-aa=https://127.0.0.1:2380,two-")
    assert member.asked == 3
    words = "Waiting for other members to finish joining etcd cluster: etcdserver: too many learner members in cluster"
    assert words in capsys.readouterr().err


def test_any_other_refusal_of_etcd_ends_the_attempt(first, tmp_path, monkeypatch):
    with pytest.raises(logs.Fatal, match="ETCD join failed: etcdserver: Peer URLs already exists"):
        place(first, tmp_path, monkeypatch, Busy("etcdserver: Peer URLs already exists"))


def put(first, password, body):
    words = (first.url, first.cacerts, "server", password, "PUT", "/v1-k3s/token", json.dumps(body))
    return join.authorized(*words)[0]


def test_rotation_takes_the_new_token_at_once_and_the_old_one_until_the_next_start(first, tmp_path):
    assert put(first, "wrong", {"newToken": "fresh"}) == 401
    assert put(first, "agent-password", {"newToken": "fresh"}) in (401, 403)
    assert list(first.store.stored) == [bootstrap.storage_key("server-password")]
    assert put(first, "server-password", {"newToken": "fresh"}) == 200
    for token in ("fresh", "server-password"):
        accept(second(first, tmp_path / token, token))
    assert list(first.store.stored) == [bootstrap.storage_key("fresh")]
    assert (first.settings.server_dir / "node-token").read_text() == full("fresh", "server", first.cacerts) + "\n"
    assert passwords.choose(first.settings)[0] == "fresh"


def test_rotation_leaves_an_agent_token_of_its_own_alone(first):
    put(first, "server-password", {"newToken": "fresh"})
    assert first.passwords[0] == ("fresh", "agent-password")
    content = bootstrap.decrypt("fresh", first.store.stored[bootstrap.storage_key("fresh")])
    assert base64.b64decode(content[bootstrap.AGENT_PASSWORD]) == b"agent-password"


def test_rotation_moves_an_agent_password_that_is_the_servers_with_it(first):
    first.passwords = [("one-for-both", "one-for-both")]
    assert put(first, "one-for-both", {"newToken": "fresh"}) == 200
    assert first.passwords[0] == ("fresh", "fresh")


def test_a_body_without_a_token_rotates_nothing(first):
    assert put(first, "server-password", {}) == 400
    assert first.passwords == [PASSWORDS]


def test_the_command_rotates_with_the_token_of_the_disk(first, capsys):
    words = ["rotate", "--server", first.url, "--data-dir", str(first.settings.data), "--new-token", "fresh"]
    assert tokens.command(words, {}) == 0
    assert "Token rotated, restart k3s nodes with new token" in capsys.readouterr().out
    assert first.passwords[0][0] == "fresh"
    with pytest.raises(logs.Fatal, match="401 Unauthorized"):
        tokens.command([*words, "--token", "wrong"], {})


def test_a_made_up_token_has_the_bootstrap_form(capsys):
    tokens.command(["generate"], {})
    name, dot, secret = capsys.readouterr().out.strip().partition(".")
    assert (len(name), dot, len(secret)) == (6, ".", 16)
