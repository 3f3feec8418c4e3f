# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is decided for a handover by logical replication: the steps there and back, what is refused, and never two writers, whatever is
killed."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import logical
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical import Instance, Wanted, World
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_checks import Facts
from ansible_collections.sophia.replatform.plugins.module_utils.handover.pooler_file import PoolerFile
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_world import Beside, Pooler
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from hypothesis import event, given, settings
from hypothesis import strategies as st

from .logical_simulated import A, B, DownError, Fleet

TO_B = Wanted("primary", B, A)
PUBLISHED = {"freeze": "f", "recorded": "h", "credentials": True}
PRIMARY = Instance(A, "1", lsn=100, slot=True, confirmed=100, **PUBLISHED)
SUBSCRIBER = Instance(B, "2", follows=A, running=True, read_only=True, fenced=True, **PUBLISHED)
FRESH, OLD = Instance(B, "2"), Instance(A, "1", lsn=100)
AT_A, HELD = Pooler(A), Pooler(A, paused=True)
CLOSED = {"read_only": True, "fenced": True}
OPENED = dict.fromkeys(CLOSED, False)
# After the turn, before either was opened; and after the new one was.
CROSSED = (replace(SUBSCRIBER, slot=True), replace(PRIMARY, follows=B, running=True, **CLOSED))
TURNED = (replace(CROSSED[0], follows="", running=False), CROSSED[1])


def steps(world, wanted, decided=logical.next_step):
    """The names of the steps by simulation, and the decision at the end."""
    taken = []
    while True:
        decision = decided(world, wanted)
        if not isinstance(decision, Step):
            return taken, decision
        taken.append(decision.name)
        assert len(taken) < 50, taken
        world = logical.simulate(world, decision, wanted)


def decide(world, wanted=TO_B):
    return logical.next_step(world, wanted)


SETUP = ["give_credentials", "give_credentials", "fence", "freeze", "publish", "copy_schema", "publish", "subscribe"]
SWITCH = ["try_repoint", "pause", "fence", "turn", "open", "repoint", "resume", "drop_slot"]


def test_the_whole_way():
    taken, end = steps(World(AT_A, FRESH, OLD), TO_B)
    assert taken == [*SETUP, *SWITCH] and isinstance(end, Done)


def test_a_subscriber_is_all_that_is_made_when_no_more_is_wanted():
    taken, end = steps(World(AT_A, FRESH, OLD), replace(TO_B, state="standby"))
    assert taken == SETUP and "follows a:5432" in end.reason


def test_what_the_target_has_is_lost_only_when_that_was_said():
    full = replace(FRESH, facts=Facts(tables=3))
    assert "holds 3 tables of its own" in decide(World(AT_A, full, OLD)).reason
    taken, _end = steps(World(AT_A, full, OLD), replace(TO_B, overwrite=True))
    assert taken[2:4] == ["fence", "empty"]
    # A copy whose subscription was dropped: rows would be copied onto rows.
    copied = replace(SUBSCRIBER, follows="", running=False, facts=Facts(tables=3, filled=("public.rows",)))
    assert "holds 1 tables of its own" in decide(World(AT_A, copied, PRIMARY)).reason
    assert decide(World(AT_A, replace(copied, facts=Facts(tables=3)), replace(PRIMARY, slot=False))).name == "subscribe"


@pytest.mark.parametrize(
    ("target", "other", "refused"),
    [
        (None, None, "neither b:5432 nor a:5432 answers"),
        (replace(FRESH, system="1"), OLD, "are the same instance"),
        (replace(SUBSCRIBER, follows="c:1"), PRIMARY, "follows c:1: drop that subscription"),
        (FRESH, replace(OLD, facts=Facts(wal_level="replica")), "a:5432 has wal_level replica"),
        (SUBSCRIBER, replace(PRIMARY, slot=False), "has lost the slot for b:5432"),
        (SUBSCRIBER, replace(PRIMARY, schema="other"), "the schema of a:5432 has changed since"),
        (replace(SUBSCRIBER, schema="other"), PRIMARY, "the schema of b:5432 has changed since"),
        (SUBSCRIBER, replace(PRIMARY, facts=Facts(prepared=1)), "1 prepared transactions"),
        (SUBSCRIBER, replace(PRIMARY, facts=Facts(logical_slots=["cdc"])), "drop cdc first"),
        (replace(CROSSED[0], **OPENED), replace(CROSSED[1], fenced=False), "both take writes"),
        (TURNED[0], replace(TURNED[1], fenced=False), "takes writes though it follows"),
    ],
)
def test_what_is_refused(target, other, refused):
    decision = decide(World(AT_A, target, other))
    assert isinstance(decision, Refused)
    assert refused in decision.reason


def test_a_pooler_that_leads_elsewhere_or_keeps_connections_is_refused():
    assert "leads to c:1" in decide(World(Pooler("c:1"), SUBSCRIBER, PRIMARY)).reason
    assert (
        "set pool_mode to transaction" in decide(World(replace(AT_A, pool_mode="session"), SUBSCRIBER, PRIMARY)).reason
    )


@pytest.mark.parametrize(("target", "other"), [(FRESH, OLD), (SUBSCRIBER, PRIMARY)])
def test_a_pooler_whose_clients_could_not_all_be_led_on_is_refused(target, other):
    lineless = replace(AT_A, file=PoolerFile("f", "shop"))
    assert "pooler_file f has no line" in decide(World(lineless, target, other)).reason
    alias = replace(AT_A, beside=[Beside("alias", A, "shop")])
    assert "take alias out of its configuration" in decide(World(alias, target, other)).reason


def test_that_clients_could_be_led_on_is_tried_just_before_they_are_held():
    step = decide(World(AT_A, SUBSCRIBER, PRIMARY))
    assert (step.name, step.data, step.changes) == ("try_repoint", {"to": A}, False)
    assert decide(World(replace(AT_A, tried=True), SUBSCRIBER, PRIMARY)).name == "pause"


def test_clients_are_not_held_for_a_subscriber_that_is_not_ready():
    for waits, changes in (
        ("wait_for_copy", {"pending": 1}),
        ("wait_for_stream", {"running": False}),
        ("analyze", {"facts": Facts(stale_views=("v",))}),
        ("analyze", {"facts": Facts(unanalyzed=1)}),
        ("wait_for_script", {"busy": True}),
    ):
        assert decide(World(AT_A, replace(SUBSCRIBER, **changes), PRIMARY)).name == waits
    step = decide(World(AT_A, SUBSCRIBER, replace(PRIMARY, lsn=(2 << 20) + PRIMARY.confirmed)))
    assert (step.name, step.data) == ("wait_for_lag", {"at": B, "behind_bytes": 2 << 20})
    assert decide(World(HELD, replace(SUBSCRIBER, running=False), PRIMARY)).name == "resume"


def test_while_clients_are_held():
    fenced = replace(PRIMARY, **CLOSED)
    assert decide(World(replace(HELD, servers=1), SUBSCRIBER, PRIMARY)).name == "wait_for_transactions"
    assert decide(World(HELD, SUBSCRIBER, PRIMARY)).name == "fence"
    # Read-only by default, and sessions that were there before have not been ended.
    assert decide(World(HELD, SUBSCRIBER, replace(fenced, fenced=False))).name == "fence"
    assert decide(World(HELD, SUBSCRIBER, replace(fenced, confirmed=99))).name == "wait_for_replay"
    assert decide(World(HELD, replace(SUBSCRIBER, slot=True), fenced)).name == "drop_slot"
    assert decide(World(HELD, SUBSCRIBER, fenced)).name == "turn"


def test_a_handover_that_was_cut_off_can_go_either_way():
    for wanted, first in ((TO_B, B), (Wanted("primary", A, B), A)):
        world = World(HELD, *(CROSSED if first == B else CROSSED[::-1]))
        decision = decide(world, wanted)
        assert (decision.name, decision.data["at"]) == ("open", first)
        assert isinstance(steps(world, wanted)[1], Done)
    assert "was cut off" in decide(World(HELD, *CROSSED), replace(TO_B, state="standby")).reason


def test_a_statement_that_took_effect_after_its_run_was_killed():
    """The old primary is open, so it is the primary."""
    late = (CROSSED[0], replace(CROSSED[1], **OPENED))
    assert decide(World(AT_A, *late)).data["at"] == A
    for pooler in (AT_A, Pooler(B)):
        assert decide(World(pooler, *late), replace(TO_B, state="released")).data["at"] == A


def test_clients_are_led_to_whoever_is_the_primary():
    released = replace(TO_B, state="released")
    fenced = replace(PRIMARY, **CLOSED)
    assert steps(World(HELD, SUBSCRIBER, fenced), released)[0] == ["open", "resume"]
    assert steps(World(HELD, None, fenced), released)[0] == ["open", "resume"]
    # Either may take writes by now, so the handover comes to its end.
    assert steps(World(HELD, *CROSSED), released)[0] == ["open", "repoint", "resume"]
    for old in (TURNED[1], None):
        assert steps(World(HELD, TURNED[0], old), released)[0] == ["open", "repoint", "resume"]
    assert steps(World(HELD, FRESH, OLD), released)[0] == ["resume"]
    # Followed by nobody, it may be a subscriber that was given up.
    lost = World(HELD, None, replace(fenced, slot=False))
    for alone in (World(HELD, CROSSED[0], None), World(HELD, None, CROSSED[1]), World(HELD, SUBSCRIBER, None), lost):
        assert isinstance(decide(alone, released), Refused)


@pytest.mark.parametrize(
    ("target", "other", "taken"),
    [
        (SUBSCRIBER, PRIMARY, ["resume"]),
        (SUBSCRIBER, replace(PRIMARY, read_only=True), ["open", "resume"]),
        (SUBSCRIBER, replace(PRIMARY, **CLOSED), ["open", "resume"]),
        (None, replace(PRIMARY, **CLOSED), ["open", "resume"]),
        (*CROSSED, ["open", "resume"]),
        (TURNED[0], TURNED[1], ["open", "repoint", "resume"]),
        (replace(TURNED[0], **OPENED), TURNED[1], ["repoint", "resume"]),
        (replace(TURNED[0], **OPENED), None, ["repoint", "resume"]),
    ],
)
@pytest.mark.parametrize("state", ["primary", "standby", "alone"])
def test_what_a_run_that_fails_does_for_clients_that_it_holds(target, other, taken, state):
    """They go on with the one that they had, however far the handover got, unless the new one may have been opened."""
    names, end = steps(World(HELD, target, other), replace(TO_B, state=state), logical.given_up)
    assert names == taken
    assert end.reason == f"clients are led to {B if 'repoint' in taken else A}"


@pytest.mark.parametrize("decided", [logical.given_up, logical.next_step])
def test_clients_stay_held_where_nobody_is_provably_the_only_primary(decided):
    opened = [replace(one, **OPENED) for one in CROSSED]
    released = replace(TO_B, state="released")
    for pair, why in (
        ((None, CROSSED[1]), "no primary is seen"),
        ((SUBSCRIBER, None), "no primary is seen"),
        ((None, None), "no primary is seen"),
        (opened, "both take writes"),
        ((SUBSCRIBER, replace(OLD, system="3")), "a:5432 came back with other data"),
        ((None, replace(OLD, system="3")), "a:5432 came back with other data"),
    ):
        decision = decided(World(HELD, *pair), released)
        assert isinstance(decision, Refused) and why in decision.reason
    assert "came back with other data" in decide(World(HELD, SUBSCRIBER, replace(OLD, system="3"))).reason


def test_what_a_run_has_begun_is_waited_for_before_anybody_is_let_go():
    busy = World(HELD, replace(CROSSED[0], busy=True), CROSSED[1])
    assert logical.given_up(busy, TO_B).name == "wait_for_script"
    assert decide(busy, replace(TO_B, state="released")).name == "wait_for_script"


def test_given_up_before_the_handover_or_after_it():
    # The other must never look like a primary, followed and following nobody.
    taken, _end = steps(World(AT_A, PRIMARY, replace(SUBSCRIBER, slot=True)), Wanted("alone", A, B))
    assert taken == ["unfreeze", "drop_slot", "unsubscribe", "drop_slot", *["remove_credentials"] * 2]
    assert (
        "follows a:5432: make it the primary first"
        in decide(World(AT_A, SUBSCRIBER, PRIMARY), replace(TO_B, state="alone")).reason
    )
    taken, end = steps(World(AT_A, PRIMARY, SUBSCRIBER), Wanted("alone", A, B))
    assert taken == ["unfreeze", "unsubscribe", "drop_slot", *["remove_credentials"] * 2] and isinstance(end, Done)
    gone = World(Pooler(B), replace(TURNED[0], **OPENED), None)
    taken, end = steps(gone, Wanted("alone", B, ""))
    assert taken == ["unfreeze", "drop_slot", "remove_credentials"] and isinstance(end, Done)
    assert "make b:5432 the primary first" in decide(World(AT_A, FRESH, OLD), replace(TO_B, state="alone")).reason


def test_what_was_never_handed_over_need_not_come_back():
    back = Wanted("primary", A, B)
    assert isinstance(decide(World(AT_A, OLD, FRESH), back), Done)
    assert decide(World(HELD, PRIMARY, SUBSCRIBER), back).name == "resume"
    assert decide(World(HELD, replace(PRIMARY, **CLOSED), SUBSCRIBER), back).name == "open"


DISTURBANCES = ["give_up", "late", "write", "pooled", "crash", "cut", "hide", "turn", "state", "stream"]
EVENTS = ["step"] * 8 + ["kill"] * 3 + ["mend"] * 3 + DISTURBANCES
SCRIPT = st.lists(st.tuples(st.sampled_from(EVENTS), st.sampled_from([A, B]), st.integers(0, 4)), max_size=80)


def take(fleet, step, wanted, parts=99, late=False):
    """O(late): the statement that was at work when the run was killed is still to take effect."""
    todo = fleet.parts(step, wanted)
    try:
        for part in todo[:parts]:
            part()
    except DownError:
        return
    server = fleet.servers.get(step.data.get("at", ""))
    if late and todo[parts:] and server and server.up:
        server.late.append(todo[parts])


def run_late(fleet, address):
    server = fleet.servers[address]
    for part in server.late:
        with contextlib.suppress(DownError):
            part()
    server.late = []


def safe(fleet):
    one, two = fleet.servers.values()
    kin = one.freeze == two.freeze or one.follows or two.follows
    writers = [server for server in (one, two) if server.may_write and server.data]
    assert len(writers) < 2 or not kin, "two may write"
    primary = fleet.servers[fleet.leads_to]
    assert any(fleet.acknowledged <= server.rows for server in (one, two)), "a row is lost"
    if primary.may_write:
        assert fleet.acknowledged <= primary.rows, "clients are led to one that lacks rows"
    assert len(fleet.drawn) == len(set(fleet.drawn)), "a sequence gave a number twice"


@settings(max_examples=400)
@given(st.integers(0, 18), SCRIPT)
def test_never_two_writers_and_no_row_lost_in_any_order_of_kills(calm, script):
    """The first O(calm) steps are taken. Then runs are killed within a step, and what they had begun takes effect later or not at
    all; servers crash, and are cut off from each other or from the controller; what is wanted changes; and somebody writes past the
    pooler all the while."""
    fleet, wanted = Fleet(), replace(TO_B, overwrite=True)
    script = [("step", A, 4), ("stream", A, 0), ("pooled", A, 0)] * calm + script
    for what, address, number in script:
        server = fleet.servers[address]
        if what in ("step", "kill"):
            decision = decide(fleet.observe(wanted), wanted)
            if isinstance(decision, Step):
                event(decision.name)
                take(fleet, decision, wanted, number if what == "kill" else 99, late=number % 2 == 1)
            # The next run tries anew.
            fleet.tried = fleet.tried and what == "step"
        elif what == "give_up":
            give_up(fleet, wanted)
        elif what == "late":
            run_late(fleet, address)
        elif what == "mend":
            fleet.connected = True
            for one in fleet.servers.values():
                one.up = one.reachable = True
            fleet.stream()
        elif what == "write":
            if address == fleet.leads_to or fleet.servers[address].follows:
                fleet.write(address)
        elif what == "pooled":
            leads = fleet.servers[fleet.leads_to]
            assert fleet.paused or not leads.up or fleet.write(fleet.leads_to), "a transaction failed"
        elif what == "crash":
            fleet.crash(address)
        elif what == "cut":
            fleet.connected = not fleet.connected
        elif what == "hide":
            server.reachable = not server.reachable
        elif what == "stream":
            fleet.stream()
        elif what == "state":
            wanted = replace(wanted, state=("primary", "released", "alone", "standby", "primary")[number])
        else:
            wanted = replace(wanted, target=wanted.other, other=wanted.target)
        safe(fleet)
    settle(fleet, wanted)


def give_up(fleet, wanted):
    """What a run does that fails with clients held: they go on with one that serves, or no primary is there for certain."""
    for _step in range(9):
        decision = logical.given_up(fleet.observe(wanted), wanted)
        if not fleet.paused or not isinstance(decision, Step) or decision.name == "wait_for_script":
            break
        take(fleet, decision, wanted)
        safe(fleet)
    if isinstance(decision, Refused):
        seen = [one for one in fleet.servers.values() if one.up and one.reachable]
        assert not fleet.paused or not [
            one for one in seen if one.slot is not None and not one.follows and one.may_write
        ]
    elif not fleet.paused:
        assert not fleet.servers[fleet.leads_to].up or fleet.servers[fleet.leads_to].may_write


def settle(fleet, wanted):
    """Left alone, it comes to its end, whatever happened before; where a slot was given up, with what the refusal asks for."""
    fleet.connected = True
    decision = come_to_the_end(fleet, replace(wanted, state="primary"))
    if isinstance(decision, Refused) and "has lost the slot" in decision.reason:
        primary = decision.reason.split()[0]
        alone = Wanted("alone", primary, B if primary == A else A)
        assert isinstance(come_to_the_end(fleet, alone), Done)
        decision = come_to_the_end(fleet, replace(wanted, state="primary"))
    assert isinstance(decision, Done), decision
    assert fleet.leads_to == wanted.target and not fleet.paused
    assert fleet.acknowledged <= fleet.servers[wanted.target].rows


def come_to_the_end(fleet, wanted):
    for _step in range(80):
        for address, server in fleet.servers.items():
            server.reachable = server.up = True
            run_late(fleet, address)
        if not fleet.paused:
            assert fleet.write(fleet.leads_to), "a transaction failed"
        decision = decide(fleet.observe(wanted), wanted)
        if not isinstance(decision, Step):
            break
        take(fleet, decision, wanted)
        fleet.stream()
        safe(fleet)
    return decision
