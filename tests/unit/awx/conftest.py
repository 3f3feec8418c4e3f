"""An AWX that has nothing, and one that the data was applied to."""

from __future__ import annotations

import pathlib
import sys
import typing as t

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import awx_data
import fake_awx


@pytest.fixture(scope="session")
def empty() -> t.Iterator[t.Any]:
    awx = fake_awx.FakeAwx()
    yield awx
    awx.stop()


@pytest.fixture(scope="session")
def applied() -> t.Iterator[tuple[t.Any, awx_data.Run]]:
    """An AWX that the data was applied to once, and that run."""
    awx = fake_awx.FakeAwx()
    yield awx, awx_data.play(awx, "playbooks/awx.yml")
    awx.stop()
