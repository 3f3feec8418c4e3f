"""A full disk at the edge, on a real Traefik: the last good file stays whole, and the way back is there all the same."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.evidence import Evidence

from .conftest import Edge, until
from .test_breach_real import GOOD, in_background, start_module
from .test_edge_real import HOST, shift

FULL = "No space left on device"
ALWAYS_FULL = "/dev/full"


@pytest.fixture()
def small(tmp_path):
    """A disk of 256 KiB."""
    if os.geteuid():
        pytest.skip("needs root, to make a disk that is small")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture()
def edge(small):
    """An edge with all that it has on the small disk."""
    started = Edge(small)
    yield started
    started.stop()


@pytest.fixture()
def elsewhere(tmp_path):
    """Where a journal is on another disk."""
    return {"journal": str(tmp_path / "journal.jsonl")}


def fill(edge):
    """Takes all the room that there is; what it returns gives it back."""
    filler = edge.dynamic_dir.parent / "filler"
    with open(filler, "wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(bytes(1024))
    return filler.unlink


def served(edge):
    return (edge.dynamic_dir / "app.yml").read_text()


def events(path):
    with open(path, encoding="utf-8") as lines:
        return [(r["step"], r["event"], r["data"].get("weight")) for r in map(json.loads, lines)]


def test_no_step_up_and_the_last_good_file_stays_whole(edge, sides, elsewhere):
    shift(edge, sides, max_weight=50, **elsewhere)
    before, give_back = served(edge), fill(edge)
    with pytest.raises(ReplatformError) as raised:
        shift(edge, sides, **elsewhere)
    assert FULL in str(raised.value) and str(edge.dynamic_dir / "app.yml") in str(raised.value)
    assert "\n" not in str(raised.value) and served(edge) == before
    assert events(elsewhere["journal"])[-1] == ("weight", "failed", 100)
    give_back()
    assert shift(edge, sides, **elsewhere)["weight"] == 100


def test_the_way_back_by_hand_needs_no_room(edge, sides):
    shift(edge, sides)
    give_back = fill(edge)
    result = shift(edge, sides, state="rolled_back", journal=ALWAYS_FULL)
    assert result["weight"] == 0 and '"weight": 0' in served(edge)
    assert FULL in result["warnings"][0] and "not all of this shift of 'app' is recorded" in result["warnings"][0]
    give_back()
    assert shift(edge, sides)["weight"] == 100


@pytest.mark.parametrize("other_disk", [True, False], ids=["the journal is on another disk", "all is full"])
def test_a_breach_goes_back(edge, sides, traffic, elsewhere, other_disk):
    journal = elsewhere if other_disk else {}
    shift(edge, sides, state="present", **journal)
    with traffic(edge.web, HOST):
        run, raised = in_background(lambda: shift(edge, sides, interval=60, threshold=3, **journal))
        until(lambda: sides[1].served > 20)
        fill(edge)
        sides[1].fail_every = 2
        run.join()
        answered = sides[1].served
        until(lambda: sides[0].served > 3 * answered)
        assert sides[1].served == answered
    assert isinstance(raised[0], RefusedError) and "request-success-rate" in str(raised[0])
    assert '"weight": 0' in served(edge) and not (edge.state_dir / "app.last-good").exists()
    if other_disk:
        assert events(elsewhere["journal"])[-2:] == [("weight", "ok", 0), ("refuse", "refused", None)]


def test_the_dead_man_needs_no_room(edge, sides, elsewhere):
    shift(edge, sides, max_weight=50, **elsewhere)
    module = start_module(edge, sides, interval=60, dead_man_patience=5, **elsewhere)
    until(lambda: '"weight": 100' in served(edge))
    fill(edge)
    module.send_signal(signal.SIGKILL)
    module.wait()
    module.stdout.close()
    until(lambda: ("dead_man", "ok", 50) in events(elsewhere["journal"]))
    assert '"weight": 50' in served(edge)


def test_a_strangers_broken_file_is_mended_without_room(edge, sides, elsewhere):
    theirs, good = edge.dynamic_dir / "theirs.yml", GOOD + "#" * 8192
    theirs.write_text(good)
    shift(edge, sides, **elsewhere)
    theirs.write_text("http: [" + "#" * 8192)
    give_back = fill(edge)
    assert shift(edge, sides, state="rolled_back", **elsewhere)["weight"] == 0
    assert theirs.read_text() == good and theirs.with_name("theirs.yml.set-aside").exists()
    give_back()


def test_a_way_back_without_room_says_so_loudly(edge, sides, elsewhere):
    shift(edge, sides, **elsewhere)
    (edge.dynamic_dir / ".app.yml.room").unlink()
    # The note of the weight, which goes before the file is written, would leave room enough.
    (edge.state_dir / "app.json").unlink()
    before, give_back = served(edge), fill(edge)
    with pytest.raises(ReplatformError, match=f"to weight 0 is NOT DONE, the old weight stands: .*{FULL}"):
        shift(edge, sides, state="rolled_back", **elsewhere)
    assert served(edge) == before and events(elsewhere["journal"])[-1] == ("weight", "failed", 0)
    give_back()
    assert shift(edge, sides, state="rolled_back", **elsewhere)["weight"] == 0


def test_no_step_is_taken_that_can_not_be_recorded(edge, sides):
    shift(edge, sides, state="present")
    before = served(edge)
    with pytest.raises(ReplatformError, match=f"the journal {ALWAYS_FULL} cannot be written: {FULL}"):
        shift(edge, sides, journal=ALWAYS_FULL)
    assert served(edge) == before


def test_records_that_are_missing_come_before_the_next_one(tmp_path):
    path = tmp_path / "journal.jsonl"
    path.symlink_to(ALWAYS_FULL)
    evidence = Evidence(str(path), "cutover", "traffic_shift", "app")
    evidence.write("weight", "start", {"weight": 5})
    assert FULL in evidence.fault
    path.unlink()
    evidence.write("weight", "ok", {"weight": 5})
    assert evidence.fault == "" and events(path) == [("weight", "start", 5), ("weight", "ok", 5)]
