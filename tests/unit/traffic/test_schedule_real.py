# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What check mode says of a shift: the weights that are to come, read from a real edge that is left as it is."""

from __future__ import annotations

import re
import sys

import played
import pytest

from .role_play import METRICS, ROOT, contents

# The Swarm is not there; what it would say is what the test gives.
SWARM = """#!{python}
from ansible.module_utils.basic import AnsibleModule
AnsibleModule({{"stack": {{}}}}, supports_check_mode=True).exit_json(
    services=[{{"name": "app", "endpoints": ["{endpoint}"]}}])
"""


@pytest.fixture(name="play")
def play_fixture(edge, sides, tmp_path):
    """Plays the shift of role cutover, whose module for the Swarm alone is a stand-in."""
    real = ROOT / "collections/ansible_collections/sophia/replatform"
    mine = tmp_path / "collections/ansible_collections/sophia/replatform"
    for folder in (mine, mine / "plugins", mine / "plugins/modules"):
        folder.mkdir(parents=True)
        for path in (real / folder.relative_to(mine)).iterdir():
            if path.name not in ("plugins", "modules", "swarm_stack_info.py"):
                (folder / path.name).symlink_to(path.resolve())
    stand_in = SWARM.format(python=sys.executable, endpoint=sides[0].address)
    (mine / "plugins/modules/swarm_stack_info.py").write_text(stand_in)
    node_port = {"metadata": {"name": "app"}, "spec": {"ports": [{"port": 80, "nodePort": sides[1].port}]}}
    settings = {
        "ansible_connection": "local",
        "edge_config_dir": str(edge.dynamic_dir.parent),
        "edge_state_dir": str(tmp_path / "var"),
        "edge_api_port": edge.api,
        "edge_dead_man": False,
        "edge_controller_timeout": 0,
        "edge_health_check": {"interval": 1, "timeout": 20},
        "edge_analysis": {"interval": 1, "threshold": 1, "step_weights": [5, 25, 50], "metrics": METRICS},
        "cutover_stack": "shop",
        "cutover_k3s_addresses": ["127.0.0.1"],
        "cutover_swarm_hosts": ["one"],
        "cutover_seen": {"swarm": "active", "is_manager": True},
        "__cutover_cluster": {"resources": [node_port]},
        "__cutover_service": {
            "name": "app",
            "group": "shop",
            "kind": "http",
            "host": "app.lab",
            "port": 80,
            "path": "/health",
        },
    }

    # As the role's own shift includes it once it has looked at the guards, of whom there are none here.
    shift = {
        "edge_shift_service": "{{ __cutover_service }}",
        "edge_shift_state": "shifted",
        "edge_shift_primary": [sides[0].address],
        "edge_shift_canary": [f"127.0.0.1:{node_port['spec']['ports'][0]['nodePort']}"],
    }

    def play(*arguments, **changes):
        inventory = {"all": {"hosts": {"one": {**settings, **changes}}}}
        role = "cutover" if "--check" in arguments else "edge"
        include = {"name": f"sophia.replatform.{role}", "tasks_from": "shift"}
        tasks = [{"name": "Shift", "ansible.builtin.include_role": include, "vars": {} if role == "cutover" else shift}]
        ran = played.play(tmp_path, inventory, [{"hosts": "one", "gather_facts": False, "tasks": tasks}], *arguments)
        assert ran.code == 0, ran.output
        return re.findall(r'"msg": "(weight .*)"', ran.output)

    return play


def test_check_mode_says_each_weight_that_is_to_come_and_changes_nothing(edge, play, tmp_path):
    assert play("--check") == ["weight 5, then 25, then 50, then 100"]
    assert contents(edge.dynamic_dir) == {} and not (tmp_path / "var").exists()
    assert play(edge_service_settings={"app": {"max_weight": 25, "skip_analysis": True}}) == []
    file = contents(edge.dynamic_dir)["app.yml"]
    assert play("--check") == ["weight 50, then 100"]
    assert play("--check", edge_service_settings={"app": {"max_weight": 25}}) == ["weight unchanged"]
    assert contents(edge.dynamic_dir)["app.yml"] == file
