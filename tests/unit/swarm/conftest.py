"""Lets the tests of this folder import the makers beside them; time that passes with each look."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import operations

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def no_waiting():
    """A wait ends when what it waits for is there, or after as many looks as it would have made."""

    def looks(holds, seconds, *_args):
        for look in range(int(seconds * 2)):
            if not holds():
                return {"waited_s": look / 2}
        return {"waited_s": seconds}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operations, "wait_while", looks)
        yield
