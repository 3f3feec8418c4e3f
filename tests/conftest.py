# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which tests run: all, or with --drawn, as in make test, of the slow ones some, with each commit others.

The examples of property tests are the same in every run; with HYPOTHESIS_PROFILE=soak they are new ones each time.
"""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from drawing import ONE_OF, drawn
from hypothesis import settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("sample", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "sample"))

DRAW = pathlib.Path(__file__).parents[1] / "tools/draw"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--drawn", action="store_true", help=f"one of {ONE_OF} slow tests, with each commit another one")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("drawn"):
        return
    seed = subprocess.run([DRAW], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    left = [item for item in items if item.get_closest_marker("slow") and not drawn(seed, item.nodeid)]
    config.hook.pytest_deselected(items=left)
    out = set(left)
    items[:] = [item for item in items if item not in out]
