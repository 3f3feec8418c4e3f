"""After the takeovers and the drain: nothing was refused, cut or failed, and the Swarm's services are as they were."""

from __future__ import annotations

import json
import pathlib
import typing as t

import testinfra
import yaml

STACK = yaml.safe_load((pathlib.Path(__file__).parents[3] / "lab/services/docker-stack.yml").read_text())
DRAINED = "sophia-mcp-orchestrator"
EDGE = "docker://replatform-lab-sophia-production-instance"
CLIENT = "docker://replatform-lab-sophia-development"
testinfra_hosts = [EDGE]


def test_every_client_was_answered_by_the_one_or_the_other() -> None:
    told = json.loads(testinfra.get_host(CLIENT).file("/root/traffic-ports.json").content_string)
    print(f"{told['answers']}, {told['turns']}")
    assert told["faults"] == []
    assert told["answers"].keys() == {"holder", "backend"}
    assert sum(told["answers"].values()) >= 1000
    assert told["turns"][0] == told["turns"][-1] == "holder"
    assert told["turns"].count("holder") >= 3


def test_the_prober_that_asks_where_clients_do_saw_no_fault(host: t.Any) -> None:
    assert host.check_output("cat /var/lib/replatform/prober/failures.jsonl 2>/dev/null || true") == ""


def test_the_port_is_the_swarms_again(host: t.Any) -> None:
    assert json.loads(host.check_output("curl -sS http://127.0.0.1/whoami"))["service"] == "holder"
    assert not host.file("/etc/replatform/edge/takeover.nft").exists


def test_services_and_node_are_as_before_the_drain(host: t.Any) -> None:
    services = json.loads(host.check_output("docker service inspect $(docker service ls --quiet)"))
    specs = {one["Spec"]["Name"].removeprefix("sophia_"): one["Spec"] for one in services}
    assert {name: specs[name]["Mode"]["Replicated"]["Replicas"] for name in STACK["services"]} == {
        name: one["deploy"].get("replicas", 1) for name, one in STACK["services"].items()
    }
    node = json.loads(host.check_output(f"docker node inspect {DRAINED}"))[0]["Spec"]
    assert node["Availability"] == "active"
    for spec in (*specs.values(), node):
        assert not [label for label in spec["Labels"] if label.startswith("replatform.sophia.ai/")]


def test_the_node_was_drained_and_every_task_more_is_gone_again(host: t.Any) -> None:
    lines = host.check_output("cat /var/lib/replatform/journal.jsonl").splitlines()
    done = [(one["operation"], one["step"], one["subject"]) for one in map(json.loads, lines) if one["event"] == "ok"]
    assert ("swarm_drain", "drain", DRAINED) in done
    more, gone = (sorted(s for _operation, step, s in done if step == name) for name in ("add_spare", "remove_spare"))
    print(f"one task more for a while: {more}")
    assert more == gone


def test_the_edge_led_elsewhere_before_a_task_was_moved(host: t.Any) -> None:
    """The host has the edge and is the manager that drains: its journal has both in their order."""
    address = json.loads(host.check_output(f"docker node inspect {DRAINED}"))[0]["Status"]["Addr"]
    led: dict[str, list[str]] = {}
    moved: list[str] = []
    for line in host.check_output("cat /var/lib/replatform/journal.jsonl").splitlines():
        one = json.loads(line)
        if one["operation"] == "traffic_shift" and one["event"] == "ok" and "servers" in one["data"]:
            led[one["subject"]] = [server for side in one["data"]["servers"].values() for server in side]
        elif (one["operation"], one["step"], one["event"]) == ("swarm_drain", "pin", "start"):
            name = one["data"]["service"].removeprefix("sophia_")
            if name in led:
                moved.append(name)
                assert led[name] and not [server for server in led[name] if address in server], name
    print(f"led elsewhere, then moved: {moved}")
    assert moved


def test_the_drain_that_had_too_little_time_was_taken_back(host: t.Any) -> None:
    """All that it had written, until the next one began."""
    lines = host.check_output("cat /var/lib/replatform/journal.jsonl").splitlines()
    steps = [one["step"] for one in map(json.loads, lines) if (one["operation"], one["event"]) == ("swarm_drain", "ok")]
    first, again = (at for at, step in enumerate(steps) if step == "pause")
    given_up = steps[first:again]
    print(f"given up: {given_up}")
    assert "activate" in given_up and "drain" not in given_up


def test_no_route_leads_to_the_node_for_what_it_does_not_run(host: t.Any) -> None:
    routes = host.check_output("cat /etc/replatform/edge/dynamic/*.yml")
    assert "172.31.77." in routes
    address = json.loads(host.check_output(f"docker node inspect {DRAINED}"))[0]["Status"]["Addr"]
    names = host.check_output(
        f"docker node ps --filter desired-state=running --format '{{{{.Name}}}}' {DRAINED}"
    ).split()
    for name, one in STACK["services"].items():
        if not any(task.startswith(f"sophia_{name}.") for task in names):
            for port in one["ports"]:
                assert f"http://{address}:{port['published']}" not in routes, name
