from __future__ import annotations

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, foreseen, specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.drain import Wanted


def world(nodes=None, services=(), tasks=(), manager=True):
    nodes = nodes or [raw.node("n1", "manager", leader=True), raw.node("n2"), raw.node("n3")]
    return {"info": raw.info(manager=manager), "nodes": nodes, "services": list(services), "tasks": list(tasks)}


def managers(count, **of):
    """Nodes n1.. as managers; O(of) gives one of them other properties."""
    return [raw.node(f"n{i}", "manager", leader=i == 1, **of.get(f"n{i}", {})) for i in range(1, count + 1)]


def steps_to_the_end(start, wanted):
    """The names of the steps until Done, by simulation."""
    names = []
    while True:
        decision = drain.next_step(start, wanted)
        if isinstance(decision, Done):
            return names
        assert isinstance(decision, Step), decision
        names.append(decision.name)
        start = foreseen.world_after(start, decision, wanted.node.removeprefix("host-"))


def refusal(start, wanted):
    decision = drain.next_step(start, wanted)
    assert isinstance(decision, Refused), decision
    return decision.reason


def test_a_node_is_drained_and_its_tasks_waited_for():
    start = world(services=[raw.service("web")], tasks=[raw.task("web", "n2")])
    wanted = Wanted("host-n2", "drained", frozenset({"shop_web"}))
    assert steps_to_the_end(start, wanted) == ["drain", "wait_for_tasks"]


def test_a_task_that_is_asked_to_stop_but_has_not_is_waited_for():
    nodes = [raw.node("n1", "manager"), raw.node("n2", availability="drain")]
    start = world(nodes, [raw.service("web")], [raw.task("web", "n2", "running", "shutdown")])
    decision = drain.next_step(start, Wanted("n2", "drained"))
    assert decision == Step("wait_for_tasks", {"node": "host-n2", "tasks": 1}, changes=False)


@pytest.mark.parametrize("state", sorted(drain.TERMINAL))
def test_ended_tasks_hold_nobody_up(state):
    nodes = [raw.node("n1", "manager"), raw.node("n2", availability="drain")]
    start = world(nodes, [raw.service("web")], [raw.task("web", "n2", state, "shutdown")])
    assert isinstance(drain.next_step(start, Wanted("n2", "drained")), Done)


def test_a_service_that_would_stop_is_named():
    start = world(services=[raw.service("web"), raw.service("db")], tasks=[raw.task("web", "n2"), raw.task("db", "n2")])
    reason = refusal(start, Wanted("n2", "drained", frozenset({"shop_web"})))
    assert "shop_db is a single task" in reason
    assert "shop_web" not in reason


@pytest.mark.parametrize("state", ["down", "unknown", "disconnected"])
def test_a_node_that_is_not_ready_is_refused(state):
    assert "bring it back" in refusal(
        world([raw.node("n1", "manager"), raw.node("n2", state=state)]), Wanted("n2", "drained")
    )


def test_a_lost_manager_stops_every_drain():
    nodes = [*managers(3, n3={"reachability": "unreachable"}), raw.node("n4")]
    assert "manager host-n3 is not reachable" in refusal(world(nodes), Wanted("n4", "drained"))


def test_one_drain_at_a_time():
    nodes = [raw.node("n1", "manager"), raw.node("n2"), raw.node("n3", availability="drain")]
    start = world(nodes, [raw.service("web")], [raw.task("web", "n3", "running", "shutdown")])
    assert "drain of host-n3 is still under way" in refusal(start, Wanted("n2", "drained"))


def test_a_drained_node_beside_it_is_no_drain_under_way():
    nodes = [raw.node("n1", "manager"), raw.node("n2"), raw.node("n3", availability="drain")]
    assert steps_to_the_end(world(nodes), Wanted("n2", "drained")) == ["drain"]


@pytest.mark.parametrize("update", ["paused", "rollback_paused"])
def test_a_stuck_update_is_refused(update):
    service = dict(raw.service("web"), UpdateStatus={"State": update})
    start = world(services=[service], tasks=[raw.task("web", "n2")])
    assert f"shop_web is {update}" in refusal(start, Wanted("n2", "drained", frozenset({"shop_web"})))


@pytest.mark.parametrize("update", ["updating", "rollback_started"])
def test_an_update_in_progress_is_refused_and_once_the_drain_has_begun_waited_for(update):
    service = dict(raw.service("web"), UpdateStatus={"State": update})
    start = world(services=[service], tasks=[raw.task("web", "n2")])
    wanted = Wanted("n2", "drained", frozenset({"shop_web"}))
    assert "shop_web is in mid-update" in refusal(start, wanted)
    start["nodes"][1]["Spec"] = specs.pause(start["nodes"][1]["Spec"])
    assert steps_to_the_end(start, wanted) == ["wait_for_update", "drain", "wait_for_tasks"]


def test_an_update_of_a_service_elsewhere_is_none_of_its_business():
    service = dict(raw.service("web"), UpdateStatus={"State": "paused"})
    start = world(services=[service], tasks=[raw.task("web", "n3")])
    assert steps_to_the_end(start, Wanted("n2", "drained")) == ["drain"]


def test_active_again():
    nodes = [raw.node("n1", "manager"), raw.node("n2", availability="drain")]
    assert steps_to_the_end(world(nodes), Wanted("n2", "active")) == ["activate"]
    assert steps_to_the_end(world(), Wanted("n2", "active")) == []


def test_a_manager_is_drained_demoted_waited_for_and_removed():
    steps = steps_to_the_end(world(managers(3)), Wanted("n3", "removed"))
    assert steps == ["drain", "demote", "wait_for_demotion", "wait_for_leave", "remove"]


def test_a_node_that_left_before_the_run_was_cut_off_is_only_removed():
    nodes = [raw.node("n1", "manager"), raw.node("n2", availability="drain", state="down")]
    assert steps_to_the_end(world(nodes), Wanted("n2", "removed")) == ["remove"]
    assert steps_to_the_end(world(nodes[:1]), Wanted("n2", "removed")) == []


def test_a_node_that_is_down_and_was_never_drained_may_still_run_tasks():
    nodes = [raw.node("n1", "manager"), raw.node("n2", state="down")]
    assert "what runs on it is not known" in refusal(world(nodes), Wanted("n2", "removed"))


@pytest.mark.parametrize("state", ["demoted", "removed"])
def test_the_last_manager_is_not_demoted(state):
    nodes = [raw.node("n1", "manager", "drain"), raw.node("n2")]
    assert "last manager" in refusal(world(nodes), Wanted("n1", state))


@pytest.mark.parametrize(
    ("count", "lost", "allowed"),
    [(2, 0, True), (3, 0, True), (3, 1, False), (5, 1, True), (5, 2, False), (4, 1, True), (2, 1, False)],
)
def test_demotion_keeps_a_quorum(count, lost, allowed):
    of = {f"n{count - i}": {"reachability": "unreachable"} for i in range(lost)}
    nodes = managers(count, n1={"availability": "drain"}, **of)
    decision = drain.next_step(world(nodes), Wanted("n1", "demoted"))
    assert isinstance(decision, Step if allowed else Refused), decision


def with_a_gpu(where, availability="active"):
    """Three managers of which n1 leads, and a task with a GPU on O(where)."""
    gpus = [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 1}}]
    task = {**raw.task("rag", where), "Spec": {"Resources": {"Reservations": {"GenericResources": gpus}}}}
    nodes = managers(3, **{where: {"availability": availability}})
    return world(nodes, [raw.service("rag")], [task])


@pytest.mark.parametrize("state", ["demoted", "removed"])
@pytest.mark.parametrize("where", ["n1", "n3"])
def test_another_leader_would_end_tasks_with_gpus(state, where):
    refused = refusal(with_a_gpu(where), Wanted("n1", state, may_move=frozenset({"shop_rag"})))
    assert refused.startswith("host-n1 leads the Swarm, which ends a task of shop_rag as soon as another manager does")


@pytest.mark.parametrize(
    ("start", "wanted"),
    [
        (with_a_gpu("n3"), Wanted("n2", "demoted")),
        (with_a_gpu("n3"), Wanted("n1", "drained")),
        (with_a_gpu("n3", "pause"), Wanted("n1", "demoted")),
        (with_a_gpu("n3"), Wanted("n1", "demoted", frozenset({"shop_rag"}))),
        (with_a_gpu("n1"), Wanted("n1", "demoted", frozenset({"shop_rag"}))),
    ],
    ids=["no leader", "still leads", "on a paused node", "may stop", "may stop with the node"],
)
def test_no_task_ends_by_it(start, wanted):
    assert steps_to_the_end(start, wanted)[0] == "drain"


def test_only_a_manager_can_do_any_of_it():
    assert "no manager" in refusal(world(manager=False), Wanted("n2", "drained"))


def test_a_name_that_two_nodes_share_is_not_guessed():
    nodes = [raw.node("n1", "manager"), raw.node("n2"), raw.node("n3", state="down")]
    nodes[2]["Description"]["Hostname"] = "host-n2"
    assert "names 2 nodes" in refusal(world(nodes), Wanted("host-n2", "drained"))
    assert isinstance(drain.next_step(world(nodes), Wanted("n2", "drained")), Step)


@pytest.mark.parametrize(("managers_", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)])
def test_quorum(managers_, needed):
    assert drain.quorum(managers_) == needed
