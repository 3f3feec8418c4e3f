"""A server's start with everything around it replaced: which programs run, in which order, and what they are told."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import pytest
from k3s_standin import agent, bootstrap, cluster, etcd, logs, members, packaged, passwords, reset, server
from k3s_standin.settings import resolve

PROGRAMS = ["etcd", "kube-apiserver", "haproxy", "kube-controller-manager", "kube-scheduler"]


class Child:
    def __init__(self, name, command):
        self.name, self.command, self.stopped = name, command, False

    def start(self):
        return self

    def stop(self, seconds):
        self.stopped = True


class Store:
    stored: dict[str, bytes]

    def __init__(self, settings, url=""):
        self.stored = {}

    def status(self):
        return etcd.Status(1, 1, False)

    def list(self, prefix):
        return self.stored

    def put(self, key, value):
        self.stored[key] = value

    def members(self):
        return [etcd.Member(i, f"n{i}-x", (f"https://10.0.0.{i}:2380",), (), False) for i in range(1, Store.count + 1)]


class Kube:
    def __init__(self, *words):
        self.written, self.deleted = {}, []

    def get(self, path):
        return {"kind": "Status"}

    def find(self, path):
        return {"subsets": [{"addresses": [{"ip": "10.0.0.9"}]}]} if "endpoints" in path else None

    def put(self, collection, body):
        self.written[body["metadata"]["name"]] = body

    def call(self, method, path):
        self.deleted.append(path)

    def patch(self, path, body):
        self.written[path] = body


@pytest.fixture
def started(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "Child", Child)
    monkeypatch.setattr(server, "Api", Kube)
    monkeypatch.setattr(etcd, "Etcd", Store)
    monkeypatch.setattr(server, "require_free_port", lambda settings: None)
    monkeypatch.setattr(server.Supervisor, "serve", lambda self: None)
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(packaged.Deployer, "kubectl", lambda self, *words: done)
    Store.count = 1

    def start(**values):
        base = {"node-ip": ["10.0.0.1"], "node-name": "one", "data-dir": str(tmp_path / "data")}
        base["write-kubeconfig"] = str(tmp_path / "k3s.yaml")
        made = server.Server(resolve("server", {**base, **values}))
        made.start()
        return made

    return start


def told(made, name, flag):
    [command] = [child.command for child in made.children if child.name == name]
    return next(word.partition("=")[2] for word in command if word.startswith(f"--{flag}="))


def test_a_single_server_runs_as_ever_and_without_an_election(started):
    made = started(**{"cluster-init": True})
    assert [child.name for child in made.children] == PROGRAMS
    assert told(made, "etcd", "initial-cluster-state") == "new"
    assert {told(made, name, "leader-elect") for name in PROGRAMS[3:]} == {"false"}
    assert made.keeper


def test_without_cluster_init_there_is_no_member_to_speak_of(started):
    made = started()
    assert not made.keeper and not etcd.name_file(made.settings).exists()
    assert members.listed_addresses(made.api.written["kubernetes"]) == ["10.0.0.1"]
    made.label_node([{"metadata": {"name": "one"}}])
    body = made.api.written["/api/v1/nodes/one"]["metadata"]
    assert "node-role.kubernetes.io/etcd" not in body["labels"] and body["annotations"] == {}


def test_a_server_of_several_adds_itself_to_those_that_serve_and_elects(started):
    Store.count = 3
    made = started(**{"cluster-init": True})
    assert members.listed_addresses(made.api.written["kubernetes"]) == ["10.0.0.1", "10.0.0.9"]
    assert {told(made, name, "leader-elect") for name in PROGRAMS[3:]} == {"true"}


def test_when_another_server_joins_the_controllers_start_again_and_only_once(started):
    made = started(**{"cluster-init": True})
    former = made.children[3:]
    made.several_servers()
    assert all(child.stopped for child in former) and [child.name for child in made.children] == PROGRAMS
    assert {told(made, name, "leader-elect") for name in PROGRAMS[3:]} == {"true"}
    present = list(made.children)
    made.several_servers()
    assert made.children == present


def test_the_node_says_which_member_it_is_and_is_left_alone_afterwards(started):
    made = started(**{"cluster-init": True})
    node = {"metadata": {"name": "one"}}
    made.label_node([node])
    body = made.api.written.pop("/api/v1/nodes/one")["metadata"]
    assert body["labels"]["node-role.kubernetes.io/etcd"] == "true"
    assert body["annotations"] == members.notes(etcd.member_name(made.settings), "10.0.0.1")
    made.label_node([{"metadata": {"name": "one", **body}}, {"metadata": {"name": "two"}}])
    assert "/api/v1/nodes/one" not in made.api.written


def test_a_second_start_keeps_token_and_member(started):
    first = started(**{"cluster-init": True})
    secret, name = passwords.known(first.settings), etcd.member_name(first.settings)
    again = started(**{"cluster-init": True})
    assert (passwords.known(again.settings), told(again, "etcd", "name")) == (secret, name)


def test_a_token_that_is_not_the_datastores_ends_it_and_is_not_kept(started):
    first = started(**{"cluster-init": True, "token": "first"})
    with pytest.raises(logs.Fatal, match="encrypted with different token"):
        started(**{"cluster-init": True, "token": "second"})
    assert passwords.known(first.settings) == "first"


def test_a_token_that_was_rotated_elsewhere_is_taken_from_the_configuration(started, monkeypatch):
    first = started(**{"cluster-init": True, "token": "first"})
    stored = {bootstrap.storage_key("second"): bootstrap.encrypt("second", bootstrap.collect(first.settings))}
    monkeypatch.setattr(Store, "list", lambda self, prefix: stored)
    again = started(**{"cluster-init": True, "token": "second"})
    assert passwords.known(again.settings) == "second"
    assert (again.settings.server_dir / "node-token").read_text().endswith(":second\n")


def test_a_joining_server_starts_its_member_among_the_others(started, monkeypatch):
    first = started(**{"cluster-init": True, "token": "T"})
    invitation = SimpleNamespace(
        accept=lambda settings: bootstrap.write(settings, bootstrap.collect(first.settings)),
        member=lambda settings: f"two-x=https://10.0.0.2:2380,{etcd.member_name(settings)}=https://10.0.0.1:2380",
    )
    monkeypatch.setattr(cluster, "Invitation", lambda settings: invitation)
    other = str(first.settings.data.parent / "other")
    made = started(server="https://10.0.0.2:6443", token="T", **{"data-dir": other})
    assert told(made, "etcd", "initial-cluster-state") == "existing"
    assert (made.tls / "server-ca.key").read_bytes() == (first.tls / "server-ca.key").read_bytes()


def test_the_first_start_after_a_reset_forgets_the_nodes_password_of_another_time(started):
    made = started(**{"cluster-init": True})
    assert not made.api.deleted
    reset.flag_file(made.settings).touch()
    again = started(**{"cluster-init": True})
    assert again.api.deleted == ["/api/v1/namespaces/kube-system/secrets/one.node-password.k3s"]
    assert not reset.flag_file(again.settings).exists()


def test_agents_go_through_the_balancer_unless_told_otherwise(monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr(agent, "join", lambda settings, urls, token: asked.update(urls=urls) or {"bundle": True})
    monkeypatch.setattr(agent.Balancer, "start", lambda self: asked.update(balancer=self.port))
    monkeypatch.setattr(agent.Agent, "start_runtime", lambda self: None)
    monkeypatch.setattr(agent.Agent, "start_node", lambda self, bundle: asked.update(url=self.url))
    values = {"server": "https://10.0.0.1:6443", "token": "t", "node-ip": ["10.0.0.7"], "data-dir": str(tmp_path)}
    agent.run(resolve("agent", values))
    assert asked == {"urls": ["https://10.0.0.1:6443"], "balancer": 6444, "url": "https://127.0.0.1:6444"}
    asked.clear()
    agent.run(resolve("agent", {**values, "disable-apiserver-lb": True}))
    assert asked == {"urls": ["https://10.0.0.1:6443"], "url": "https://10.0.0.1:6443"}
