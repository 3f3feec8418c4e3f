"""What kubectl says, and what is made of it. The words are those that kubectl 1.33 and 1.37 said to these answers of a server."""

from __future__ import annotations

import json
import subprocess
import sys

import kube_raw as raw
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import kubectl, operations
from ansible_collections.sophia.replatform.plugins.module_utils.rolling.drain import Wanted
from ansible_collections.sophia.replatform.plugins.module_utils.rolling.kubectl import Kubectl, KubectlError

# The bodies differ between policy/v1 (details.causes) and v1beta1 of before 1.22 (none), and kubectl shows the message of both.
HELD = "Error from server (TooManyRequests): Cannot evict pod as it would violate the pod's disruption budget.\n"
TWICE = "Error from server: This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.\n"
GONE = 'Error from server (NotFound): pods "web" not found\n'
OTHER = "Error from server (Conflict): Precondition failed: UID in precondition: a, UID in object meta: b\n"
ENDING = (
    'Error from server (Forbidden): evictions.policy "web" is forbidden:'
    " unable to create new content in namespace shop because it is being terminated\n"
)
FORBIDDEN = 'Error from server (Forbidden): nodes "n1" is forbidden: User "x" cannot patch resource "nodes"\n'
REFUSED = (
    'E1124 04:54:31.8     5183 memcache.go:265] "Unhandled Error" err="couldn\'t get current server API group list"\n'
    "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?\n"
)
LEADER = "Error from server: etcdserver: leader changed\n"


class Answers:
    """A kubectl that gives one answer after the other, the last for ever; C(asked) is what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []

    def __call__(self, argv, stdin):
        self.asked.append((list(argv), stdin))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        failed = isinstance(answer, str) and answer.startswith(("E", "The"))
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return subprocess.CompletedProcess(argv, int(failed), "" if failed else text, text if failed else "")


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch):
    """A wait asks three times at most, and sleeps never."""

    def wait_while(holds, seconds, poll_s=0.5):
        attempts = next((number for number in range(3) if not holds()), 3)
        return {"waited_s": attempts}

    monkeypatch.setattr(operations, "wait_while", wait_while)


@pytest.mark.parametrize(
    ("stderr", "reason", "message", "passing"),
    [
        (HELD, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", True),
        (TWICE, "", TWICE[len("Error from server: ") : -1], False),
        (GONE, "NotFound", 'pods "web" not found', False),
        (
            REFUSED,
            "",
            "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?",
            True,
        ),
        (LEADER, "", "etcdserver: leader changed", True),
        (FORBIDDEN, "Forbidden", 'nodes "n1" is forbidden: User "x" cannot patch resource "nodes"', False),
        (
            "Error: stat /nonexistent: no such file or directory\n",
            "",
            "Error: stat /nonexistent: no such file or directory",
            False,
        ),
    ],
)
def test_errors(stderr, reason, message, passing):
    with pytest.raises(KubectlError) as caught:
        Kubectl(["kubectl"], Answers(stderr)).node("n1")
    assert (caught.value.reason, str(caught.value), caught.value.passing) == (reason, message, passing)


def test_requests():
    answers = Answers("", {"items": [raw.pod("web")]}, {"items": []}, "")
    api = Kubectl(["k3s", "kubectl"], answers)
    assert api.node("n1") is None
    assert [pod["metadata"]["name"] for pod in api.pods("n1")] == ["web"]
    assert api.budgets() == []
    api.patch_node("n1", {"spec": {"unschedulable": True}})
    assert all(argv[:3] == ["k3s", "kubectl", "--request-timeout=20s"] for argv, _stdin in answers.asked)
    assert answers.asked[1][0][3:] == [
        "get", "pods", "--all-namespaces", "--field-selector", "spec.nodeName=n1", "--output", "json",
    ]  # fmt: skip
    assert answers.asked[3][0][-1] == '{"spec": {"unschedulable": true}}'


@pytest.mark.parametrize(
    ("resource", "version"),
    [
        ({"name": "pods/eviction", "group": "policy", "version": "v1", "kind": "Eviction"}, "policy/v1"),
        ({"name": "pods/eviction", "group": "policy", "version": "v1beta1", "kind": "Eviction"}, "policy/v1beta1"),
    ],
)
def test_the_version_of_the_eviction_is_the_servers(resource, version):
    api = Kubectl(["kubectl"], Answers({"resources": [{"name": "pods"}, resource]}))
    assert api.eviction_version() == version


def test_a_server_without_evictions_is_refused():
    with pytest.raises(ReplatformError, match="takes no evictions"):
        Kubectl(["kubectl"], Answers({"resources": [{"name": "pods"}]})).eviction_version()


def test_a_program_that_is_not_there():
    with pytest.raises(ReplatformError, match="/no/k3s can't be run on this host"):
        Kubectl(["/no/k3s", "kubectl"]).node("n1")


def test_a_program_that_does_not_end(monkeypatch):
    monkeypatch.setattr(kubectl, "REQUEST_S", 0.05)
    with pytest.raises(KubectlError, match="timed out") as caught:
        Kubectl([sys.executable, "-c", "import time; time.sleep(30)"]).node("n1")
    assert caught.value.passing


def operation(*answers, **options):
    api = Answers(*answers)
    made = operations.Drain(Kubectl(["kubectl"], api), Wanted("n1", "drained", "reboot"), **options)
    made.world = raw.world(pods=[raw.pod("web"), raw.pod("db")])
    made.version = "policy/v1"
    return made, api


def evict(made, *pods):
    return made.act(Step("evict", {"node": "n1", "pods": list(pods)}))


def test_the_eviction_is_for_one_pod_and_no_younger_one():
    made, api = operation("{}", grace_period=5)
    assert evict(made, "shop/web") == {"evicted": 1}
    argv, stdin = api.asked[0]
    assert argv[-4:] == ["--raw", "/api/v1/namespaces/shop/pods/web/eviction", "--filename", "-"]
    assert json.loads(stdin) == {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "web", "namespace": "shop"},
        "deleteOptions": {"preconditions": {"uid": "uid-web"}, "gracePeriodSeconds": 5},
    }


@pytest.mark.parametrize("answer", [GONE, OTHER])
def test_a_pod_that_is_gone_is_evicted(answer):
    made, _api = operation(answer)
    assert evict(made, "shop/web") == {"evicted": 1}


@pytest.mark.parametrize("answer", [HELD, ENDING, REFUSED, LEADER])
def test_a_pod_that_is_held_is_tried_again_and_told(answer):
    made, api = operation(answer)
    result = evict(made, "shop/web")
    assert result["evicted"] == 0
    assert list(result["refused"]) == ["shop/web"]
    assert len(api.asked) == 3


def test_only_what_is_held_is_tried_again():
    made, api = operation(HELD, "{}", "{}")
    assert evict(made, "shop/web", "shop/db") == {"evicted": 2}
    assert [argv[4].split("/")[6] for argv, _stdin in api.asked] == ["web", "db", "web"]


@pytest.mark.parametrize("answer", [TWICE, FORBIDDEN])
def test_what_never_comes_right_ends_the_run(answer):
    made, api = operation(answer)
    with pytest.raises(KubectlError):
        evict(made, "shop/web")
    assert len(api.asked) == 1


def test_cordon_and_annotation_are_one_request_with_the_version_that_was_seen():
    made, api = operation("")
    assert made.act(Step("cordon", {"node": "n1", "reason": "reboot"})) is None
    (argv, _stdin) = api.asked[0]
    patch = json.loads(argv[-1])
    said = json.loads(patch["metadata"]["annotations"]["replatform.sophia.ai/rolling"])
    assert (patch["metadata"]["resourceVersion"], patch["spec"]) == ("7", {"unschedulable": True})
    assert said["reason"] == "reboot" and said["since"].endswith("Z")


def test_release_is_one_request_too():
    made, api = operation("")
    made.act(Step("uncordon", {"node": "n1"}))
    patch = json.loads(api.asked[0][0][-1])
    assert patch["metadata"]["annotations"] == {"replatform.sophia.ai/rolling": None}
    assert patch["spec"] == {"unschedulable": None}


@pytest.mark.parametrize("answer", [OTHER, REFUSED])
def test_a_write_that_lost_a_race_is_decided_again(answer):
    made, _api = operation(answer)
    assert "again" in made.act(Step("cordon", {"node": "n1", "reason": "reboot"}))


def test_a_write_that_is_forbidden_ends_the_run():
    made, _api = operation(FORBIDDEN)
    with pytest.raises(KubectlError, match="cannot patch"):
        made.act(Step("cordon", {"node": "n1", "reason": "reboot"}))


def test_a_server_that_is_silent_for_a_moment_is_asked_again():
    made, _api = operation(REFUSED, raw.node(), {"items": []}, {"items": []})
    assert made.observe()["node"]["metadata"]["name"] == "n1"


def test_a_server_that_stays_silent_is_told():
    made, _api = operation(REFUSED)
    with pytest.raises(KubectlError, match="was refused"):
        made.observe()


def test_a_server_that_forbids_is_not_asked_again():
    made, api = operation(FORBIDDEN)
    with pytest.raises(KubectlError):
        made.observe()
    assert len(api.asked) == 1


def test_without_a_drain_nobody_asks_for_pods():
    made, api = operation(raw.node())
    made.wanted = Wanted("n1", "schedulable")
    assert made.observe()["pods"] == []
    assert len(api.asked) == 1
