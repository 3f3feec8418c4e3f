"""volume_handover between two real folders, by the real rsync, under a service that writes numbers."""

from __future__ import annotations

import pytest

from . import volumes


@pytest.fixture(scope="module", autouse=True)
def rsync_fixture():
    with pytest.MonkeyPatch.context() as patch:
        volumes.program(patch)
        yield


@pytest.fixture(name="pair")
def pair_fixture(tmp_path):
    return volumes.Pair(tmp_path)


def names(result):
    return [step["name"] for step in result["steps"]]


def test_there_and_back_and_nothing_is_lost_or_doubled(pair):
    service = pair.start(pair.swarm)
    assert names(pair.run("checked")) == []
    ahead = pair.run("ahead")
    assert names(ahead)[:3] == ["begin", "copy", "compare"]
    assert names(pair.run("open")) == ["open_window"]
    service.end()
    equal = pair.run("equal")
    assert names(equal)[-2:] == ["compare", "prove"]
    assert not pair.run("equal")["changed"]
    service = pair.start(pair.k3s)
    assert pair.run("equal")["reason"].startswith("wiki runs on")
    assert names(pair.run("closed")) == ["close_window"]
    assert not pair.run("closed")["changed"]
    pair.run("ahead", back=True)
    service.end()
    assert names(pair.run("equal", back=True))[-1] == "prove"
    service = pair.start(pair.swarm)
    service.end()
    said = volumes.numbers(pair.acknowledged)
    assert said == list(range(1, len(said) + 1))
    assert volumes.numbers(pair.swarm / "lines") == said
