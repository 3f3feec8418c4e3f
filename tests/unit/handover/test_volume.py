"""What is decided about a volume's files: the steps, what is refused, and that nobody copies beside a writer, wherever a run dies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import volume
from ansible_collections.sophia.replatform.plugins.module_utils.handover.volume import (
    Comparison,
    Folder,
    Pass,
    Record,
    Wanted,
    World,
)
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from hypothesis import given
from hypothesis import strategies as st

A, B = "/swarm", "/k3s"
WRITER = ("wiki (process 7)",)
WANTED = Wanted("wiki", "ahead", 60, "ada")
RUNS = World(Folder(A, count=3, writers=WRITER), Folder(B), Record(), now=1000.0, pending=3, need=10, free=100)
BEGUN = Record((B, A))
STOPPED = replace(RUNS, source=Folder(A, count=3), target=Folder(B, count=3), record=replace(BEGUN, opened=990.0))
EQUAL = replace(WANTED, state="equal")


def steps(world, wanted):
    taken = []
    while True:
        decision = volume.next_step(world, wanted)
        if not isinstance(decision, Step):
            return taken, decision, world
        taken.append(decision.name)
        assert len(taken) < 20, taken
        world = volume.simulate(world, decision)


def test_the_whole_way():
    taken, _end, world = steps(RUNS, WANTED)
    assert taken == ["begin", "copy", "compare"]
    taken, _end, world = steps(world, replace(WANTED, state="open"))
    assert taken == ["open_window"]
    world = replace(world, source=replace(world.source, writers=()), passes=(), compared=None, pending=1)
    taken, _end, world = steps(world, EQUAL)
    assert taken == ["copy", "compare", "prove"]
    assert world.record.proven == B
    assert steps(world, EQUAL)[0] == []
    taken, _end, world = steps(world, replace(WANTED, state="closed"))
    assert taken == ["close_window"]
    assert steps(world, replace(WANTED, state="closed"))[0] == []


@pytest.mark.parametrize(
    ("world", "wanted", "refused"),
    [
        (
            RUNS,
            replace(WANTED, window=0),
            "no window is granted: give the seconds for which it may be stopped in window",
        ),
        (RUNS, replace(WANTED, approved_by=""), "nobody has approved that it is stopped for up to 60 s"),
        (replace(RUNS, source=Folder(A, there=False)), WANTED, "/swarm is not there"),
        (replace(RUNS, target=Folder(B, there=False)), WANTED, "/k3s is not there"),
        (replace(RUNS, rsync=False), WANTED, "rsync is missing on this host"),
        (replace(RUNS, target=Folder(B, count=2)), WANTED, "holds 2 entries that were not copied from /swarm"),
        (replace(RUNS, need=101), WANTED, "has 100 bytes free and needs 101"),
        (replace(STOPPED, source=Folder(A)), EQUAL, "/swarm is empty and /k3s is not"),
    ],
)
@pytest.mark.parametrize("state", [None, "checked", "open"])
def test_what_is_refused_before_anything_is_changed(world, wanted, refused, state):
    decision = volume.next_step(world, replace(wanted, state=state) if state else wanted)
    assert isinstance(decision, Refused)
    assert refused in decision.reason


def test_what_the_target_holds_is_lost_only_when_that_was_said():
    world = replace(RUNS, target=Folder(B, count=2))
    assert steps(world, replace(WANTED, overwrite=True))[0] == ["begin", "copy", "compare"]
    assert steps(replace(world, record=BEGUN), WANTED)[0] == ["copy", "compare"]


def test_passes_go_on_while_they_get_shorter_and_until_the_rest_fits():
    world = replace(RUNS, record=BEGUN, pending=0, compare_s=10.0, passes=(Pass(200.0),))
    assert volume.next_step(world, WANTED).name == "copy"
    world = replace(world, passes=(Pass(200.0), Pass(90.0)))
    assert volume.next_step(world, WANTED).name == "copy"
    world = replace(world, passes=(*world.passes, Pass(20.0)))
    assert "take about 30.0 s of 60 s" in volume.next_step(world, WANTED).reason
    world = replace(world, passes=(Pass(200.0), Pass(90.0), Pass(80.0)))
    refused = volume.next_step(world, WANTED)
    assert isinstance(refused, Refused)
    assert "take about 90 s, more than half of the window of 60 s" in refused.reason


def test_a_comparison_alone_that_takes_too_long_is_refused():
    world = replace(RUNS, record=BEGUN, pending=0, compare_s=31.0)
    assert isinstance(volume.next_step(world, WANTED), Refused)
    assert isinstance(volume.next_step(replace(world, compare_s=30.0), WANTED), Done)


def test_a_target_in_use_is_waited_for():
    world = replace(RUNS, target=Folder(B, writers=WRITER))
    assert steps(world, WANTED)[0] == ["wait_for_writers", "begin", "copy", "compare"]
    assert steps(replace(STOPPED, target=Folder(B, writers=WRITER)), EQUAL)[0][0] == "wait_for_writers"


def test_what_rsync_trusts_wrongly_is_read_and_then_refused():
    differs = replace(STOPPED, pending=0, passes=(Pass(1.0),), compared=Comparison(1.0, ("'f': sha256",)))
    step = volume.next_step(differs, EQUAL)
    assert (step.name, step.data["checksum"]) == ("copy", True)
    refused = volume.next_step(replace(differs, passes=(Pass(1.0, checksum=True),)), EQUAL)
    assert isinstance(refused, Refused)
    assert "'f': sha256" in refused.reason


def test_the_window_is_over():
    late = replace(STOPPED, now=STOPPED.record.opened + 61)
    for state in ("open", "equal"):
        decision = volume.next_step(late, replace(WANTED, state=state))
        assert isinstance(decision, Refused)
        assert "the window of 60 s is over: start the service again where it was" in decision.reason
    in_time = replace(late, now=STOPPED.record.opened + 60)
    assert not isinstance(volume.next_step(in_time, EQUAL), Refused)


def test_a_proof_is_void_as_soon_as_anything_is_copied():
    proven = replace(STOPPED, record=replace(STOPPED.record, proven=B), pending=1)
    assert steps(proven, EQUAL)[0] == ["begin", "copy", "compare", "prove"]
    back = World(Folder(B, count=3, writers=WRITER), Folder(A, count=3), Record((B, A), proven=B), 1000.0, pending=1)
    assert steps(back, WANTED)[0] == ["begin", "copy", "compare"]


def test_a_service_that_runs_on_what_was_proven_is_left_alone():
    world = replace(STOPPED, target=Folder(B, count=3, writers=WRITER), record=replace(BEGUN, proven=B, opened=1.0))
    for state in ("ahead", "open", "equal"):
        assert isinstance(volume.next_step(world, replace(WANTED, state=state)), Done)
    beside = replace(world, record=replace(BEGUN, opened=999.0))
    assert volume.next_step(beside, EQUAL).name == "wait_for_writers"


folders = st.sampled_from([(), WRITER])
worlds = st.builds(
    World,
    st.builds(Folder, st.just(A), st.just(True), st.integers(0, 2), folders),
    st.builds(Folder, st.just(B), st.just(True), st.integers(0, 2), folders),
    st.builds(
        Record,
        st.sampled_from([(), (B, A)]),
        st.sampled_from(["", A, B]),
        st.just(""),
        st.sampled_from([0.0, 900.0, 990.0]),
    ),
    st.just(1000.0),
    st.booleans(),
    st.integers(0, 1),
    st.just(-1),
    st.just(-1),
    st.lists(st.builds(Pass, st.sampled_from([1.0, 50.0]), st.booleans()), max_size=2).map(tuple),
    st.sampled_from([None, Comparison(1.0, (), "m", 3), Comparison(1.0, ("'f': size",), "m", 3)]),
    st.sampled_from([None, 1.0, 40.0]),
)
wanteds = st.builds(
    Wanted,
    st.just("wiki"),
    st.sampled_from(volume.STATES),
    st.sampled_from([0, 60]),
    st.sampled_from(["", "ada"]),
    st.booleans(),
)


@given(worlds, wanteds)
def test_of_any_world(world, wanted):
    """No world leads to a copy into a folder in use, without a record, a window or an approval; nor to a proof that was not seen."""
    decision = volume.next_step(world, wanted)
    if not isinstance(decision, Step):
        return
    name = decision.name
    if name != "close_window":
        assert wanted.window > 0 and wanted.approved_by
        assert wanted.state not in ("checked", "closed")
    if name == "copy":
        assert not world.target.writers
        assert world.record.folders == (B, A) and not world.record.proven
        assert wanted.state == "ahead" or not world.source.writers
    if name == "begin":
        assert not world.target.writers
    if name == "prove":
        assert world.compared is not None and not world.compared.differences
        assert not world.source.writers and not world.target.writers
    if wanted.state == "equal" and world.record.opened == 900.0 and name != "begin":
        assert world.record.proven == B


def test_a_service_that_runs_on_both_sides_is_not_left_alone():
    world = replace(STOPPED, source=replace(STOPPED.source, writers=WRITER))
    world = replace(world, target=Folder(B, count=3, writers=WRITER), record=replace(BEGUN, proven=B))
    assert volume.next_step(world, EQUAL).name == "wait_for_writers"


def test_nothing_is_copied_ahead_once_the_window_is_open():
    assert isinstance(volume.next_step(replace(STOPPED, pending=1), WANTED), Done)


def test_another_content_is_proven_anew():
    proven = replace(STOPPED, pending=0, record=replace(STOPPED.record, proven=B, manifest="before"))
    assert steps(replace(proven, compared=Comparison(1.0, (), "now", 3)), EQUAL)[0] == ["prove"]
    assert steps(replace(proven, compared=Comparison(1.0, (), "before", 3)), EQUAL)[0] == []
