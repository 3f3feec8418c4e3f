"""A service with a volume moves there and back by the real role, under its own writes."""

from __future__ import annotations

import pytest

from . import stores, volumes
from .volume_stage import Stage
from .volume_world import World


@pytest.fixture(scope="module", autouse=True)
def rsync_fixture():
    with pytest.MonkeyPatch.context() as patch:
        volumes.program(patch)
        yield


@pytest.fixture(name="stage")
def stage_fixture(tmp_path):
    made = Stage(tmp_path)
    World(tmp_path).scale("swarm", 1, check=False)
    stores.until(lambda: (tmp_path / "acknowledged").exists(), "the service writes")
    yield made
    made.end()


def stands(stage):
    now = World(stage.folder).read()
    return now["swarm"], now["k3s"], now["led"]


def test_there_and_back(stage):
    stage.approve()
    status, said = stage.play()
    assert status == 0, said
    assert stands(stage) == (0, 1, True)
    status, said = stage.play()
    assert (status, "changed=0 " in said) == (0, True), said
    stage.approve("swarm")
    status, said = stage.play("swarm")
    assert status == 0, said
    assert stands(stage) == (1, 0, False)
    stage.judge()
