"""The module from arguments to result, with a kubectl that has a cluster of its own."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys

import kube_raw as raw
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import drain, operations
from ansible_collections.sophia.replatform.plugins.modules import k3s_drain

pytestmark = pytest.mark.slow

FAKE = str(pathlib.Path(__file__).parent / "fake_kubectl.py")
WEB = {"app": "web"}


class Cluster:
    """A cluster in a file, the module that is run on it, and what came of it."""

    def __init__(self, folder, capsys, **state):
        self.path = folder / "state.json"
        self.journal = folder / "journal.jsonl"
        self.lock = folder / "lock"
        self.capsys = capsys
        self.write({"nodes": [raw.node()], "pods": [], "budgets": [], **state})

    def write(self, state):
        self.path.write_text(json.dumps(state))

    @property
    def state(self):
        return json.loads(self.path.read_text())

    def arguments(self, **options):
        kubectl = [sys.executable, "-S", FAKE, str(self.path)]
        files = {"journal": str(self.journal), "lock": str(self.lock)}
        return {"node": "n1", "reason": "reboot", "kubectl": kubectl, "deadline": 30, **files, **options}

    def run(self, check=False, **options):
        with patch_module_args({**self.arguments(**options), "_ansible_check_mode": check}), pytest.raises(SystemExit):
            k3s_drain.main()
        return json.loads(self.capsys.readouterr().out)

    def steps(self, **options):
        answer = self.run(**options)
        assert not answer.get("failed"), answer["msg"]
        return [step["name"] for step in answer["steps"]]


@pytest.fixture(name="cluster")
def cluster_fixture(tmp_path, capsys, monkeypatch):
    def swift(holds, seconds, poll_s=0.5):
        return operation.wait_while(holds, seconds, 0)

    monkeypatch.setattr(operations, "wait_while", swift)
    return lambda **state: Cluster(tmp_path, capsys, **state)


def some_pods():
    return [
        raw.pod("web", labels=WEB),
        raw.pod("db", "StatefulSet"),
        raw.pod("ds", "DaemonSet"),
        raw.pod("static", None, mirror=True),
    ]


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_a_drain_a_second_one_and_the_release(cluster, version):
    there = cluster(pods=some_pods(), eviction=version)
    assert there.steps() == ["cordon", "evict", "wait_for_pods"]
    assert sorted(there.state["evicted"]) == ["db", "web"]
    assert [pod["metadata"]["name"] for pod in there.state["pods"]] == ["ds", "static"]
    assert drain.is_half_way(there.state["nodes"][0])
    assert there.run()["changed"] is False
    assert there.steps(state="schedulable") == ["uncordon"]
    assert there.state["nodes"][0]["spec"] == {"podCIDR": "10.42.0.0/24"}
    assert there.state["nodes"][0]["metadata"]["annotations"] == {"other": "kept"}
    assert there.run(state="schedulable")["changed"] is False


def test_a_fault_is_told_on_the_node_without_forgetting_when_it_began(cluster):
    there = cluster()
    there.steps()
    began = drain.mark(there.state["nodes"][0])["since"]
    assert there.steps(state="cordoned", reason="", fault="no GPU") == ["annotate"]
    assert drain.mark(there.state["nodes"][0]) == {"reason": "reboot", "fault": "no GPU", "since": began, "gpus": ""}


def test_no_request_deletes_anything(cluster):
    there = cluster(pods=some_pods())
    there.steps()
    assert not [call for call in there.state["calls"] if "delete" in call]


def test_check_mode_tells_and_does_nothing(cluster):
    there = cluster(pods=some_pods(), budgets=[raw.budget("web", WEB)])
    before = {**there.state}
    told = there.run(check=True)
    after = there.state
    assert {call[0] for call in after.pop("calls")} == {"get"}
    assert after == before
    assert not there.journal.exists() and not there.lock.exists()
    assert told["changed"] is True
    assert [step["name"] for step in told["steps"]] == ["cordon", "evict", "wait_for_pods"]
    assert told["diff"]["after"].splitlines()[1] == (
        "evict node=n1 pods=['shop/db', 'shop/web'] held=['shop/web by web']"
    )
    assert there.run(check=True, state="schedulable")["changed"] is False


def test_a_budget_is_waited_for(cluster):
    there = cluster(pods=some_pods(), budgets=[{**raw.budget("web", WEB), "grant_after": 2}])
    assert there.steps()[:2] == ["cordon", "evict"]
    assert sorted(there.state["evicted"]) == ["db", "web"]


def test_a_budget_that_never_allows_is_named_after_the_deadline(cluster):
    there = cluster(pods=some_pods(), budgets=[raw.budget("web", WEB)])
    answer = there.run(deadline=5)
    assert answer["failed"]
    assert "5 s have passed" in answer["msg"]
    assert "shop/web is held by budget web (disruptions allowed: 0; 2 of at least 2 pods healthy)" in answer["msg"]
    assert "shop/db is held" not in answer["msg"] and "\n" not in answer["msg"]
    assert there.state["evicted"] == ["db"]
    assert drain.is_half_way(there.state["nodes"][0])
    refused = [record["data"]["refused"] for record in read_journal(str(there.journal)) if "refused" in record["data"]]
    assert refused[0] == {"shop/web": "Cannot evict pod as it would violate the pod's disruption budget."}


@pytest.mark.parametrize(
    ("state", "options", "words"),
    [
        ({"nodes": [raw.node(cordoned=True)]}, {}, "cordoned by somebody else"),
        ({"pods": [raw.pod("bare", None)]}, {}, "shop/bare would not be started again"),
        ({"pods": [raw.pod("cache", emptydir=True)]}, {}, "shop/cache would lose"),
        ({"nodes": [raw.node(ready=False)], "pods": [raw.pod("web")]}, {}, "n1 is not Ready"),
        ({}, {"node": "n9"}, "no node 'n9'"),
        ({}, {"kubectl": ["/no/k3s"]}, "/no/k3s can't be run"),
    ],
)
def test_refusals_change_nothing(cluster, state, options, words):
    there = cluster(**state)
    before = there.state
    answer = there.run(**options)
    assert answer["failed"] and words in answer["msg"] and "\n" not in answer["msg"]
    after = there.state
    after.pop("calls", None)
    assert after == before


def test_a_server_that_starts_anew_meanwhile(cluster):
    assert cluster(pods=some_pods(), silent=2).steps() == ["cordon", "evict", "wait_for_pods"]


def test_the_journal_tells_what_was_done(cluster):
    there = cluster(pods=some_pods())
    there.steps(phase="cluster")
    records = read_journal(str(there.journal))
    assert [(record["step"], record["event"]) for record in records] == [
        (step, event) for step in ("cordon", "evict", "wait_for_pods") for event in ("start", "ok")
    ]
    assert {(r["phase"], r["operation"], r["subject"]) for r in records} == {("cluster", "k3s_drain", "n1")}


RUNNER = """
import sys
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.modules import k3s_drain
import json
with patch_module_args(json.loads(sys.stdin.read())):
    k3s_drain.main()
"""


@pytest.mark.parametrize("write", [1, 2, 3])
def test_killed_before_any_write_the_next_run_finishes(cluster, write):
    there = cluster(pods=some_pods(), die=write)
    paths = [path for path in sys.path if path]
    killed = subprocess.run(
        [sys.executable, "-c", RUNNER],
        input=json.dumps(there.arguments()),
        env={"PYTHONPATH": ":".join(paths), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    # Whatever was done by then: a cordoned node is known to be ours.
    node = there.state["nodes"][0]
    assert drain.is_cordoned(node) == drain.is_half_way(node) == (write > 1)
    there.steps()
    assert sorted(there.state["evicted"]) == ["db", "web"]
    assert [pod["metadata"]["name"] for pod in there.state["pods"]] == ["ds", "static"]
