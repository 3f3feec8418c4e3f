"""The artifacts of a fabricated migration, for each test."""

from __future__ import annotations

import pathlib
import shutil

import pytest
from evidence_folder import fabricate


@pytest.fixture(scope="session")
def fabricated(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Made once, never changed."""
    return fabricate(tmp_path_factory.mktemp("fabricated"))


@pytest.fixture()
def artifacts(fabricated: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """The artifacts folder of a migration that went well."""
    return shutil.copytree(fabricated, tmp_path / "artifacts")
