"""The pure parts on answers that a real Engine gave (20.10, three managers and two workers, a stack of thirteen services)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, foreseen, leave, specs, stack, state

FIXTURES = Path(__file__).parent / "fixtures"
SERVICES = {"sophia_frontend", "sophia_postgres", "sophia_unified-memory"}


@pytest.fixture(name="manager")
def manager_fixture():
    return json.loads((FIXTURES / "manager.json").read_text())


@pytest.fixture(name="worker")
def worker_fixture():
    return json.loads((FIXTURES / "worker.json").read_text())


def test_the_stack_as_a_manager_tells_it(manager):
    answer = state.stack_info(manager, "sophia")
    services = {service["name"]: service for service in answer["services"]}
    assert answer["is_manager"]
    assert [node["address"] for node in answer["nodes"]] == [f"172.31.77.{host}" for host in (12, 14, 15, 13, 11)]
    assert [node["hostname"] for node in answer["nodes"] if node["leader"]] == ["sophia-production-instance"]
    assert services["postgres"]["endpoints"] == ["172.31.77.14:5432"]
    assert len(services["unified-memory"]["endpoints"]) == services["unified-memory"]["running"] == 2
    assert services["frontend"]["ports"] == [{"target": 3000, "published": 3000, "protocol": "tcp", "mode": "host"}]
    assert all(task["container"] for service in services.values() for task in service["tasks"])


def test_a_worker_knows_its_id_and_no_more(worker):
    answer = state.stack_info(worker, "sophia")
    assert (answer["swarm"], answer["is_manager"], answer["services"]) == ("active", False, [])
    assert answer["node_id"] == worker["info"]["Swarm"]["NodeID"]


def walk(world, next_step, simulate):
    names = []
    while isinstance(decision := next_step(world), Step):
        names.append(decision.name)
        world = simulate(world, decision)
    return names, decision, world


def test_the_node_with_the_database_is_not_drained_unasked(manager):
    wanted = drain.Wanted("sophia-data-pipeline", "drained")
    names, end, _world = walk(manager, lambda world: drain.next_step(world, wanted), None)
    assert names == []
    assert isinstance(end, Refused)
    assert "sophia_postgres" in end.reason


def test_the_whole_retirement_in_order(manager):
    """Stack, then workers, then managers one by one; the leader is the last."""
    world = {**manager, "network": [], "secret": [], "config": []}
    names, end, world = walk(
        world, lambda w: stack.next_removal(w, "sophia", SERVICES, last=True), stack.simulate_removal
    )
    assert names == ["remove_service"] * 3 + ["wait_for_tasks"]
    assert isinstance(end, Done)
    others = [node for node in world["nodes"] if not node.get("ManagerStatus", {}).get("Leader")]
    for node in sorted(others, key=lambda node: node["Spec"]["Role"], reverse=True):
        wanted = drain.Wanted(node["ID"], "removed")
        names, end, world = walk(
            world,
            lambda w, wanted=wanted: drain.next_step(w, wanted),
            lambda w, step, node=node: foreseen.world_after(w, step, node["ID"]),
        )
        assert names[0] == "drain"
        assert names[-1] == "remove"
        assert isinstance(end, Done)
    (leader,) = world["nodes"]
    last = {"info": world["info"], "nodes": [leader], "containers": [], "services": []}
    last["info"]["Swarm"]["NodeID"] = leader["ID"]
    assert walk(last, lambda w: leave.next_step(w, True), leave.simulate)[0] == ["leave"]


def test_every_spec_is_the_same_after_a_move(manager):
    assert manager["services"]
    for service in manager["services"]:
        pinned = specs.pin(service["Spec"], "n1")
        noted = specs.noted({"Spec": pinned})
        assert pinned != service["Spec"]
        assert specs.restore(specs.revert(pinned, noted), noted) == service["Spec"]


@pytest.mark.parametrize(
    ("node", "moved"), [("sophia-development", "sophia_unified-memory"), ("sophia-ai-core", "sophia_frontend")]
)
def test_a_service_with_host_ports_goes_where_they_are_free(manager, node, moved):
    (node_id,) = [one["ID"] for one in manager["nodes"] if one["Description"]["Hostname"] == node]
    wanted = drain.Wanted(node, "drained")
    world, steps = manager, []
    while isinstance(decision := drain.next_step(world, wanted), Step):
        steps.append((decision.name, decision.data.get("service")))
        world = foreseen.world_after(world, decision, node_id)
    assert isinstance(decision, Done)
    assert steps[:3] == [("pause", None), ("pin", moved), ("wait_for_move", moved)]
    places = [task["NodeID"] for task in world["tasks"] if task["ServiceID"] == _id(world, moved)]
    assert node_id not in places
    assert len(set(places)) == len(places) == 2


def _id(world, name):
    (found,) = [service["ID"] for service in world["services"] if service["Spec"]["Name"] == name]
    return found
