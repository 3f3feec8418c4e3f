"""What a killed run has begun to withdraw is offered again where the look ahead refuses, before any host's GPUs go over."""

from __future__ import annotations

import pathlib
import sys
import typing as t

import played
import pytest
import yaml

pytestmark = pytest.mark.slow

HEAD = """#!{python}
import os
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec=dict.fromkeys({options!r}, {{"type": "raw"}}), supports_check_mode=True)
"""
# The Swarm can't let the GPUs of g2 go. What is asked for is written down.
SWARM_GPU = """
node, state = module.params["node"], module.params["state"] or "withdrawn"
with open(os.environ["ASKED"], "a") as file:
    file.write(f"{'foreseen' if module.check_mode else state} {node}\\n")
if node == "id-g2" and state == "withdrawn":
    module.fail_json(msg="service ops_model is in mid-update")
module.exit_json()
"""
MODULES = {
    "sophia.replatform.swarm_gpu": (("node", "state"), SWARM_GPU),
    "sophia.replatform.swarm_stack_info": (("stack",), "module.exit_json(services=[])\n"),
    "kubernetes.core.k8s_info": (
        ("kubeconfig", "api_version", "kind", "namespace"),
        "module.exit_json(resources=[])\n",
    ),
}


def test_a_host_that_was_left_withdrawing_is_the_swarms_again_when_the_look_ahead_refuses(
    tmp_path: pathlib.Path,
) -> None:
    modules = {
        name: HEAD.format(python=sys.executable, options=options) + body for name, (options, body) in MODULES.items()
    }
    mine = played.collection(tmp_path, modules, "roles/cutover", "plugins/filter", "plugins/module_utils")
    device_plugin = mine / "roles/nvidia_device_plugin/tasks"
    device_plugin.mkdir(parents=True)
    offers = {"name": "Tell", "ansible.builtin.set_fact": {"nvidia_device_plugin_offers": False}}
    (device_plugin / "observe.yml").write_text(yaml.safe_dump([offers]))
    given: dict[str, t.Any] = {
        "ansible_connection": "local",
        "cutover_gpus": "handed_over",
        "cutover_kubeconfig": "/kubeconfig",
        "cutover_namespace": "shop",
        "cutover_seen": {
            "swarm": "active",
            "is_manager": True,
            "node_id": "id-{{ inventory_hostname }}",
            "hostname": "{{ inventory_hostname }}",
        },
        "cutover_stack": "shop",
        "cutover_swarm_hosts": ["g1", "g2"],
        "nvidia_device_plugin_expected": {},
        "nvidia_device_plugin_lacking": [],
        "nvidia_device_plugin_offers": False,
    }
    groups = {"gpu": {"hosts": {"g1": {}, "g2": {}}}}
    role = {"name": "sophia.replatform.cutover", "tasks_from": "gpus_free"}
    play = {
        "hosts": "gpu",
        "gather_facts": False,
        "any_errors_fatal": True,
        "environment": {"ASKED": f"{tmp_path}/asked"},
        "tasks": [{"ansible.builtin.include_role": role}],
    }
    output = played.play(tmp_path, {"all": {"children": groups, "vars": given}}, [play]).said
    asked = (tmp_path / "asked").read_text().splitlines()
    assert '"msg": "service ops_model is in mid-update"' in output, output
    assert "K3s offer them" not in output
    assert sorted(asked[:2]) == ["foreseen id-g1", "foreseen id-g2"]
    assert "offered id-g2" in asked[2:] and not [one for one in asked if one.startswith("withdrawn")]
