"""The whole handover of a volume in a simulated world, killed and failing anywhere, in both directions: what is decided is the real
core, and the order of the calls is that of the role's files_*.yml."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import volume
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Done, Refused, Step
from hypothesis import given, settings
from hypothesis import strategies as st

WINDOW = 60
OTHER = {"swarm": "k3s", "k3s": "swarm"}


class Killed(Exception):
    """The controller is gone."""


class Fault(Exception):
    """A task has failed."""


class World:
    """Two sides with their files, which are numbers; a service that runs adds the next one, and so do clients of the side that is led
    to: those are C(acknowledged)."""

    def __init__(self) -> None:
        self.wanted = {"swarm": 1, "k3s": 0}
        self.files: dict[str, list[int]] = {"swarm": [1, 2, 3], "k3s": []}
        self.led = "swarm"
        self.record = volume.Record()
        self.acknowledged = [1, 2, 3]
        self.now = 1000.0
        self.ends: list[tuple[int, type[Exception], float]] = []
        self.acts = 0

    def tick(self) -> None:
        """Before each thing that is done: time goes on, who runs writes, and the run may come to its end."""
        self.now += 2
        assert not (self.wanted["swarm"] and self.wanted["k3s"]), "two run"
        for side in ("swarm", "k3s"):
            if self.wanted[side]:
                number = (self.files[side] or [0])[-1] + 1
                self.files[side].append(number)
                if self.led == side:
                    self.acknowledged.append(number)
        self.acts += 1
        if self.ends and self.acts >= self.ends[0][0]:
            _at, kind, pause = self.ends.pop(0)
            self.acts = 0
            if kind is Killed:
                self.now += pause
            raise kind

    def scale(self, side: str, replicas: int) -> None:
        if self.wanted[side] != replicas:
            self.tick()
            assert not replicas or not self.wanted[OTHER[side]], "two would run"
            self.wanted[side] = replicas

    def switch(self, to: str) -> None:
        if self.led != to:
            self.tick()
            assert self.wanted[to] and not self.wanted[OTHER[to]], "a name without a service"
            self.led = to


class Module:
    """volume_handover, its observations and acts."""

    def __init__(self, world: World, to: str, state: str) -> None:
        self.world, self.source, self.target = world, OTHER[to], to
        self.wanted = volume.Wanted("wiki", state, WINDOW, "ada")
        self.seen: dict[str, object] = {"passes": (), "compared": None, "compare_s": None}

    def observe(self) -> volume.World:
        sides = [
            volume.Folder(side, True, len(self.world.files[side]), ("it",) if self.world.wanted[side] else ())
            for side in (self.source, self.target)
        ]
        same = self.world.files[self.source] == self.world.files[self.target]
        return volume.World(*sides, self.world.record, self.world.now, pending=int(not same), **self.seen)

    def run(self) -> volume.World:
        for _step in range(50):
            seen = self.observe()
            decision = volume.next_step(seen, self.wanted)
            if isinstance(decision, Refused):
                raise Fault(decision.reason)
            if isinstance(decision, Done):
                return seen
            if decision.name == "wait_for_writers":
                raise Fault("the deadline has passed")
            self.world.tick()
            self.act(decision)
        raise AssertionError("no end")

    def act(self, step: Step) -> None:
        world, record = self.world, self.world.record
        if step.name == "copy":
            world.files[self.target] = list(world.files[self.source])
            passes = (*self.seen["passes"], volume.Pass(1.0, step.data["checksum"]))
            self.seen = {"passes": passes, "compared": None, "compare_s": None}
        elif step.name == "compare":
            same = world.files[self.source] == world.files[self.target]
            self.seen.update(compared=volume.Comparison(1.0, () if same else ("differs",), "m", 1), compare_s=1.0)
        else:
            world.record = volume.simulate(self.observe(), step).record
        assert record is world.record or step.name not in ("copy", "compare")


def stay(world: World, side: str) -> None:
    world.scale(OTHER[side], 0)
    world.scale(side, 1)
    Module(world, side, "closed").run()


def hand_over(world: World, to: str) -> None:
    """files.yml, files_move.yml and files_swap.yml."""
    if world.led == to:
        stay(world, to)
        return
    source = OTHER[to]
    seen = Module(world, to, "checked").run()
    proven = world.record.proven == to
    late = volume.is_over(seen.record, WINDOW, world.now) and not proven
    runs = late or world.wanted[source] > 0
    back = bool(seen.record.opened) or world.wanted[source] > 0
    if late:
        stay(world, source)
    try:
        if runs or not proven:
            world.scale(to, 0)
        Module(world, to, "ahead").run()
        if runs:
            Module(world, to, "open").run()
        world.scale(source, 0)
        Module(world, to, "equal").run()
        world.scale(to, 1)
        world.switch(to)
        Module(world, to, "closed").run()
    except Fault:
        if back:
            stay(world, world.led)
        raise


ends = st.lists(
    st.tuples(st.integers(1, 14), st.sampled_from([Killed, Fault]), st.sampled_from([0.0, 30.0, 300.0])), max_size=4
)


@settings(max_examples=400)
@given(st.lists(st.tuples(st.sampled_from(["k3s", "swarm"]), ends), min_size=1, max_size=4))
def test_killed_or_failing_anywhere_and_run_again(moves):
    world = World()
    for to, world.ends in moves:
        world.acts = 0
        for _run in range(12):
            try:
                hand_over(world, to)
                break
            except (Killed, Fault):
                continue
        else:
            raise AssertionError("it does not come to an end")
        assert (world.led, world.wanted[to], world.wanted[OTHER[to]]) == (to, 1, 0)
        assert not world.record.opened
        kept = iter(world.files[to])
        assert all(number in kept for number in world.acknowledged), "lost"
        assert len(set(world.files[to])) == len(world.files[to]), "doubled"
        before = (dict(world.wanted), world.record, world.acts)
        hand_over(world, to)
        assert before == (dict(world.wanted), world.record, world.acts), "a second run has changed something"


@pytest.mark.parametrize("at", range(1, 20))
def test_after_each_single_kill_the_next_run_finishes(at):
    world = World()
    world.ends = [(at, Killed, 0.0)]
    try:
        hand_over(world, "k3s")
    except Killed:
        hand_over(world, "k3s")
    assert (world.led, world.wanted) == ("k3s", {"swarm": 0, "k3s": 1})


def test_a_window_that_is_over_brings_the_service_back():
    world = World()
    world.ends = []
    tick = world.tick

    def slow() -> None:
        tick()
        world.now += 100 if world.record.opened else 0

    world.tick = slow
    with pytest.raises(Fault, match="the window of 60 s is over"):
        hand_over(world, "k3s")
    assert (world.led, world.wanted, world.record.opened) == ("swarm", {"swarm": 1, "k3s": 0}, 0.0)
