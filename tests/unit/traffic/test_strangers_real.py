"""Files of other hands on a real Traefik: what it takes stays, only what it refuses is put back, and then the way back is there."""

from __future__ import annotations

import time

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError

from .conftest import until
from .test_breach_real import GOOD, NONSENSE, in_background, records
from .test_edge_real import HOST, shift

OTHER = GOOD.replace("theirs", "others")


def served(edge, name):
    return edge.get(f"/api/http/middlewares/{name}@file") == 200


def add(edge, name, text):
    (edge.dynamic_dir / f"{name}.yml").write_text(text)
    until(lambda: served(edge, name))


@pytest.mark.parametrize(
    "text",
    [GOOD + "---\n", GOOD.replace("headers: ", "headers:\t"), GOOD + "x: !theirs 1\n"],
    ids=["end", "tab", "tag"],
)
def test_what_traefik_takes_stays_whatever_our_parser_says(edge, sides, text):
    assert text != GOOD
    shift(edge, sides, max_weight=50)
    add(edge, "theirs", text)
    assert shift(edge, sides)["weight"] == 100
    add(edge, "others", text.replace("theirs", "others"))
    assert "strangers_set_aside" not in shift(edge, sides, state="rolled_back")["steps"][0]
    assert served(edge, "theirs") and served(edge, "others") and not list(edge.dynamic_dir.glob("*.set-aside*"))


@pytest.mark.parametrize(
    "content", ["http: [", NONSENSE, "a: !!bool foo\n", "[" * 3000], ids=["syntax", "meaning", "value", "depth"]
)
def test_only_what_traefik_refuses_is_put_back(edge, sides, content):
    shift(edge, sides)
    add(edge, "others", OTHER)
    # Traefik tells in whole seconds when it took that.
    taken_s = (edge.dynamic_dir / "others.yml").stat().st_ctime
    until(lambda: time.time() > taken_s + 2)
    theirs = edge.dynamic_dir / "theirs.yml"
    theirs.write_text(content)
    (back,) = shift(edge, sides, state="rolled_back")["steps"]
    assert back["weight"] == 0 and back["strangers_set_aside"] == [str(theirs)]
    assert served(edge, "others") and theirs.with_name("theirs.yml.set-aside").read_text() == content


def test_what_does_not_parse_goes_before_what_was_written_after_it(edge, sides):
    shift(edge, sides)
    (edge.dynamic_dir / "theirs.yml").write_text("http: [")
    (edge.dynamic_dir / "others.yml").write_text(OTHER)
    (back,) = shift(edge, sides, state="rolled_back")["steps"]
    assert back["strangers_set_aside"] == [str(edge.dynamic_dir / "theirs.yml")] and served(edge, "others")


def test_an_edge_that_was_started_beside_a_broken_file_serves_again(edge, sides, traffic):
    shift(edge, sides)
    edge.stop()
    (edge.dynamic_dir / "theirs.yml").write_text("http: [")
    edge.start()
    (back,) = shift(edge, sides, state="rolled_back")["steps"]
    assert back["strangers_set_aside"] == [str(edge.dynamic_dir / "theirs.yml")]
    with traffic(edge.web, HOST) as requests:
        until(lambda: len(requests.answers) > 5)
    assert requests.failed == 0


def test_a_breach_beside_a_broken_file_is_back_in_time_and_leaves_the_good_one(edge, sides, traffic):
    shift(edge, sides, state="present")
    with traffic(edge.web, HOST):
        run, raised = in_background(lambda: shift(edge, sides, interval=60, threshold=2))
        until(lambda: sides[1].served > 20)
        add(edge, "others", OTHER + "---\n")
        (edge.dynamic_dir / "theirs.yml").write_text("http: [")
        sides[1].fail_every = 2
        run.join()
    assert isinstance(raised[0], RefusedError) and served(edge, "others")
    back = records(edge, "weight")[-1]["data"]
    assert back["strangers_set_aside"] == [str(edge.dynamic_dir / "theirs.yml")]
    # Three seconds are promised on a host that has nothing else to do; the rest is for one that has.
    assert back["back_ms"] < 15_000
