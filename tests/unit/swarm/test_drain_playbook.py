"""The playbook drain: in which order the node, the edges and the replicas change, what is refused, and that it can be killed anywhere."""

from __future__ import annotations

import http.server
import json
import threading

import pytest
from drain_stage import Answers, Stage

pytestmark = pytest.mark.slow

NODE = ("-e", "node=n2")
MAY_MOVE = {"drain_may_move": ["shop_web"]}
ALONE = {"web": ["n2"], "api": ["n1", "n2"], "far": ["n3"]}


@pytest.fixture(name="asked")
def asked_fixture():
    """The hosts that were asked for, and the port."""
    handler = type("Handler", (Answers,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield handler.asked, server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(name="stage")
def stage_fixture(tmp_path, asked):
    return lambda services, **more: Stage(tmp_path, services, port=asked[1], **more)


def test_in_order_and_back_and_each_again(stage, asked):
    drained = stage(ALONE, edges=2, managers=("m1", "m2"))
    before = drained.world()
    status, _changed, calls, said = drained.play(*NODE, variables=MAY_MOVE)
    assert status == 0, said
    assert calls == [
        ["scale", "shop_web", 2],
        ["task", "shop_web", "n1"],
        ["route", "e1", "api", "192.0.2.1:80"],
        ["route", "e2", "api", "192.0.2.1:80"],
        ["route", "e1", "web", "192.0.2.1:80"],
        ["route", "e2", "web", "192.0.2.1:80"],
        ["move", "web", "n3"],
        ["move", "api", "n3"],
        ["drain", "n2"],
        ["route", "e1", "api", "192.0.2.1:80", "192.0.2.3:80"],
        ["route", "e2", "api", "192.0.2.1:80", "192.0.2.3:80"],
        ["route", "e1", "web", "192.0.2.1:80", "192.0.2.3:80"],
        ["route", "e2", "web", "192.0.2.1:80", "192.0.2.3:80"],
        ["scale", "shop_web", 1],
        ["route", "e1", "web", "192.0.2.1:80"],
        ["route", "e2", "web", "192.0.2.1:80"],
    ]
    assert set(asked[0]) == {"web.test", "api.test"}
    after = drained.world()
    assert {name: one["replicas"] for name, one in after["services"].items()} == {"web": 1, "api": 2, "far": 1}
    assert all("spare" not in one for one in after["services"].values())
    assert drained.play(*NODE, variables=MAY_MOVE)[:3] == (0, 0, [])
    status, _changed, calls, said = drained.play(*NODE, "-e", "state=active")
    assert (status, calls) == (0, [["active", "n2"]]), said
    assert drained.world()["nodes"] == before["nodes"]
    assert drained.play(*NODE, "-e", "state=active")[:3] == (0, 0, [])


def test_killed_after_every_write_it_ends_as_if_it_had_not_been(stage):
    drained = stage({"web": ["n2"], "api": ["n3"]})
    for number in range(1, 20):
        drained.change(die_at=number)
        status, _changed, calls, said = drained.play(*NODE, variables=MAY_MOVE)
        if status == 0:
            break
        assert status < 0 and len(calls) == 1, said
    assert calls == []
    world = drained.world()
    assert world["services"] == {"web": {"replicas": 1, "tasks": ["n1"]}, "api": {"replicas": 1, "tasks": ["n3"]}}
    assert world["routes"]["e1"] == {"web": ["192.0.2.1:80"], "api": ["192.0.2.3:80"]}
    assert world["nodes"]["n2"] == "drain"
    assert number == 9, "each of the eight writes has been the last of a run"


def test_taken_back_after_a_kill_the_replicas_are_as_before(stage):
    drained = stage({"web": ["n2"]})
    drained.change(die_at=3)
    assert drained.play(*NODE, variables=MAY_MOVE)[0] < 0
    assert "spare" in drained.world()["services"]["web"]
    status, _changed, calls, said = drained.play(*NODE, "-e", "state=active")
    assert status == 0, said
    assert calls[0] == ["route", "e1", "web", "192.0.2.1:80", "192.0.2.2:80"]
    assert drained.world()["services"]["web"] == {"replicas": 1, "tasks": ["n2"]}
    assert drained.world()["routes"]["e1"]["web"] == ["192.0.2.2:80"]


def test_in_check_mode_it_is_said_and_nothing_changes(stage, asked):
    drained = stage(ALONE)
    before = drained.world()
    status, changed, calls, said = drained.play(*NODE, "--check", variables=MAY_MOVE)
    assert (status, calls, drained.world()) == (0, [], before), said
    assert changed == 3, said  # the task more, the route of what runs elsewhere, too, and the drain
    assert asked[0] == []


@pytest.mark.parametrize(
    ("options", "world", "message"),
    [
        ((), {}, "give -e node=NAME"),
        (("-e", "node="), {}, "give -e node=NAME"),
        ((*NODE, "-e", "state=removed"), {}, "for the way back -e state=active"),
        (("-e", "node=n9"), {}, "'n9' is no node of the Swarm; its nodes are n1, n2, n3, n4"),
        (NODE, {"swarm": "inactive"}, "no host of group swarm_manager is an active manager of a Swarm"),
        (NODE, {}, "shop_web would have no server while n2 is drained, for its only task is there"),
        (
            (*NODE, "-e", json.dumps(MAY_MOVE)),
            {"unmovable": "api", "foreseen": True},
            "n2 is not drained: shop_api can't be moved",
        ),
    ],
)
def test_what_is_refused_changes_nothing(stage, options, world, message):
    drained = stage(ALONE)
    drained.change(**world)
    before = drained.world()
    status, changed, calls, said = drained.play(*options)
    assert (status, changed, calls, drained.world()) == (2, 0, [], before), said
    assert message in said


def test_what_fails_in_the_drain_is_taken_back_and_said(stage):
    drained = stage({"web": ["n2"]})
    before = drained.world()
    drained.change(unmovable="web")
    status, _changed, calls, said = drained.play(*NODE, variables=MAY_MOVE)
    assert status == 2
    assert "n2 is not drained: n2 is not drained: shop_web can't be moved (routes and replicas are as before" in said
    assert [call[0] for call in calls] == ["scale", "task", "route", "route", "scale", "route"]
    assert drained.world() == before


def test_a_task_more_that_finds_no_room_is_taken_back(stage):
    drained = stage({"web": ["n2"]})
    before = drained.world()
    drained.change(full=True)
    status, _changed, calls, said = drained.play(*NODE, variables=MAY_MOVE)
    assert status == 2
    assert "n2 is not drained: no suitable node (routes and replicas are as before" in said
    assert ([call[0] for call in calls], drained.world()) == (["scale", "scale"], before)


def test_an_edge_that_is_down_ends_it_before_the_drain(stage):
    drained = stage({"api": ["n1", "n2"]}, edges=2)
    drained.change(down="e2")
    status, _changed, calls, said = drained.play(*NODE)
    assert status == 2
    assert "e2: the edge's API does not answer" in said
    assert calls == [["route", "e1", "api", "192.0.2.1:80"]]
    drained.change(down="")
    assert drained.play(*NODE)[0] == 0


def test_without_edges_it_is_the_drain_alone(stage):
    drained = stage({"web": ["n2"]}, edges=0)
    status, _changed, calls, said = drained.play(*NODE)
    assert (status, calls) == (0, [["move", "web", "n1"], ["drain", "n2"]]), said
