from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.stack import standing
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.drift import drift
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options
from ansible_collections.sophia.replatform.plugins.module_utils.stack.public import public

FILE = "services: {web: {image: 'web:1', deploy: {replicas: 2}}, agent: {image: agent, deploy: {mode: global}}}"
WEB = {"name": "web", "image": "web:1@sha256:abc", "mode": "replicated", "replicas": 2}
AGENT = {"name": "agent", "image": "agent", "mode": "global", "replicas": None}


def differences(*live, exclude=()):
    stack = load_stack({"s.yml": FILE}, {}, "shop", lambda file: "")
    rows, verdicts = drift(convert(stack, Options()).values, stack, live, exclude)
    return [(row["service"], row["key"], row["file"], row["live"]) for row in rows], [item.verdict for item in verdicts]


def test_no_drift():
    assert differences(WEB, AGENT) == ([], [])


def test_drift_is_reported():
    rows, verdicts = differences({**WEB, "image": "web:2@sha256:d", "replicas": 3}, {**AGENT, "mode": "replicated"})
    assert rows == [
        ("agent", "deploy.mode", "global", "replicated"),
        ("web", "image", "web:1", "web:2"),
        ("web", "deploy.replicas", 2, 3),
    ]
    assert verdicts == ["reported"] * 3


def test_a_service_that_does_not_run_is_reported_and_one_that_no_file_has_is_refused():
    assert differences(WEB, {"name": "extra", "image": "x"}) == (
        [("agent", "(service)", "present", "absent"), ("extra", "(service)", "absent", "running")],
        ["reported", "refused"],
    )
    assert differences(WEB, AGENT, {"name": "extra", "image": "x"}, exclude=["extra"]) == ([], [])


def release(**service):
    return {
        "services": {"db": {"handedOver": False, "external": {"addresses": ["192.0.2.9"], "port": 5432}, **service}}
    }


def test_what_is_handed_over_stays_so():
    assert standing.handed_over([], [], release()) == frozenset()
    assert standing.handed_over(["cache"], [], release(handedOver=True)) == {"cache", "db"}
    assert standing.handed_over(["db"], [], {}) == {"db"}


def test_what_is_handed_back_no_longer_is():
    assert standing.handed_over([], ["db"], release(handedOver=True)) == frozenset()
    assert standing.handed_over([], ["cache"], release(handedOver=True)) == {"db"}


def test_external_addresses_come_from_what_runs_then_from_the_release():
    live = [{"name": "db", "endpoints": ["192.0.2.1:5432", "192.0.2.2:5432"]}]
    at = {"addresses": ["192.0.2.1", "192.0.2.2"], "port": 5432}
    assert standing.external({"db": {}}, live, release()) == {"db": at}
    assert standing.external({"db": {}}, [{"name": "db", "endpoints": []}], release()) == {
        "db": {"addresses": ["192.0.2.9"], "port": 5432}
    }
    assert standing.external({"db": {"addresses": ["192.0.2.5"]}}, live, {})["db"] == {
        "addresses": ["192.0.2.5"],
        "port": 5432,
    }
    assert standing.external({"db": {}}, [], {}) == {"db": {"addresses": [], "port": None}}


def test_a_node_that_has_left_is_still_known():
    seen = [{"hostname": h, "role": "manager", "id": h, "address": "", "state": "ready"} for h in ("b", "a")]
    current = {"swarmNodes": standing.nodes(seen, {})}
    assert [node["hostname"] for node in current["swarmNodes"]] == ["a", "b"]
    assert standing.nodes([{**seen[0], "role": "worker"}], current) == current["swarmNodes"]


def test_labels_of_a_move_are_none_of_the_nodes():
    labels = {"disk": "ssd", "replatform.sophia.ai.gpu": "k3s", "replatform.sophia.ai/paused": "by-drain"}
    node = {"hostname": "a", "role": "worker", "id": "a", "address": "", "labels": labels}
    assert [one.get("labels") for one in standing.nodes([node], {})] == [{"disk": "ssd"}]
    assert "labels" not in standing.nodes([{**node, "labels": {"replatform.sophia.ai.gpu": "k3s"}}], {})[0]
    # A release of before has them still.
    assert standing.nodes([], {"swarmNodes": [node]})[0]["labels"] == {"disk": "ssd"}


def test_values_that_may_be_shown_hold_no_secret():
    env = {
        "POSTGRES_PASSWORD": "s1",
        "URL": "postgres://u:s2@db/x",
        "API_KEY": "s3",
        "PASSWORD_FILE": "/run/secrets/p",
        "DB_PASSWORD": "/run/secrets/p",
        "PORT": "80",
        "HOME_URL": "http://db:80/x@y",
    }
    values = {"services": {"a": {"env": [{"name": k, "value": v} for k, v in env.items()]}}}
    shown = {item["name"]: item["value"] for item in public(values)["services"]["a"]["env"]}
    assert [name for name, value in shown.items() if value == "(hidden)"] == ["POSTGRES_PASSWORD", "URL", "API_KEY"]
    assert values["services"]["a"]["env"][0]["value"] == "s1"


def test_headers_that_may_be_shown_hold_no_secret():
    headers = {"customRequestHeaders": {"Authorization": "Basic abc", "X-From": "edge"}, "stsSeconds": 1}
    shown = public({"services": {}, "middlewares": {"m": {"headers": headers}}})["middlewares"]["m"]["headers"]
    assert shown == {"customRequestHeaders": {"Authorization": "(hidden)", "X-From": "edge"}, "stsSeconds": 1}
