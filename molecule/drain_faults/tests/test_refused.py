"""What a drain refuses: one line, and nodes, services and tasks are as they were.

It needs a fleet at rest, and pauses a worker and then one manager of three. Some fifteen minutes. The managers themselves: test_managers.py.
"""

from __future__ import annotations

import typing as t

import pytest

NODE, MANAGER, WORKER = "sophia-mcp-orchestrator", "sophia-ai-core", "sophia-development"
CASE = "faults-case"
HERE = f"--constraint=node.hostname=={NODE}"
# What the case is, words of the line, and what its service is made with; five tasks are one for each node.
SERVICES = {
    "would never start again": ("would never start again", ("--replicas=2", "--restart-condition=none", HERE)),
    "a host port": (
        "has port 18001 in use",
        ("--replicas=5", "--endpoint-mode=dnsrr", "--publish=mode=host,target=8001,published=18001"),
    ),
    "too little memory": ("has too little memory", ("--replicas=5", "--reserve-memory={most}")),
}


@pytest.fixture(name="case", autouse=True)
def case_fixture(swarm: t.Any) -> t.Iterator[None]:
    """A fleet at rest before, and without the case's service after."""
    swarm.until_whole()
    yield
    if CASE in swarm.services():
        swarm.docker("service", "rm", CASE)
    swarm.until_whole()


@pytest.mark.parametrize("what", SERVICES)
def test_a_service_that_would_be_lost_or_has_nowhere_to_go(swarm: t.Any, what: str) -> None:
    words, options = SERVICES[what]
    # More than half of a node, so that the task of another node can't come.
    most = int(swarm.node(NODE)["Description"]["Resources"]["MemoryBytes"] * 0.6)
    swarm.create(CASE, *(option.format(most=most) for option in options))
    swarm.until_whole()
    swarm.refuses(words, NODE, may_stop=[CASE] if what == "would never start again" else [])


def test_a_job(swarm: t.Any) -> None:
    swarm.create(CASE, "--mode=replicated-job", "--restart-condition=none", HERE, command=("sleep", "infinity"))
    try:
        swarm.until("the job runs", lambda: [one["Status"]["State"] for one in swarm.tasks(CASE)] == ["running"])
        swarm.refuses(f"{CASE} is a job", NODE)
    finally:
        # Swarm lets a job's task run on when its service goes.
        swarm.kill(CASE, NODE)


def test_a_service_in_mid_update(swarm: t.Any) -> None:
    swarm.create(CASE, "--replicas=2", "--update-delay=1h", "--update-monitor=1s", HERE)
    swarm.until_whole()
    swarm.docker("service", "update", "--detach", "--quiet", "--env-add=NEW=1", CASE)

    def waits() -> bool:
        tasks = swarm.tasks(CASE)
        new = ["NEW=1" in one["Spec"]["ContainerSpec"]["Env"] for one in tasks]
        return sorted(new) == [False, True] and all(one["Status"]["State"] == "running" for one in tasks)

    swarm.until("one of two tasks is new", waits)
    swarm.refuses(f"service {CASE} is in mid-update (updating)", NODE)


def test_a_service_whose_update_has_failed(swarm: t.Any) -> None:
    swarm.create(CASE, "--replicas=2", "--update-failure-action=pause", HERE)
    swarm.until_whole()
    swarm.docker("service", "update", "--detach", "--quiet", "--env-add=PORT=none", CASE)

    def is_paused() -> bool:
        return (swarm.services()[CASE].get("UpdateStatus") or {}).get("State") == "paused"

    swarm.until("its update is paused", is_paused)
    # Its new task fails again and again.
    swarm.refuses(f"service {CASE} is paused: finish or roll back its update first", NODE, with_tasks=False)


def test_a_node_that_is_not_ready(swarm: t.Any) -> None:
    with swarm.frozen(WORKER):
        # Swarm starts the tasks of that node elsewhere meanwhile.
        swarm.refuses(f"{WORKER} is 'down', so what runs on it is not known", WORKER, with_tasks=False)


def test_a_manager_that_cannot_be_reached(swarm: t.Any) -> None:
    """Of the three one is lost: what takes another away, by a drain or for good, would take the quorum."""
    with swarm.frozen(MANAGER):
        for state in ("drained", "demoted", "removed"):
            swarm.refuses(f"manager {MANAGER} is not reachable", NODE, with_tasks=False, state=state)
        swarm.refuses(f"{MANAGER} is 'down'", MANAGER, with_tasks=False, state="removed")


def test_another_drain_under_way(swarm: t.Any) -> None:
    specs = swarm.specs()
    assert swarm.killed(NODE, "drained", ["pin ok"]) == "pin ok"
    # Swarm goes on with the move that the killed run has begun.
    swarm.until_whole()
    assert swarm.specs() != specs
    swarm.refuses(f"the drain of {NODE} is still under way", MANAGER)
    swarm.bring(NODE, "active")
    assert swarm.specs() == specs
