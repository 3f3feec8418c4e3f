"""What benchmarks/drain.py provokes on the lab is refused, each case for the reason that it asks for."""

from __future__ import annotations

import argparse

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Refused
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.drain import Wanted, next_step

from benchmarks import drain

NODES = {f"n{number}": drain.WORKER if number == 5 else f"host-n{number}" for number in range(1, drain.NODES + 1)}


def options_of(words):
    """As docker service create reads them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--replicas-max-per-node", type=int, default=0)
    for name in ("--mount", "--publish"):
        parser.add_argument(name, type=lambda text: dict(part.partition("=")[::2] for part in text.split(",")))
    parser.add_argument("--constraint", action="append", default=[])
    parser.add_argument("--restart-condition", default="any")
    parser.add_argument("--health-cmd")
    parser.add_argument("--health-interval")
    return parser.parse_args(words)


def service_of(name, options):
    made = raw.service("bench", replicas=None if options.mode == "global" else options.replicas)
    spec, template = made["Spec"], made["Spec"]["TaskTemplate"]
    spec["Name"] = name
    spec["EndpointSpec"]["Ports"] = []
    if options.publish:
        ports = {"Protocol": "tcp", "PublishMode": "host", "PublishedPort": int(options.publish["published"])}
        spec["EndpointSpec"]["Ports"] = [ports]
    template["Placement"] = {"MaxReplicas": options.replicas_max_per_node, "Constraints": options.constraint}
    template["RestartPolicy"] = {"Condition": options.restart_condition}
    if options.mount:
        template["ContainerSpec"]["Mounts"] = [{"Type": options.mount["type"]}]
    if options.health_cmd:
        template["ContainerSpec"]["Healthcheck"] = {"Test": ["CMD-SHELL", options.health_cmd]}
    return made


def world_of(name, words):
    """Five nodes, three of them managers, and as many tasks as they have room for."""
    options = options_of(words)
    nodes = [raw.node(one, "manager" if number < 3 else "worker") for number, one in enumerate(NODES)]
    for one in nodes:
        one["Description"]["Hostname"] = NODES[one["ID"]]
    bound = [one for one in NODES if not options.constraint or NODES[one] == drain.WORKER]
    count = drain.NODES if options.mode == "global" else options.replicas
    room = len(bound) * (options.replicas_max_per_node or count)
    tasks = [raw.task("bench", bound[at % len(bound)], slot=at + 1) for at in range(min(count, room))]
    return {"info": raw.info(), "nodes": nodes, "services": [service_of(name, options)], "tasks": tasks}


@pytest.mark.parametrize("what", drain.CASES)
def test_a_case_is_refused_for_its_own_reason(what):
    reason, name, words = drain.CASES[what]
    world = world_of(name, words)
    may_stop = frozenset({name} if drain.may_stop(name) else ())
    decision = next_step(world, Wanted(world["tasks"][0]["NodeID"], "drained", may_stop, frozenset(drain.SERVICES)))
    assert isinstance(decision, Refused) and reason in decision.reason
    others = [one for case, (one, _name, _words) in drain.CASES.items() if case != what]
    assert not [one for one in others if one in decision.reason]


def test_a_service_that_can_be_moved_is_not_refused():
    world = world_of("bench-plain", ("--replicas", "2", *drain.HEALTHY))
    assert not isinstance(next_step(world, Wanted("n1", "drained")), Refused)


@pytest.mark.parametrize(
    ("status", "said", "reason"),
    [
        (0, 'host | SUCCESS => {"changed": true}', ""),
        (2, 'host | FAILED! => {"changed": false, "msg": "is global"}\nmore', "is global"),
        (4, "host | UNREACHABLE!:\nno route", "host | UNREACHABLE!: no route"),
    ],
)
def test_what_was_said_is_read_from_what_ansible_prints(monkeypatch, status, said, reason):
    monkeypatch.setattr(drain, "module", lambda *_options, **_more: (status, said))
    assert drain.said_in_check_mode({}) == reason


def test_running_and_wanted_tasks_are_read(monkeypatch):
    monkeypatch.setattr(drain, "docker", lambda *_words: "bench-one 1/1\nbench-each 5/6 (max 1 per node)")
    assert drain.replicas() == {"bench-one": (1, 1), "bench-each": (5, 6)}


def test_what_is_not_refused_is_counted_and_shown(monkeypatch, capsys):
    said = {"no such node": "'nobody' names 0 nodes of the Swarm", "not on a manager": "this Engine is no manager"}
    monkeypatch.setattr(drain, "tasks", lambda _name: ["n1"])
    monkeypatch.setattr(drain, "others", lambda _node: [])
    answers = iter([*said.values(), ""])
    monkeypatch.setattr(drain, "said_in_check_mode", lambda _options, **_more: next(answers))
    monkeypatch.setattr(
        drain, "refusal_of", lambda name, _options: next(r for r, n, _o in drain.CASES.values() if n == name)
    )
    assert drain.refusals() == 1
    shown = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in shown if line.endswith("NOT REFUSED")] == ["a single task"]
    assert len(shown) == len(drain.CASES) + 3
