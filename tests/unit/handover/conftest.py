# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several files of these tests start."""

from __future__ import annotations

import pytest

from . import redis_stores, stores


@pytest.fixture(scope="module")
def pair():
    """Two real Redis servers."""
    program, libraries = stores.unpacked("redis-server")
    assert program, "Redis is missing: run make unit, which unpacks Debian's"
    made = redis_stores.Pair(program, libraries)
    yield made
    made.end()
