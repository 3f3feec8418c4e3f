"""After the takeovers: no connection was refused or cut, and the Swarm's service has its port again."""

from __future__ import annotations

import json
import typing as t

import testinfra

EDGE = "docker://replatform-lab-sophia-production-instance"
CLIENT = "docker://replatform-lab-sophia-development"
testinfra_hosts = [EDGE]


def test_every_client_was_answered_by_the_one_or_the_other() -> None:
    told = json.loads(testinfra.get_host(CLIENT).file("/root/traffic-ports.json").content_string)
    print(f"{told['answers']}, {told['turns']}")
    assert told["faults"] == []
    assert told["answers"].keys() == {"holder", "backend"}
    assert sum(told["answers"].values()) >= 1000
    assert told["turns"][:2] + told["turns"][-2:] == ["holder", "backend", "backend", "holder"]


def test_the_prober_that_asks_where_clients_do_saw_no_fault(host: t.Any) -> None:
    assert host.check_output("cat /var/lib/replatform/prober/failures.jsonl 2>/dev/null || true") == ""


def test_the_port_is_the_swarms_again(host: t.Any) -> None:
    assert json.loads(host.check_output("curl -sS http://127.0.0.1/whoami"))["service"] == "holder"
    assert "replatform_edge" not in host.check_output("nft list tables")
    assert not host.file("/etc/replatform/edge/takeover.nft").exists
