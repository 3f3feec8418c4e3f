"""The watch sees two that take writes at once, and nothing else."""

from __future__ import annotations

import itertools
import types
from unittest import mock

import pytest

from . import looks, stores, watch

READ_ONLY, FOLLOWS, GONE = "f|on", "t|on", ""


class Told:
    """Says one thing after the other."""

    def __init__(self, *said):
        self.said, self.asked = iter(said), 0

    def __call__(self):
        self.asked += 1
        said = next(self.said)
        if not said:
            raise RuntimeError
        return said

    def sql(self, _statement, options):
        assert options == "", "as an application has it"
        return self()


def looked(swarm, k3s, read_s=0.1):
    """A watch that has asked both in turn, each read taking so long."""
    servers = [looks.takes(Told(*said), TAKES) for said in (swarm, k3s)]
    watching = looks.Watch(servers)
    clock = itertools.count(0, read_s / 2)
    with mock.patch.object(looks.time, "monotonic", lambda: next(clock)):
        for _each, one in zip(range(len(swarm) + len(k3s)), itertools.cycle(servers)):
            watching.look(one)
    return watching


TAKES = looks.TAKES_WRITES


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(watch, "PAUSE_S", 0.01)


@pytest.mark.parametrize(
    ("swarm", "k3s"),
    [
        ((TAKES, TAKES, TAKES), (FOLLOWS, FOLLOWS, FOLLOWS)),
        ((TAKES, READ_ONLY, GONE, FOLLOWS), (FOLLOWS, FOLLOWS, TAKES, TAKES)),
        ((TAKES, READ_ONLY, READ_ONLY), (READ_ONLY, TAKES, TAKES)),
        # It may have changed hands between two reads.
        ((TAKES, TAKES, READ_ONLY), (FOLLOWS, TAKES, TAKES)),
        # Neither follows the other yet.
        ((TAKES, TAKES, TAKES, TAKES), (TAKES, GONE, FOLLOWS, FOLLOWS)),
    ],
)
def test_a_handover(swarm, k3s):
    watching = looked(swarm, k3s)
    assert watching.conclusive and not watching.both


@pytest.mark.parametrize("read_only", [FOLLOWS, READ_ONLY])
def test_two_at_once_are_seen(read_only):
    assert looked((TAKES, TAKES, TAKES), (read_only, TAKES, TAKES)).both


def test_reads_that_took_long_prove_nothing():
    watching = looked((TAKES, TAKES, TAKES), (FOLLOWS, TAKES, TAKES), read_s=1)
    assert not watching.conclusive and not watching.both


def test_it_fails_where_two_were_seen():
    swarm, k3s = Told(*[TAKES] * 1000), Told(FOLLOWS, *[TAKES] * 1000)
    fleet = types.SimpleNamespace(swarm=swarm, k3s=k3s)
    with pytest.raises(AssertionError, match="both took writes at the same time"), watch.watched(fleet):
        stores.until(lambda: swarm.asked > 9, "both were asked again and again")


def test_it_says_so_where_the_handover_has_failed_as_well():
    swarm, k3s = Told(*[TAKES] * 1000), Told(FOLLOWS, *[TAKES] * 1000)
    fleet = types.SimpleNamespace(swarm=swarm, k3s=k3s)
    with pytest.raises(AssertionError, match="both took writes at the same time"), watch.watched(fleet):
        stores.until(lambda: swarm.asked > 9, "both were asked again and again")
        raise KeyError("steps")


def test_reads_without_an_answer_prove_nothing():
    assert not looked((TAKES, TAKES, TAKES), (FOLLOWS, GONE, GONE)).conclusive


def test_it_fails_where_it_has_seen_too_little():
    """Neither ever follows the other."""
    fleet = types.SimpleNamespace(swarm=Told(*[TAKES] * 1000), k3s=Told(*[TAKES] * 1000))
    few = mock.patch.object(stores, "PATIENCE_S", 0.5)
    with few, pytest.raises(AssertionError, match="both were read, again and again"), watch.watched(fleet):
        pass
