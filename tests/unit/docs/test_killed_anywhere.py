"""The list of steps at which a controller is killed is that of the code."""

from __future__ import annotations

import re

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import stack
from docs.pages import ROOT

CODE = {
    "traffic_shift": ["traffic/shift.py"],
    "postgres_switchover": ["handover/switchover.py"],
    "postgres_logical_switchover": ["handover/logical.py"],
    "redis_switchover": ["handover/redis_pair.py"],
    "volume_handover": ["handover/volume.py"],
    "swarm_drain": ["swarm/drain.py", "swarm/balance.py", "swarm/held.py"],
    "swarm_ports": ["swarm/leftovers.py"],
    "swarm_gpu": ["swarm/gpu.py"],
    "swarm_stack`, `swarm_scale`, `swarm_leave": ["swarm/stack.py", "swarm/restoration.py", "swarm/leave.py"],
}
PAGE = (ROOT / "docs/phase4-cutover.md").read_text()


@pytest.mark.parametrize("operation", CODE)
def test_every_step_of_the_code_is_in_the_table(operation):
    sources = [(ROOT / "plugins/module_utils" / path).read_text() for path in CODE[operation]]
    named = {name for source in sources for name in re.findall(r'\bStep\(\s*f?"([\w{}]+)"', source)}
    steps = {name.format(kind=kind) for name in named for kind in stack.KINDS}
    [row] = re.findall(rf"^\| `{operation}` \| ([\w, ]+) \|", PAGE, re.MULTILINE)
    assert set(row.split(", ")) == steps
