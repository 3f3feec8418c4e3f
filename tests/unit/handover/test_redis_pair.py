"""What is decided for two Redis instances: the steps, what is refused, and never two masters of one origin."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import redis_pair
from ansible_collections.sophia.replatform.plugins.module_utils.handover.redis_pair import Instance, Wanted, World
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from hypothesis import given, settings
from hypothesis import strategies as st

A, B = "a:6379", "b:6379"
TO_B = Wanted("primary", B, A)
SET = dict.fromkeys(redis_pair.CARRIED, "1")
MASTER = Instance(A, keys=5, offset=100, replid="1", replid2="0", settings=SET)
FRESH = Instance(B, replid="2", replid2="0", settings=dict.fromkeys(redis_pair.CARRIED, "0"))
REPLICA = Instance(B, master=False, keys=5, offset=100, replid="1", source=A, linked=True, settings=SET)


def steps(world, wanted):
    taken = []
    while True:
        decision = redis_pair.next_step(world, wanted)
        if not isinstance(decision, Step):
            return taken, decision
        taken.append(decision.name)
        assert len(taken) < 20, taken
        world = redis_pair.simulate(world, decision, wanted)


def test_the_whole_way_and_half_of_it():
    taken, end = steps(World(FRESH, MASTER), TO_B)
    assert taken == ["replicate", "wait_for_sync", "carry_settings", "demote", "promote"]
    assert isinstance(end, Done)
    assert steps(World(FRESH, MASTER), replace(TO_B, state="replica"))[0] == taken[:3]


def test_only_what_differs_is_set():
    other = replace(REPLICA, settings={**SET, "maxmemory": "0"})
    assert redis_pair.next_step(World(other, MASTER), TO_B).data["settings"] == {"maxmemory": "1"}


@pytest.mark.parametrize(
    ("target", "other", "refused"),
    [
        (None, MASTER, "b:6379 does not answer"),
        (REPLICA, None, "nobody knows whether it takes writes"),
        (replace(FRESH, keys=2), MASTER, "holds 2 keys of its own"),
        (replace(FRESH, version=(6, 2)), MASTER, "older than a:6379"),
        (replace(FRESH, version=(6, 0)), MASTER, "upgrade it to 6.2"),
        (FRESH, replace(MASTER, has_file=False), "without a configuration file"),
        (replace(FRESH, replid2="1"), MASTER, "both masters of one origin"),
        (replace(REPLICA, read_only=False), MASTER, "b:6379 takes writes when it follows, too"),
        (FRESH, replace(MASTER, read_only=False), "a:6379 takes writes when it follows, too"),
    ],
)
def test_what_is_refused(target, other, refused):
    decision = redis_pair.next_step(World(target, other), TO_B)
    assert isinstance(decision, Refused)
    assert refused in decision.reason


def test_where_neither_is_a_master_one_is_promoted_whatever_somebody_has_set_since():
    demoted = replace(MASTER, master=False, source=B, read_only=False)
    assert redis_pair.next_step(World(REPLICA, demoted), TO_B).name == "promote"


@pytest.mark.parametrize(
    ("target", "other", "at"),
    [
        (replace(FRESH, loading=True), MASTER, B),
        (FRESH, replace(MASTER, keys=0, loading=True), A),
        # It is not known yet whether that one is behind.
        (REPLICA, replace(MASTER, master=False, source=B, offset=0, loading=True), A),
    ],
)
def test_what_is_being_loaded_is_waited_for(target, other, at):
    step = redis_pair.next_step(World(target, other), TO_B)
    assert (step.name, step.data) == ("wait_for_data", {"at": at})
    assert steps(World(target, other), TO_B)[0][0] == "wait_for_data"


@pytest.mark.parametrize("state", ["replica", "primary"])
@pytest.mark.parametrize("turned", [False, True])
def test_one_that_came_back_without_a_key_is_refused(state, turned):
    world, wanted = (
        World(replace(REPLICA, linked=False), replace(MASTER, keys=0, replid="3")),
        replace(TO_B, state=state),
    )
    if turned:
        world, wanted = World(world.other, world.target), replace(wanted, target=A, other=B)
    decision = redis_pair.next_step(world, wanted)
    assert isinstance(decision, Refused) and "a:6379 came back without a key" in decision.reason


def test_one_that_was_emptied_in_order_is_not():
    emptied = World(REPLICA, replace(MASTER, keys=0))
    assert redis_pair.next_step(emptied, TO_B).name == "demote"


def test_nothing_comes_back_from_a_master_without_a_key():
    end = redis_pair.next_step(World(MASTER, FRESH), Wanted("primary", A, B))
    assert isinstance(end, Done) and "has none to hand over" in end.reason


def test_a_master_is_released_as_it_is():
    for other in (None, FRESH, REPLICA, replace(REPLICA, linked=False)):
        assert isinstance(redis_pair.next_step(World(MASTER, other), Wanted("released", A, B)), Done)


def test_clients_that_stayed_with_the_replica_are_sent_away_once_they_are_led_elsewhere():
    left, released = World(PROMOTED, replace(DEMOTED, clients=3)), Wanted("released", B, A)
    assert redis_pair.next_step(left, released).data == {"at": A, "clients": 3}
    assert steps(left, released)[0] == ["disconnect"]
    assert steps(left, TO_B)[0] == ["wait_for_sync"], "nobody has led them yet"
    for one in (FRESH, replace(DEMOTED, source="c:6379", clients=3), replace(MASTER, clients=3)):
        assert steps(World(PROMOTED, one), released)[0] == [], "it is no replica of that one"


def test_a_replica_is_not_released_beside_one_that_does_not_answer():
    assert isinstance(redis_pair.next_step(World(REPLICA, None), Wanted("released", B, A)), Refused)


def test_of_two_replicas_the_one_that_is_behind_is_not_promoted():
    demoted = replace(MASTER, master=False, source=B)
    assert redis_pair.next_step(World(REPLICA, demoted), TO_B).name == "promote"
    assert redis_pair.next_step(World(replace(REPLICA, offset=99), demoted), TO_B).name == "wait_for_offset"


DEMOTED = replace(MASTER, master=False, source=B)
PROMOTED = replace(REPLICA, master=True, source="")


@pytest.mark.parametrize(
    ("target", "other", "led", "wanted"),
    [
        (REPLICA, DEMOTED, A, ("promote", A)),
        (REPLICA, DEMOTED, B, ("promote", B)),
        (REPLICA, DEMOTED, None, ("promote", A)),
        (REPLICA, DEMOTED, "", "neither is a master"),
        (PROMOTED, DEMOTED, "", "b:6379 is the master"),
        (PROMOTED, replace(DEMOTED, linked=True), A, ("demote", B)),
        (PROMOTED, DEMOTED, A, ("wait_for_sync", A)),
        (PROMOTED, DEMOTED, B, "b:6379 takes writes"),
        (PROMOTED, DEMOTED, None, "b:6379 takes writes"),
        (REPLICA, MASTER, A, "a:6379 takes writes"),
        (PROMOTED, MASTER, A, "are both masters"),
        (PROMOTED, None, A, "a:6379 does not answer"),
    ],
)
def test_after_a_run_that_ended_anywhere_the_one_that_clients_are_led_to_is_the_only_master(target, other, led, wanted):
    decision = redis_pair.next_step(World(target, other, led), replace(TO_B, state=redis_pair.FREED))
    if isinstance(decision, Step):
        assert (decision.name, decision.data["at"]) == wanted
    else:
        assert wanted in decision.reason


@pytest.mark.parametrize(("answered", "led"), [("11", A), ("2", B), ("12", ""), ("3", ""), ("", "")])
def test_clients_are_led_to_one_where_it_answers_each_time(answered, led):
    world = World(replace(REPLICA, run_id="2"), replace(MASTER, run_id="1"))
    assert redis_pair.led_to(world, answered) == led


class Pair:
    """Two servers that keep whom they follow in their files, and a list of rows as the data; a position is its length. While one loads
    it after a start, it says that it has none and does nothing."""

    def __init__(self):
        self.rows = {A: [], B: []}
        self.source = {A: "", B: ""}
        self.up = {A: True, B: True}
        self.loading = {A: False, B: False}
        self.joined = self.acknowledged = 0

    def seen(self, at):
        if not self.up[at]:
            return None
        replica = bool(self.source[at])
        replids = {"replid": "1" if self.joined or at == A else "2"}
        linked = (
            replica and self.serves(at) and self.serves(self.source[at]) and self.rows[at] == self.rows[self.source[at]]
        )
        rows = 0 if self.loading[at] else len(self.rows[at])
        seen = {"offset": rows, "keys": rows, "loading": self.loading[at], "linked": linked}
        return Instance(at, master=not replica, source=self.source[at], settings=SET, **seen, **replids)

    def start(self, at):
        self.loading[at] = self.loading[at] or not self.up[at]
        self.up[at] = True

    def serves(self, at):
        return self.up[at] and not self.loading[at]

    def stream(self):
        for at, source in self.source.items():
            if source and self.serves(at) and self.serves(source) and len(self.rows[source]) >= len(self.rows[at]):
                self.rows[at] = list(self.rows[source])

    def write(self, at):
        if self.serves(at) and not self.source[at] and (self.joined or at == A):
            self.rows[at].append(self.acknowledged)
            self.acknowledged += 1

    def act(self, step):
        at = step.data["at"]
        beside = B if at == A else A
        if step.name == "wait_for_data":
            self.loading[at] = False
        # Whom it follows is written by one that loads, too.
        if not (self.serves(at) and self.up[beside] and (step.name == "promote" or self.serves(beside))):
            return
        if step.name == "replicate":
            self.source[at], self.rows[at], self.joined = beside, list(self.rows[beside]), True
        elif step.name == "demote":
            self.stream()
            self.source[at] = beside
        elif step.name == "promote":
            self.source[at] = ""
        else:
            self.stream()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["step", "step", "stale", "write", "stop", "start", "turn", "stream"]), st.sampled_from([A, B])
    ),
    max_size=60,
)


@settings(max_examples=400)
@given(EVENTS)
def test_never_two_masters_and_no_row_lost(script):
    pair, wanted = Pair(), TO_B
    for what, at in script:
        if what in ("step", "stale"):
            decision = redis_pair.next_step(World(pair.seen(wanted.target), pair.seen(wanted.other)), wanted)
            if what == "stale" and pair.up[at]:
                pair.up[at] = False
            elif what == "stale":
                pair.start(at)
            if isinstance(decision, Step) and decision.name != "wait_for_instance":
                pair.act(decision)
        elif what == "write":
            pair.write(at)
        elif what == "turn" and pair.joined:
            wanted = replace(wanted, target=wanted.other, other=wanted.target)
        elif what == "stop":
            pair.up[at] = False
        elif what == "start":
            pair.start(at)
        else:
            pair.stream()
        masters = [at for at in (A, B) if not pair.source[at]]
        assert not pair.joined or len(masters) <= 1
        for master in masters if pair.joined else [A]:
            assert pair.rows[master] == list(range(pair.acknowledged))
