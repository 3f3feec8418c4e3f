"""The module from arguments to result: a Swarm in memory, and a cluster's API over real HTTPS."""

from __future__ import annotations

import base64
import contextlib
import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.secrets import carrier, cluster_api
from ansible_collections.sophia.replatform.plugins.module_utils.secrets import operations as copying_operations
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, operations
from ansible_collections.sophia.replatform.plugins.modules import swarm_secret_copy
from fake_cluster import TOKEN, FakeCluster
from fake_swarm import FakeSwarm

PASSWORD = b"correct horse\x00battery \xff staple\n"
NAME = "postgres_password"


class Bench:
    """The two worlds, the module run between them, and everything that it has said."""

    def __init__(self, folder, cluster, swarm, capfd, monkeypatch):
        self.cluster = cluster
        self.swarm = swarm
        self.journal = folder / "journal.jsonl"
        self.capfd = capfd
        self.said = ""
        monkeypatch.setattr(client, "connect", lambda params: swarm)
        monkeypatch.setattr(swarm_secret_copy, "LOCK", str(folder / "lock"))

    def arguments(self, **options):
        return {
            "secrets": [NAME],
            "namespace": "shop",
            "api_url": self.cluster.url,
            "api_ca": self.cluster.ca,
            "api_token": TOKEN,
            "journal": str(self.journal),
            "deadline": 30,
            "_ansible_diff": True,
            **options,
        }

    def run(self, check=False, **options):
        arguments = self.arguments(_ansible_check_mode=check, **options)
        with patch_module_args(arguments), pytest.raises(SystemExit):
            swarm_secret_copy.main()
        out, err = self.capfd.readouterr()
        self.said += out + err
        return json.loads(out)

    def steps(self, **options):
        answer = self.run(**options)
        assert not answer.get("failed"), answer["msg"]
        return [step["name"] for step in answer["steps"]]

    def refused(self, **options):
        answer = self.run(**options)
        assert answer["failed"]
        assert "\n" not in answer["msg"]
        return answer["msg"]

    def held(self, name="postgres-password", key=NAME):
        return base64.b64decode(self.cluster.objects["secrets", name]["data"][key])

    def leftovers(self):
        return [one["Spec"]["Name"] for one in self.swarm.service_list if carrier.LABEL in one["Spec"]["Labels"]]


@pytest.fixture(name="cluster")
def cluster_fixture(tmp_path):
    cluster = FakeCluster(tmp_path)
    yield cluster
    cluster.stop()


@pytest.fixture(name="bench")
def bench_fixture(tmp_path, cluster, capfd, monkeypatch):
    def swift(holds, seconds, _poll_s=0.5):
        return operation.wait_while(holds, seconds, 0)

    for rim in (operations, copying_operations):
        monkeypatch.setattr(rim, "wait_while", swift)
    swarm = FakeSwarm({NAME: PASSWORD, "Key.of_X": b"x" * 400_000}, {"settings": b"a = 1\n", "logo": b"\x89PNG"})
    return Bench(tmp_path, cluster, swarm, capfd, monkeypatch)


def test_a_secret_goes_from_the_swarm_to_the_cluster_and_a_second_run_changes_nothing(bench):
    assert bench.steps() == ["start_task", "wait_for_task", "compare", "create", "stop_task", "wait_for_end"]
    assert bench.held() == PASSWORD
    metadata = bench.cluster.objects["secrets", "postgres-password"]["metadata"]
    assert metadata["labels"] == {"app.kubernetes.io/managed-by": "replatform"}
    assert metadata["annotations"] == {
        "replatform.sophia.ai/swarm-source": NAME,
        "replatform.sophia.ai/swarm-id": f"id-{NAME}",
    }
    again = bench.run()
    assert again["changed"] is False
    assert "create" not in [step["name"] for step in again["steps"]]
    assert again["copied"][0]["result"] == "unchanged"
    assert bench.leftovers() == []


def test_every_kind_at_once(bench):
    answer = bench.run(secrets=[NAME, "Key.of_X"], configs=["settings", "logo"])
    assert [(one["kind"], one["name"], one["result"], one["bytes"]) for one in answer["copied"]] == [
        ("ConfigMap", "settings", "created", 6),
        ("ConfigMap", "logo", "created", 4),
        ("Secret", "postgres-password", "created", len(PASSWORD)),
        ("Secret", "key-of-x", "created", 400_000),
    ]
    assert bench.held("key-of-x", "Key.of_X") == b"x" * 400_000
    assert bench.cluster.objects["configmaps", "settings"]["data"] == {"settings": "a = 1\n"}
    assert bench.cluster.objects["configmaps", "logo"]["binaryData"] == {"logo": "iVBORw=="}
    assert bench.run(secrets=[NAME, "Key.of_X"], configs=["settings", "logo"])["changed"] is False


def test_configs_alone_need_no_task(bench):
    assert bench.steps(secrets=[], configs=["settings"]) == ["create"]
    bench.swarm.config_data["settings"] = b"\xff"
    assert bench.steps(secrets=[], configs=["settings"]) == ["update"]
    found = bench.cluster.objects["configmaps", "settings"]
    assert (found["data"], found["binaryData"]) == ({}, {"settings": "/w=="})
    bench.swarm.config_data["settings"] = b"text"
    assert bench.steps(secrets=[], configs=["settings"]) == ["update"]
    assert (found := bench.cluster.objects["configmaps", "settings"])["data"] == {"settings": "text"}
    assert found["binaryData"] == {}


def test_no_value_is_said_or_written_anywhere(bench, tmp_path):
    bench.run(secrets=[NAME, "Key.of_X"], configs=["settings"])
    bench.cluster.put("secrets", "postgres-password", data={NAME: "b3RoZXI="})
    bench.run(secrets=[NAME, "Key.of_X"])
    bench.cluster.invalid = True
    bench.cluster.objects.clear()
    bench.refused()
    bench.swarm.exit_code = 1
    bench.refused()
    told = (bench.said + bench.journal.read_text() + json.dumps(bench.swarm.calls)).encode()
    for value in (PASSWORD, b"correct horse", b"half a val", b"x" * 40, b"a = 1", TOKEN.encode()):
        assert value not in told
        assert base64.b64encode(value)[:12] not in told
    assert {path.name for path in tmp_path.iterdir()} == {"journal.jsonl", "lock", "server.pem"}


def test_a_digest_is_not_that_of_another_run(bench):
    first, second = bench.run()["copied"][0], bench.run()["copied"][0]
    assert first["digest"] != second["digest"]
    assert first["bytes"] == second["bytes"] == len(PASSWORD)


def test_the_task_is_on_this_manager_says_nothing_and_ends_by_itself(bench):
    bench.run(deadline=77)
    spec = bench.swarm.calls[0][1]
    template = spec["TaskTemplate"]
    assert spec["Mode"] == {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}
    assert template["Placement"] == {"Constraints": ["node.id==n1"]}
    assert template["LogDriver"] == {"Name": "none"}
    assert template["ContainerSpec"]["Command"] == ["sleep", "77"]
    assert template["ContainerSpec"]["Image"] == "web:1"
    (mount,) = template["ContainerSpec"]["Secrets"]
    assert (mount["SecretID"], mount["File"]["Name"], mount["File"]["Mode"]) == (f"id-{NAME}", NAME, 0o400)


def test_what_differs_is_written_and_other_keys_stay(bench):
    bench.cluster.put("secrets", "postgres-password", data={NAME: "b3RoZXI=", "more": "bW9yZQ=="})
    answer = bench.run()
    assert answer["copied"][0]["result"] == "updated"
    assert bench.held() == PASSWORD
    assert bench.held(key="more") == b"more"


def test_the_same_value_of_somebody_else_is_left_as_it_is(bench):
    bench.cluster.put("secrets", "postgres-password", data={NAME: base64.b64encode(PASSWORD).decode()})
    before = dict(bench.cluster.objects)
    assert bench.run()["changed"] is False
    assert bench.cluster.objects == before


def test_a_secret_of_the_swarm_that_was_made_anew_is_noted(bench):
    bench.run()
    metadata = bench.cluster.objects["secrets", "postgres-password"]["metadata"]
    metadata["annotations"]["replatform.sophia.ai/swarm-id"] = "id-of-before"
    assert "update" in bench.steps(check=True)
    assert "update" in bench.steps()
    assert bench.run()["changed"] is False


def test_check_mode_starts_no_task_and_writes_nothing(bench):
    answer = bench.run(check=True, configs=["settings"])
    assert answer["changed"] is True
    assert [(one["name"], one["result"], "bytes" in one) for one in answer["copied"]] == [
        ("settings", "created", True),
        ("postgres-password", "created", False),
    ]
    assert "create kind=Secret name=postgres-password" not in answer["diff"]["before"]
    assert "create kind=Secret" in answer["diff"]["after"]
    assert bench.swarm.calls == []
    assert bench.cluster.objects == {}
    assert {method for method, _path in bench.cluster.requests} == {"GET"}
    assert not bench.journal.exists()


def test_check_mode_takes_what_is_there_for_right(bench):
    bench.run()
    answer = bench.run(check=True)
    assert answer["changed"] is False
    bench.cluster.objects["secrets", "postgres-password"]["data"] = {}
    assert "update" in bench.steps(check=True)


def test_a_killed_run_leaves_a_task_that_the_next_one_removes_first(bench):
    spec = carrier.specification("before", "n1", "web:1", {NAME: f"id-{NAME}"}, 60)
    bench.swarm._post_json("/services/create", spec)
    assert bench.leftovers() == ["replatform-secret-copy-before"]
    assert bench.steps(check=True)[0] == "remove_leftover"
    assert bench.leftovers() == ["replatform-secret-copy-before"]
    assert bench.steps()[:2] == ["remove_leftover", "start_task"]
    assert bench.leftovers() == []
    assert bench.held() == PASSWORD


def interrupted(*_args, **_options):
    raise KeyboardInterrupt


class Killed(BaseException):
    """What ends a run with nothing tidied up."""


@pytest.mark.parametrize("at", range(24))
def test_killed_at_any_call_the_next_run_finishes(bench, at, monkeypatch):
    """O(at) counts the calls that change something or read a secret, before and after each."""
    moments = iter(range(24))

    def dying(call):
        def around(*args, **kwargs):
            if next(moments, None) == at:
                raise Killed
            answer = call(*args, **kwargs)
            if next(moments, None) == at:
                raise Killed
            return answer

        return around

    with monkeypatch.context() as patched:
        patched.setattr(copying_operations.Copy, "abandon", lambda self: None)
        for name in ("_post_json", "exec_create", "exec_start", "exec_inspect", "remove_service"):
            patched.setattr(bench.swarm, name, dying(getattr(bench.swarm, name)))
        for name in ("create", "patch"):
            patched.setattr(cluster_api.ClusterApi, name, dying(getattr(cluster_api.ClusterApi, name)))
        with contextlib.suppress(Killed), pytest.raises(SystemExit), patch_module_args(bench.arguments()):
            swarm_secret_copy.main()
    bench.capfd.readouterr()
    bench.swarm.still_running = 0
    bench.steps()
    assert bench.held() == PASSWORD
    assert bench.leftovers() == []
    assert bench.run()["changed"] is False


@pytest.mark.parametrize("fault", ["exec", "cluster", "task", "interrupt"])
def test_the_task_is_removed_however_the_run_ends(bench, fault, monkeypatch):
    if fault == "exec":
        bench.swarm.exit_code, bench.swarm.error = 126, b"cat: not found\n"
        assert "could not read secret postgres_password: cat: not found" in bench.refused()
    elif fault == "cluster":
        bench.cluster.forbidden = {"POST"}
        assert "api_token: it may not create secrets in namespace shop" in bench.refused()
    elif fault == "task":
        bench.swarm.task_states, bench.swarm.task_error = ["rejected"], "No such image: web:1"
        assert "'rejected' (No such image: web:1)" in bench.refused()
    else:
        monkeypatch.setattr(bench.swarm, "exec_start", interrupted)
        with pytest.raises(KeyboardInterrupt), patch_module_args(bench.arguments()):
            swarm_secret_copy.main()
    assert tuple(call[0] for call in bench.swarm.calls if call[0] != "exec") == ("create", "remove")
    assert bench.leftovers() == []


def test_a_race_with_another_writer_is_read_again(bench):
    def meanwhile():
        bench.cluster.before_write = lambda: None
        bench.cluster.put("secrets", "postgres-password", data={NAME: "b3RoZXI="})

    bench.cluster.before_write = meanwhile
    steps = bench.steps()
    assert steps[steps.index("create") :] == ["create", "update", "stop_task", "wait_for_end"]
    assert bench.held() == PASSWORD


def test_what_is_deleted_meanwhile_is_made_again(bench):
    def meanwhile():
        bench.cluster.before_write = lambda: None
        bench.cluster.objects.clear()

    bench.cluster.put("secrets", "postgres-password", data={NAME: "b3RoZXI="})
    bench.cluster.before_write = meanwhile
    assert [step for step in bench.steps() if step in ("create", "update")] == ["update", "create"]
    assert bench.held() == PASSWORD


def test_a_cluster_that_changes_values_is_not_written_for_ever(bench):
    bench.cluster.changes_values = True
    assert "something in the cluster changes it" in bench.refused()


def test_what_another_controller_keeps_is_not_overwritten(bench):
    owner = {"ownerReferences": [{"kind": "ExternalSecret", "name": "postgres", "controller": True}]}
    bench.cluster.put("secrets", "postgres-password", data={NAME: "b3RoZXI="}, metadata=owner)
    assert "ExternalSecret postgres keeps it so" in bench.refused()
    assert bench.held() == b"other"
    bench.cluster.put("secrets", "postgres-password", data={NAME: "b3RoZXI="}, immutable=True)
    assert "is immutable: delete it" in bench.refused()


def test_inputs_are_refused_before_anything_is_started(bench, monkeypatch):
    assert "secrets: the Swarm has none by the name nope" in bench.refused(secrets=[NAME, "nope"])
    assert "configs: the Swarm has none by the name nope" in bench.refused(configs=["nope"])
    assert "api_url: 'http://127.0.0.1' is no https:// address" in bench.refused(api_url="http://127.0.0.1")
    assert "api_ca: give the cluster's CA" in bench.refused(api_ca=" ")
    assert "api_ca: it is no certificate" in bench.refused(api_ca="nonsense")
    assert "docker_host: a secret is read" in bench.refused(docker_host="tcp://127.0.0.1:2375")
    assert "api_token: the cluster does not accept it" in bench.refused(api_token="another")
    bench.swarm.values["key_of_x"] = b"1"
    assert "Key.of_X and key_of_x would both be the Secret key-of-x" in bench.refused(secrets=["Key.of_X", "key_of_x"])
    bench.swarm.availability = "drain"
    assert "this manager takes no tasks" in bench.refused()
    bench.swarm.availability = "active"
    bench.swarm.service_list = []
    assert "image: no service mounts postgres_password" in bench.refused()
    bench.swarm.manager = False
    assert "no manager of a Swarm" in bench.refused()
    assert bench.swarm.calls == []


def test_no_other_ca_is_trusted(bench, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    other = FakeCluster(folder)
    other.stop()
    assert "api_ca: the certificate of https://127.0.0.1" in bench.refused(api_ca=other.ca)


def test_a_namespace_that_is_not_there(bench):
    assert "namespace: the cluster has no namespace shop2" in bench.refused(namespace="shop2")


def test_a_cluster_that_is_not_there(bench):
    bench.cluster.stop()
    assert "can't be reached" in bench.refused()
