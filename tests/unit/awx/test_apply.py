"""The playbook against a stand-in for AWX (fake_awx.py). RECORD_AWX=1 writes what the first run asked to requests.json anew."""

from __future__ import annotations

import json
import os
import pathlib
import typing as t

import awx_data
import fake_awx
import pytest

pytestmark = pytest.mark.slow

RECORDED = pathlib.Path(__file__).with_name("requests.json")
PLAYBOOK = "playbooks/awx.yml"
Applied = tuple[t.Any, awx_data.Run]


def test_check_mode_on_an_awx_that_has_nothing(empty: t.Any) -> None:
    run = awx_data.play(empty, PLAYBOOK, "--check")
    assert (run.failed, run.changed, run.requests) == (0, 2, []), run.output


def test_no_way_in_is_one_line(empty: t.Any) -> None:
    run = awx_data.play(empty, PLAYBOOK, CONTROLLER_OAUTH_TOKEN="")
    assert run.failed == 1
    assert "set CONTROLLER_HOST (https://...) and CONTROLLER_OAUTH_TOKEN in the environment" in run.output
    assert run.requests == []


def test_the_first_run_asks_what_is_recorded(applied: Applied) -> None:
    _awx, run = applied
    assert run.failed == 0, run.output
    if os.environ.get("RECORD_AWX"):
        RECORDED.write_text(json.dumps(run.requests, indent=1) + "\n")
    assert run.requests == json.loads(RECORDED.read_text())


def test_no_credential_has_a_value_and_the_token_is_nowhere(applied: Applied) -> None:
    awx, run = applied
    assert awx.objects["credentials"]
    assert not any("inputs" in one for one in awx.objects["credentials"].values())
    assert fake_awx.TOKEN not in run.output + RECORDED.read_text()


def test_the_workflow_is_linked_as_its_data_says(applied: Applied) -> None:
    awx, _run = applied
    nodes = awx.objects["workflow_job_template_nodes"]
    made = {
        one["identifier"]: {
            how: sorted(nodes[number]["identifier"] for number in awx.links.get(f"{one['url']}{how}_nodes/", []))
            for how in ("success", "failure", "always")
        }
        for one in nodes.values()
    }
    assert made == {
        one["identifier"]: {how: sorted(one.get(how, [])) for how in ("success", "failure", "always")}
        for one in awx_data.load("workflow.yml")["awx_workflow_nodes"]
    }
    approvals = {one["name"] for one in awx.objects["workflow_approval_templates"].values()}
    assert approvals == {"Build the cluster", "Deploy the platform", "Move the traffic"}


def test_the_second_run_changes_nothing(applied: Applied) -> None:
    run = awx_data.play(applied[0], PLAYBOOK)
    assert (run.failed, run.changed, run.requests) == (0, 0, []), run.output


def test_check_mode_names_what_somebody_changed_and_leaves_it(applied: Applied) -> None:
    awx, _run = applied
    template = awx.named("job_templates", "Replatform drift")
    kept = dict(template)
    template["job_slice_count"] = 7
    run = awx_data.play(awx, PLAYBOOK, "--check")
    changed = [line for line in run.output.splitlines() if line.startswith("changed:")]
    assert (run.failed, run.changed, run.requests) == (0, 1, []), run.output
    assert changed == ["changed: [localhost] => (item=Replatform drift)"]
    template.update(kept)


def test_an_answer_of_a_wrong_type_is_refused_in_one_line(applied: Applied) -> None:
    awx, _run = applied
    launch = "name='Replatform preflight' extra_vars='{\"preflight_disk_free_mb\": \"plenty\"}'"
    run = awx_data.play(awx, "localhost", "-c", "local", "-m", "awx.awx.job_launch", "-a", launch)
    assert run.failed == 1
    assert "Value plenty for 'preflight_disk_free_mb' expected to be an integer." in run.output
    assert [one["status"] for one in run.requests] == [400]


def test_an_answer_of_the_right_type_is_taken(applied: Applied) -> None:
    awx, _run = applied
    launch = awx.named("job_templates", "Replatform preflight")["related"]["launch"]
    assert awx.answer("POST", launch, {}, {"extra_vars": {"preflight_disk_free_mb": 6000}})[0] == 201
