"""The new token is the cluster's, the old one joins nobody, and neither was told to anybody."""

from __future__ import annotations

import os
import pathlib

WORK = pathlib.Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
SERVER = "/var/lib/rancher/k3s/server"


def secret(fleet, name: str, path: str) -> str:
    return fleet.on(name).file(path).content_string.strip().rpartition(":")[2]


def test_every_server_has_the_new_token(fleet):
    wanted = (WORK / "token").read_text()
    assert {name: secret(fleet, name, f"{SERVER}/token") for name in fleet.servers} == dict.fromkeys(
        fleet.servers, wanted
    )


def test_agents_hold_the_new_token(fleet):
    wanted = (WORK / "token").read_text()
    assert {secret(fleet, name, "/etc/rancher/k3s/token") for name in fleet.agents} == {wanted}


def test_the_old_token_joins_nobody(fleet):
    old = secret(fleet, fleet.servers[0], f"{SERVER}/token.previous")
    new = secret(fleet, fleet.servers[0], f"{SERVER}/token")
    assert old != new
    for name in fleet.servers:
        ask = "curl -sk -o /dev/null -w '%%{http_code}' -u server:%s https://127.0.0.1:6443/v1-k3s/config"
        host = fleet.on(name)
        assert (host.check_output(ask, old), host.check_output(ask, new)) == ("401", "200")


def test_every_node_is_ready(fleet):
    assert fleet.condition("Ready") == dict.fromkeys(fleet.hosts, "True")


def test_no_note_of_the_rotation_is_left(fleet):
    assert not any(fleet.on(name).file("/etc/rancher/k3s/token.next").exists for name in fleet.servers)


def test_neither_token_is_in_logs_diffs_journals_or_units(fleet):
    secrets = {secret(fleet, fleet.servers[0], f"{SERVER}/{name}") for name in ("token", "token.previous")}
    log = (WORK / "rotation.log").read_text()
    assert "PLAY RECAP" in log
    texts = [log, *(path.read_text(errors="replace") for path in fleet.artifacts.rglob("*") if path.is_file())]
    for name in fleet.hosts:
        texts.append(
            fleet.on(name).check_output("journalctl --no-pager --output cat; cat /etc/systemd/system/k3s*; ps -eo args")
        )
        texts.append(fleet.on(name).check_output("cat /var/lib/replatform/journal.jsonl || true"))
    assert not [text[:80] for text in texts for value in secrets if value in text]
