"""No resolver is led to a side that has stopped serving: the way of a record, against resolvers that keep what they heard as long as they may."""

from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.dns import note as notes
from ansible_collections.sophia.replatform.plugins.module_utils.dns import shift
from ansible_collections.sophia.replatform.plugins.module_utils.dns.note import Note
from ansible_collections.sophia.replatform.plugins.module_utils.dns.shift import Record, RRset, Seen, Target, World
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from hypothesis import example, given
from hypothesis import strategies as st

OLD, NEW = ("192.0.2.1",), ("203.0.113.9",)
RECORD = Record("www.example.test.", "A", NEW)
LOWERED = 60


class Names:
    """A primary, a secondary that lags behind as long as it is told to, and the longest that a resolver may keep each value."""

    def __init__(self, ttl):
        self.now, self.ttl = 1_000_000, ttl
        self.primary = self.secondary = RRset(ttl, OLD)
        self.note = None
        self.known = {}
        self.ask()

    def ask(self):
        """Some resolver asks each server now."""
        for rrset in (self.primary, self.secondary):
            for value in rrset.values:
                self.known[value] = max(self.known.get(value, 0), self.now + rrset.ttl)

    def world(self):
        lagging = ("secondary",) if self.secondary != self.primary else ()
        return World(self.now, (Seen(RECORD, self.primary, self.note, lagging),))

    def pass_time(self, seconds):
        """Resolvers ask until the very end of it."""
        self.now += seconds
        self.ask()

    def run(self, state, steps, follows=True):
        """At most O(steps) of a run, that is killed then; whether it has ended well."""
        target = Target(state, LOWERED)
        for _step in range(steps):
            decision = shift.next_step(target, self.world())
            if not isinstance(decision, Step):
                assert not isinstance(decision, Refused) or state == "promoted", decision
                return isinstance(decision, Done) and shift.waits(target, self.world()) == 0
            if decision.name == "await_servers":
                if not follows:
                    return False
                self.secondary = self.primary
            else:
                self.ask()
                if decision.name == "change":
                    self.judge_change()
                _seen, (self.primary, self.note) = shift.change(target, self.world(), decision)
                self.ask()
        return False

    def judge_change(self):
        """When the values change, nobody keeps the old ones longer than the lowered TTL."""
        assert self.known["192.0.2.1"] <= self.now + LOWERED


moves = st.lists(
    st.tuples(
        st.sampled_from(["lowered", "shifted", "rolled_back", "promoted"]),
        st.sampled_from([20, 20, 20, 1, 2, 3]),
        st.sampled_from([True, True, True, False]),
        st.sampled_from([0, 1, 59, 60, 300, 3599, 3600, 5000]),
    ),
    max_size=15,
)


@given(moves, st.sampled_from([1, 60, 300, 3600]))
@example([("shifted", 20, True, 3600), ("shifted", 20, True, 60), ("rolled_back", 20, True, 0)], 3600)
def test_whatever_is_run_killed_and_waited_in_between_the_old_side_is_forgotten_before_it_may_stop(way, ttl):
    names = Names(ttl)
    for state, steps, follows, seconds in way:
        if names.run(state, steps, follows):
            if state in ("shifted", "promoted") and names.primary.values == NEW:
                assert names.known["192.0.2.1"] <= names.now, "a resolver may still lead to the old side"
            if state == "rolled_back" and names.primary.values == OLD:
                assert names.known.get("203.0.113.9", 0) <= names.now, "a resolver may still lead to the new side"
        names.pass_time(seconds)
    for end, wanted in (("rolled_back", OLD), ("shifted", NEW)):
        for _round in range(4):
            if names.run(end, 20):
                break
            names.pass_time(5000)
        if end == "shifted" or names.note or names.primary.values == OLD:
            assert names.primary.values == wanted
    assert names.run("promoted", 20)
    assert (names.primary, names.note) == (RRset(ttl, NEW), None) or names.primary.values == NEW


@given(
    st.builds(
        Note,
        st.text(),
        st.sampled_from(notes.STAGES),
        st.integers(0),
        st.just(OLD),
        st.just(NEW),
        st.none() | st.integers(0),
    )
)
def test_a_note_is_read_as_it_was_written(note):
    assert notes.read(notes.written(note)) == note


@pytest.mark.parametrize("text", ["", "v=spf1 -all", "[]", "{}", '{"stage": "lowered"}', '"text"', "7"])
def test_other_texts_are_no_notes(text):
    assert notes.read(text) is None


def test_records_go_their_ways_by_themselves_and_one_that_lags_holds_up_none():
    other = dataclasses.replace(RECORD, name="api.example.test.")
    world = World(
        0, (Seen(RECORD, RRset(60, OLD), Note("A", "lowered", 3600, OLD, NEW), ("ns2",)), Seen(other, RRset(300, OLD)))
    )
    step = shift.next_step(Target("shifted", LOWERED), world)
    assert (step.name, step.data["record"]) == ("lower_ttl", "api.example.test.")
    world = shift.simulate(Target("shifted", LOWERED), world, step)
    names = []
    while isinstance(step := shift.next_step(Target("shifted", LOWERED), world), Step):
        names.append((step.name, step.data["record"]))
        world = shift.simulate(Target("shifted", LOWERED), world, step)
    assert names == [
        ("note_deadline", "api.example.test."),
        ("await_servers", "www.example.test."),
        ("note_deadline", "www.example.test."),
    ]
    assert shift.waits(Target("shifted", LOWERED), dataclasses.replace(world, now=0.5)) == 3600, "they change together"


def test_a_record_that_is_refused_keeps_no_other_from_going_back():
    other = dataclasses.replace(RECORD, name="api.example.test.")
    away = Note("A", "shifted", 3600, OLD, NEW, 1000)
    world = World(
        2000, (Seen(RECORD, RRset(60, ("198.51.100.1",)), away), Seen(other, RRset(60, NEW), away, lagging=("ns2",)))
    )
    back, forth = Target("rolled_back", LOWERED), Target("shifted", LOWERED)
    assert isinstance(shift.next_step(forth, world), Refused)
    step = shift.next_step(back, world)
    assert (step.name, step.data["record"]) == ("change_back", "api.example.test.")
    world = shift.simulate(back, world, step)
    step = shift.next_step(back, world)
    assert (step.name, step.data["record"]) == ("note_deadline", "api.example.test.")
    refused = shift.next_step(back, shift.simulate(back, world, step))
    assert isinstance(refused, Refused) and "www.example.test. A is 198.51.100.1 where" in refused.reason


@pytest.mark.parametrize(
    "target, records, said",
    [
        (Target("shifted", 0), (RECORD,), "lowered_ttl: 0 is no TTL"),
        (Target("shifted", 60), (dataclasses.replace(RECORD, ttl=2**31),), "records: ttl: 2147483648 is no TTL"),
        (Target("shifted", 60), (RECORD, RECORD), "records: www.example.test. A is there twice"),
    ],
)
def test_what_can_not_be_meant_is_refused_by_its_option(target, records, said):
    with pytest.raises(RefusedError, match=said):
        shift.check(target, records)
