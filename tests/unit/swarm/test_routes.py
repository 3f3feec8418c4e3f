"""What a drain means for the routes, from what the module swarm_stack_info says."""

from __future__ import annotations

import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import state
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.routes import drain_plan
from hypothesis import given
from hypothesis import strategies as st

NODES = [raw.node("n1", "manager", leader=True), raw.node("n2"), raw.node("n3")]
PORT = 8001


def seen(**services):
    """Services by name, each with the nodes of its running tasks; one whose name begins with C(all_) is global."""
    made = [
        raw.service(name, replicas=None if name.startswith("all_") else len(nodes)) for name, nodes in services.items()
    ]
    tasks = [raw.task(name, node, slot=i) for name, nodes in services.items() for i, node in enumerate(nodes)]
    return state.stack_info({"info": raw.info(), "nodes": NODES, "services": made, "tasks": tasks}, "shop")


def test_routes_lead_to_the_others():
    plan = drain_plan(seen(web=["n1", "n2"], api=["n1", "n3"], db=["n2"]), "host-n2", routed=["web", "api"])
    assert plan == {
        "fault": "",
        "spares": [],
        "away": {"web": ["192.0.2.1:8001"]},
        "now": {"web": ["192.0.2.1:8001", "192.0.2.2:8001"], "api": ["192.0.2.1:8001", "192.0.2.3:8001"]},
    }


def test_the_node_may_be_given_by_its_id():
    world = seen(web=["n1", "n2"])
    assert drain_plan(world, "n2", routed=["web"]) == drain_plan(world, "host-n2", routed=["web"])


def test_a_node_that_is_not_there_is_named_with_those_that_are():
    assert (
        drain_plan(seen(), "host-9")["fault"]
        == "'host-9' is no node of the Swarm; its nodes are host-n1, host-n2, host-n3"
    )
    assert drain_plan(seen(), "host-9", "active")["fault"]


def test_a_single_task_needs_leave_to_run_twice_and_gets_one_more_with_it():
    world = seen(web=["n2"], api=["n2"], other=["n1"])
    plan = drain_plan(world, "host-n2", routed=["web", "api", "other"], may_move=["shop_api"])
    assert plan["fault"].startswith("shop_web would have no server while host-n2 is drained")
    assert "drain_may_move" in plan["fault"] and "shop_api" not in plan["fault"]
    plan = drain_plan(world, "host-n2", routed=["web", "api", "other"], may_move=["shop_api"], may_stop=["shop_web"])
    assert (plan["fault"], plan["spares"], plan["away"]) == ("", ["shop_api"], {})


def test_several_tasks_on_the_node_alone_need_no_leave():
    plan = drain_plan(seen(web=["n2", "n2"]), "host-n2", routed=["web"])
    assert (plan["fault"], plan["spares"]) == ("", ["shop_web"])


def test_what_is_global_is_left_to_the_drain():
    assert drain_plan(seen(all_web=["n2"]), "host-n2", routed=["all_web"])["spares"] == []


def test_without_a_route_nothing_is_prepared():
    plan = drain_plan(seen(web=["n2"]), "host-n2")
    assert plan == {"fault": "", "spares": [], "away": {}, "now": {}}


def test_on_the_way_back_nothing_is_prepared():
    plan = drain_plan(seen(web=["n2"]), "host-n2", "active", ["web"])
    assert (plan["fault"], plan["spares"], plan["away"]) == ("", [], {})
    assert plan["now"] == {"web": ["192.0.2.2:8001"]}


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.lists(st.sampled_from(["n1", "n2", "n3"]), max_size=4)))
def test_no_route_leads_to_the_node_and_none_leads_nowhere(services):
    plan = drain_plan(seen(**services), "host-n2", routed=services, may_move=[f"shop_{name}" for name in services])
    assert plan["fault"] == ""
    for name, nodes in services.items():
        elsewhere = sorted({f"192.0.2.{node[1:]}:{PORT}" for node in nodes if node != "n2"})
        if "n2" in nodes:
            # Either there are others already, or one more is started first.
            assert (name in plan["away"]) != (f"shop_{name}" in plan["spares"])
            assert plan["away"].get(name, []) == elsewhere
        else:
            assert name not in plan["away"] and f"shop_{name}" not in plan["spares"]
        assert set(elsewhere) <= set(plan["now"].get(name, []))
