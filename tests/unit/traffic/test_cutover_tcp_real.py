"""A TCP service through role cutover on a real Traefik: no proof before it has moved, then proof, and its old side leaves the route."""

from __future__ import annotations

import json
import pathlib

import played

ROOT = pathlib.Path(__file__).parents[3]
SERVICE = {"name": "feed", "group": "shop", "kind": "tcp", "port": 1}
# In place of a cluster, which has no stores here.
NO_CLUSTER = """
from ansible.module_utils.basic import AnsibleModule
spec = dict.fromkeys(("kubeconfig", "api_version", "kind", "namespace"), {"type": "str"})
AnsibleModule(spec, supports_check_mode=True).exit_json(changed=False, resources=[])
"""


def play(folder, edge, sides, *entries):
    """Exit status and what was said by these entry points, C(role:tasks)."""
    played.collection(folder, {"kubernetes.core.k8s_info": NO_CLUSTER})
    given = {
        "ansible_connection": "local",
        "edge_config_dir": str(edge.dynamic_dir.parent),
        "edge_state_dir": str(folder / "var"),
        "edge_install_dir": str(ROOT / "roles/edge/files"),
        "edge_api_port": edge.api,
        "edge_health_check": {"interval": 1, "timeout": 20},
        "edge_analysis": {"skip_analysis": True},
        "edge_dead_man": False,
        "cutover_edge_api": edge.api_url,
        "cutover_seen": {"swarm": "inactive", "is_manager": False, "services": [], "hostname": "one"},
        "cutover_groups": ["shop"],
        "cutover_services": [SERVICE],
        "cutover_stack": "shop",
        "cutover_swarm_hosts": ["one"],
        "cutover_k3s_addresses": ["127.0.0.1"],
        "cutover_namespace": "shop",
        "cutover_kubeconfig": str(folder / "none"),
        "cutover_artifacts": str(folder),
    }
    shift = {
        "edge_shift_service": SERVICE,
        "edge_shift_state": "shifted",
        "edge_shift_primary": [sides[0].address],
        "edge_shift_canary": [sides[1].address],
    }
    tasks = [
        {
            "ansible.builtin.include_role": {"name": f"sophia.replatform.{role}", "tasks_from": name},
            **({"vars": shift} if role == "edge" else {}),
        }
        for role, name in (entry.split(":") for entry in entries)
    ]
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    ran = played.play(folder, {"all": {"hosts": {"one": given}}}, plays)
    return ran.code, ran.said


def sides_of(edge):
    """Weight and servers of each side in the edge's file."""
    lines = (edge.dynamic_dir / "feed.yml").read_text().splitlines()
    file = json.loads("\n".join(line for line in lines if not line.startswith("#")))
    services = file["tcp"]["services"]
    return {
        share["name"]: (
            share["weight"],
            [server["address"] for server in services[share["name"]]["loadBalancer"]["servers"]],
        )
        for share in services["feed"]["weighted"]["services"]
    }


def test_a_tcp_service_is_proven_when_it_has_moved_and_then_promoted(tmp_path, edge, tcp_sides):
    code, said = play(tmp_path, edge, tcp_sides, "cutover:proof")
    assert code != 0 and "feed still get traffic on the Swarm; run this phase again" in said, said
    code, said = play(tmp_path, edge, tcp_sides, "edge:shift", "cutover:proof", "cutover:promoted")
    assert code == 0, said
    assert sides_of(edge) == {"feed-swarm": (0, []), "feed-k3s": (100, [tcp_sides[1].address])}
