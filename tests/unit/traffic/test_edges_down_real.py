"""One of two real edges goes down in the middle of a shift: the other comes back to where both were, and goes on when both can."""

from __future__ import annotations

import os
import signal

import pytest

from .conftest import until
from .test_role_real import play, weights


def served(edge):
    return (edge.dynamic_dir / "app.yml").read_text()


def in_effect(edge, weight):
    return edge.get("/api/http/services/app@file") == 200 and f'"weight": {weight}' in served(edge)


SLOW = {"edge_service_settings": {"app": {"interval": 8}}, "edge_dead_man": False}
HALF = {"edge_service_settings": {"app": {"max_weight": 50, "step_weights": []}}}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "freezes"])
@pytest.mark.parametrize("safe", [0, 50])
def test_the_other_comes_back_and_the_next_run_brings_both_to_the_same_weights(
    tmp_path,
    edges,
    sides_of_two,
    how,
    safe,
):
    if safe:
        assert play(tmp_path, edges, sides_of_two, "shifted", **HALF).code == 0
    higher = 50 if safe == 0 else 100
    run = play(tmp_path, edges, sides_of_two, "shifted", start=True, **SLOW)
    until(
        lambda: all((edge.dynamic_dir / "app.yml").exists() and f'"weight": {higher}' in served(edge) for edge in edges)
    )
    old = served(edges[1])
    os.kill(edges[1].process.pid, how)
    said = run.communicate()[0]
    last = [line for line in said.splitlines() if "fatal: [one]" in line and "two: " in line]
    assert run.returncode != 0 and last, said
    assert "Traefik's API at" in last[-1] and "does not answer" in last[-1]
    assert weights(edges[0])[-1][1] == safe, said
    assert f'"weight": {100 - safe}' in served(edges[0])
    assert edges[0].get("/api/overview") == 200
    if how == signal.SIGKILL:
        # It comes back with the file that it had when it went, as one whose host was lost does.
        (edges[1].dynamic_dir / "app.yml").write_text(old)
        edges[1].start()
    else:
        os.kill(edges[1].process.pid, signal.SIGCONT)
    seen = [len(weights(edge)) for edge in edges]
    again = play(tmp_path, edges, sides_of_two, "shifted")
    assert again.code == 0, again.output
    one, two = (weights(edge)[number:] for edge, number in zip(edges, seen))
    assert [weight for _at, weight in one][-1] == 100 and [weight for _at, weight in two][-1:] in ([100], [])
    # Neither is a weight ahead of the other on the way.
    together = max(at for at, weight in one + two if weight <= 50) if safe == 0 else ""
    assert all(at > together for at, weight in one + two if weight == 100)


def test_an_edge_that_can_not_be_reached_is_named_and_the_other_comes_back(tmp_path, edges, sides_of_two):
    run = play(tmp_path, edges, sides_of_two, "shifted", lost="two")
    assert run.code != 0
    last = [line for line in run.output.splitlines() if "fatal: [one]" in line]
    assert "two: " in last[-1] and "one: " not in last[-1], run.output
    assert [weight for _at, weight in weights(edges[0])] == [50, 0]
