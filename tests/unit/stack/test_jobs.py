from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options

NODES = tuple({"hostname": name, "role": "worker", "id": name, "address": ""} for name in ("a", "b", "c"))
WITH = Options(workload_keys=True)
NO_LIMIT = 2147483647


def job(converted, deploy, options=WITH):
    return converted({"deploy": deploy}, options=options)


@pytest.mark.parametrize("mode", ["replicated-job", "global-job"])
def test_without_the_keys_of_the_workload_jobs_are_refused(converted, mode):
    assert converted({"deploy": {"mode": mode}}).verdicts["deploy.mode"] == "refused"


@pytest.mark.parametrize(
    ("deploy", "wanted"),
    [
        ({}, (1, 1, NO_LIMIT, "OnFailure")),
        ({"replicas": 5}, (5, 5, NO_LIMIT, "OnFailure")),
        ({"replicas": 0}, (0, 0, NO_LIMIT, "OnFailure")),
        ({"restart_policy": {"condition": "none", "max_attempts": 3}}, (1, 1, 0, "Never")),
        ({"restart_policy": {"condition": "on-failure", "max_attempts": 3}}, (1, 1, 3, "OnFailure")),
        ({"restart_policy": {"condition": "any"}}, (1, 1, NO_LIMIT, "OnFailure")),
    ],
)
def test_a_replicated_job(converted, deploy, wanted):
    app = job(converted, {"mode": "replicated-job", **deploy})
    assert app.values["kind"] == "Job"
    names = ("completions", "parallelism", "backoffLimit", "restartPolicy")
    assert tuple(app.values["job"][name] for name in names) == wanted
    for key in ("replicas", "strategy", "minReadySeconds"):
        assert key not in app.values
    assert app.verdicts["deploy.mode"] == "mapped"


def test_the_order_of_the_keys_does_not_matter(converted):
    policy = {"restart_policy": {"condition": "none"}}
    first, last = (
        job(converted, {**policy, "mode": "replicated-job"}),
        job(converted, {"mode": "replicated-job", **policy}),
    )
    assert first.values == last.values
    assert first.verdicts["deploy.restart_policy.condition"] == "mapped"


def test_a_job_on_each_node(converted):
    app = job(converted, {"mode": "global-job"}, Options(workload_keys=True, nodes=NODES))
    assert app.values["job"]["completions"] == app.values["job"]["parallelism"] == 3
    assert app.values["onePerNode"] is True
    assert app.verdicts["(job)"] == "approximated"
    assert job(converted, {"mode": "global-job"}).verdicts["deploy.mode"] == "refused"


@pytest.mark.parametrize(
    ("constraint", "count"),
    [("node.hostname!=a", 2), ("node.hostname==a", 1), ("node.role==worker", 3), ("node.labels.zone==x", 0)],
)
def test_a_job_on_each_node_that_its_constraints_allow(converted, constraint, count):
    deploy = {"mode": "global-job", "placement": {"constraints": [constraint]}}
    app = job(converted, deploy, Options(workload_keys=True, nodes=NODES))
    assert app.values["job"]["completions"] == count
    assert ("refused" in [row.verdict for row in app.rows if row.key == "deploy.mode"]) is (count == 0)


def test_a_service_that_is_never_started_again_is_a_job(converted):
    policy = {"restart_policy": {"condition": "none"}}
    app = job(converted, {"replicas": 2, **policy})
    assert (app.values["kind"], app.values["job"]["completions"]) == ("Job", 2)
    assert app.verdicts["deploy.restart_policy.condition"] == "approximated"
    assert job(converted, policy, Options()).verdicts["deploy.restart_policy.condition"] == "refused"
    assert job(converted, {"mode": "global", **policy}).verdicts["deploy.restart_policy.condition"] == "refused"


def test_a_jobs_volume_is_a_claim_that_it_shares(converted):
    app = converted(
        {"volumes": ["data:/d"], "deploy": {"mode": "replicated-job"}}, top={"volumes": {"data": None}}, options=WITH
    )
    assert app.values["volumes"][0]["claim"]["shared"] is True


@pytest.mark.parametrize("mode", ["global", "global-job"])
def test_a_number_does_not_go_with_global(converted, mode):
    assert job(converted, {"replicas": 2, "mode": mode}).verdicts["deploy.replicas"] == "refused"
