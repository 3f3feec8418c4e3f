"""Role edge's shift on two real edges: in step, and back together."""

from __future__ import annotations

import json
import os
import pathlib
import signal

import played

from .conftest import until
from .test_edge_real import shift

ROOT = pathlib.Path(__file__).parents[3]
PLAY = """
- hosts: edge
  gather_facts: false
  any_errors_fatal: true
  tasks:
    - name: Shift
      ansible.builtin.include_role:
        name: sophia.replatform.edge
        tasks_from: shift
      vars:
        edge_shift_service: {name: app, host: app.lab, path: /health}
"""


def play(tmp_path, edges, backends, state, *arguments, start=False, lost="", **changes):
    """Plays it on both; O(lost) is one whose host can't be reached."""
    hosts = {
        name: {
            "ansible_connection": "local",
            "edge_config_dir": str(edge.dynamic_dir.parent),
            "edge_state_dir": str(edge.dynamic_dir.parent / "var"),
            "edge_install_dir": str(ROOT / "roles/edge/files"),
            "edge_api_port": edge.api,
            "edge_shift_state": state,
            "edge_shift_primary": [primary.address],
            "edge_shift_canary": [canary.address],
            "edge_health_check": {"interval": 1, "timeout": 3},
            "edge_analysis": {
                "interval": 3,
                "threshold": 1,
                "step_weights": [50],
                "max_weight": 100,
                "metrics": [{"name": "request-success-rate", "threshold_range": {"min": 99}}],
            },
            **changes,
        }
        for name, edge, primary, canary in zip(("one", "two"), edges, backends[::2], backends[1::2])
    }
    if lost:
        hosts[lost].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=9)
    (tmp_path / "play.yml").write_text(PLAY)
    run = played.start if start else played.play
    return run(tmp_path, {"all": {"children": {"edge": {"hosts": hosts}}}}, "play.yml", *arguments)


def weights(edge):
    journal = edge.dynamic_dir.parent / "var/journal.jsonl"
    records = map(json.loads, journal.read_text().splitlines())
    return [(r["time"], r["data"]["weight"]) for r in records if r["step"] == "weight" and r["event"] == "ok"]


def test_no_edge_is_a_weight_ahead_of_another(tmp_path, edges, sides_of_two):
    foreseen = play(tmp_path, edges, sides_of_two, "shifted", "--check")
    assert foreseen.code == 0 and list(edges[0].dynamic_dir.iterdir()) == [], foreseen.output
    run = play(tmp_path, edges, sides_of_two, "shifted")
    assert run.code == 0, run.output
    (half_one, whole_one), (half_two, whole_two) = weights(edges[0]), weights(edges[1])
    assert [half_one[1], whole_one[1], half_two[1], whole_two[1]] == [50, 100, 50, 100]
    assert max(half_one[0], half_two[0]) < min(whole_one[0], whole_two[0])
    assert "one: app: weight at 50 %" in run.output
    assert not [path for edge in edges for path in (edge.dynamic_dir.parent / "var/traffic").glob("*.controller")]
    again = play(tmp_path, edges, sides_of_two, "shifted")
    assert again.code == 0 and "changed=0" in again.output and "changed=1" not in again.output


def test_when_one_goes_back_all_do(tmp_path, edges, sides_of_two):
    held = {"edge_service_settings": {"app": {"max_weight": 50, "step_weights": []}}}
    assert play(tmp_path, edges, sides_of_two, "shifted", **held).code == 0
    sides_of_two[3].stop()
    run = play(tmp_path, edges, sides_of_two, "shifted")
    assert run.code != 0 and "does not answer" in run.output, run.output
    for edge in edges:
        assert '"weight": 100' in (edge.dynamic_dir / "app.yml").read_text()
        assert weights(edge)[-1][1] == 0


def test_a_breach_at_one_edge_cuts_the_canary_at_the_others_but_where_it_served_alone(tmp_path, edges, sides_of_two):
    affinity = {"session_affinity": {"cookie_name": "side"}}
    folder = edges[0].dynamic_dir.parent / "var"
    served = {"state_dir": str(folder / "traffic"), "journal": str(folder / "journal.jsonl"), **affinity}
    assert shift(edges[0], sides_of_two[:2], skip_analysis=True, **served)["weight"] == 100
    # Nobody asks, which is a breach at the edge that is watched.
    nobody = {"edge_service_settings": {"app": {"interval": 0.5, "min_requests": 1, **affinity}}}
    run = play(tmp_path, edges, sides_of_two, "shifted", edge_shift_min_weight=100, **nobody)
    assert run.code != 0 and weights(edges[1])[-1][1] == 0, run.output
    assert weights(edges[0])[-1][1] == 100 and "'app' stays at weight 100: by min_weight" in run.output, run.output
    run = play(tmp_path, edges, sides_of_two, "shifted", **nobody)
    assert run.code != 0 and [weights(edge)[-1][1] for edge in edges] == [0, 0], run.output
    journal = (folder / "journal.jsonl").read_text().splitlines()
    back = [(r["step"], "0 of 1 reached" in r["data"].get("reason", "")) for r in map(json.loads, journal)][-1]
    assert back == ("weight", True), journal[-1]


def test_a_controller_that_is_killed_leaves_the_last_safe_weight(tmp_path, edges, sides_of_two):
    held = {"edge_service_settings": {"app": {"interval": 600}}, "edge_controller_timeout": 20}
    command = play(tmp_path, edges, sides_of_two, "shifted", start=True, **held)
    files = [edge.dynamic_dir / "app.yml" for edge in edges]
    until(lambda: all(file.exists() and '"weight": 50' in file.read_text() for file in files))
    os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    command.stdout.close()
    until(lambda: all('"weight": 100' in file.read_text() for file in files))
    until(lambda: all("no sign of the controller" in reason(edge) for edge in edges))


def reason(edge):
    journal = edge.dynamic_dir.parent / "var/journal.jsonl"
    return str([json.loads(line)["data"].get("reason") for line in journal.read_text().splitlines()])
