"""One task more for a while, on a model of a Swarm that looks, at every moment, whether a service has too few running tasks."""

from __future__ import annotations

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, operations, spare
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import SPARE_LABEL
from hypothesis import given
from hypothesis import strategies as st
from swarm_model import Killed, Swarm, service

PARAMS = {"journal": None, "phase": "cutover", "deadline": 60}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Time passes with each look."""

    def looks(holds, seconds, *_args):
        return {"waited_s": next((look / 2 for look in range(int(seconds * 2)) if not holds()), seconds)}

    monkeypatch.setattr(operations, "wait_while", looks)


def run(swarm, wanted, name="shop_web", check=False):
    result = operation.perform(operations.Spare(swarm, name, wanted), "swarm_scale", name, PARAMS, check)
    return [step["name"] for step in result["steps"]], result["changed"]


def test_there_and_back_and_the_spec_is_as_before():
    swarm = Swarm(3, [service("web", 1)])
    before = swarm.specs()
    assert run(swarm, True) == (["add_spare", "wait_for_tasks"], True)
    assert len(swarm.spread("id-web")) == 2
    assert run(swarm, True) == ([], False)
    assert run(swarm, False) == (["remove_spare", "wait_for_tasks"], True)
    assert swarm.specs() == before
    assert run(swarm, False) == ([], False)


def test_check_mode_tells_the_steps_and_changes_nothing():
    swarm = Swarm(3, [service("web", 1)])
    before = swarm.specs()
    assert run(swarm, True, check=True) == (["add_spare", "wait_for_tasks"], True)
    assert swarm.specs() == before


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("wanted", [True, False])
def test_cut_off_at_its_write_it_is_done_once(wanted, after):
    swarm = Swarm(3, [service("web", 2)])
    if not wanted:
        run(swarm, True)
    swarm.die_at, swarm.after = swarm.writes, after
    with pytest.raises(Killed):
        run(swarm, wanted)
    swarm.die_at = None
    run(swarm, wanted)
    assert swarm.running(swarm.services_["id-web"]) == (3 if wanted else 2)


def test_what_somebody_else_writes_meanwhile_is_kept():
    swarm = Swarm(3, [service("web", 1)])
    swarm.meddle = (0,)
    assert run(swarm, True)[0][:2] == ["add_spare", "add_spare"]
    assert swarm.services_["id-web"]["Spec"]["Labels"]["somebody"] == "else 0"


def test_a_drain_with_a_spare_task_leaves_the_services_as_they_were():
    swarm = Swarm(5, [service("api", 2), service("web", 1, port=8001)])
    (node,) = swarm.spread("id-web")
    before, _nodes = swarm.specs()
    run(swarm, True)
    wanted = drain.Wanted(node, "drained", may_move=frozenset({"shop_web"}))
    operation.perform(operations.Drain(swarm, wanted, 30), "swarm_drain", node, PARAMS, False)
    run(swarm, False)
    assert swarm.specs()[0] == before
    assert swarm.on(node) == []


def test_a_service_that_is_gone_or_global_is_refused():
    swarm = Swarm(3, [service("web", None)])
    for name, why in (("shop_db", "no service shop_db"), ("shop_web", "not replicated")):
        with pytest.raises(RefusedError, match=why):
            run(swarm, True, name)


def test_a_label_of_another_hand_is_not_guessed_at():
    spec = raw.service("web")["Spec"]
    spec["Labels"][SPARE_LABEL] = "yes"
    with pytest.raises(ReplatformError, match="label .*/spare of service shop_web can't be read"):
        spare.shall_have(spec)


@given(st.integers(0, 9), st.none() | st.integers(0, 9))
def test_back_from_any_number_and_what_others_set_stays(replicas, others):
    spec = raw.service("web", replicas=replicas)["Spec"]
    there = spare.spec_after("add_spare", spec)
    assert (there["Mode"]["Replicated"]["Replicas"], spare.shall_have(there)) == (replicas + 1, replicas)
    if others in (None, replicas + 1):
        assert spare.spec_after("remove_spare", there) == spec
    else:
        there["Mode"]["Replicated"]["Replicas"] = others
        expected = raw.service("web", replicas=others)["Spec"]
        assert spare.spec_after("remove_spare", there) == expected
