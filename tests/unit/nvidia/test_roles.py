"""The roles in real plays, on a host that is a folder and a cluster that is a dictionary."""

from __future__ import annotations

import json
import os
import pathlib

import fake_api
import played
import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
PRESENT = "nvidia.com/gpu.present"
PLUGIN = {"app.kubernetes.io/name": "nvidia-device-plugin"}


class Host:
    """A folder with one A10 in it, and programs that say what a test wants them to."""

    def __init__(self, folder):
        self.folder = folder
        card = folder / "root/sys/bus/pci/devices/0000:01:00.0"
        card.mkdir(parents=True)
        for name, text in (("vendor", "0x10de"), ("device", "0x2236"), ("class", "0x030200")):
            (card / name).write_text(text)
        (folder / "bin").mkdir()
        self.program("docker", "exit 2")

    def program(self, name, script):
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def driver(self, version, flavour="Open Kernel Module for x86_64"):
        for path, text in (
            ("sys/module/nvidia/version", version),
            ("proc/driver/nvidia/version", f"NVRM version: NVIDIA UNIX {flavour}  {version}  Release Build\n"),
        ):
            (self.folder / "root" / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / "root" / path).write_text(text)

    def play(self, role, *options, entry="main", server=None, **variables):
        """The exit status, and what a play with one role has said."""
        if server:
            cluster = {"server": f"http://127.0.0.1:{server.server_port}"}
            context = {"cluster": "c", "user": "u"}
            config = {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "clusters": [{"name": "c", "cluster": cluster}],
                "users": [{"name": "u", "user": {}}],
                "contexts": [{"name": "x", "context": context}],
            }
            (self.folder / "kubeconfig").write_text(yaml.safe_dump(config))
        task = {"ansible.builtin.include_role": {"name": f"sophia.replatform.{role}", "tasks_from": entry}}
        more = {
            "nvidia_driver_root": str(self.folder / "root"),
            "nvidia_device_plugin_root": str(self.folder / "root"),
            "nvidia_device_plugin_kubeconfig": str(self.folder / "kubeconfig"),
            "nvidia_device_plugin_ready_timeout": 5,
            "__nvidia_device_plugin_delay": 0,
            **variables,
        }
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        inventory = {"gpu": {"hosts": {"gpu-1": {"ansible_connection": "local"}}}}
        plays = [{"hosts": "gpu", "gather_facts": False, "tasks": [task]}]
        given = ("-e", json.dumps(more), *options)
        done = played.play(self.folder, inventory, plays, *given, PATH=path, TMPDIR=str(self.folder))
        return done.code, done.said


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def node(name, labels=None, **allocatable):
    status = {"allocatable": {"nvidia.com/" + key: str(count) for key, count in allocatable.items()}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels or {}}, "status": status}


def pod(name, on="gpu-1", revision="new", gpu=False):
    labels = {**PLUGIN, "controller-revision-hash": revision} if revision else {}
    container = {"name": "c", "env": [{"name": "TOKEN", "value": "s3cret"}]}
    if gpu:
        container["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels},
        "spec": {"nodeName": on, "containers": [container]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def daemonset(observed=2):
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "nvidia-device-plugin", "namespace": "kube-system", "uid": "u", "generation": 2},
        "status": {"observedGeneration": observed},
    }


def revision(name, number):
    labels = {**PLUGIN, "controller-revision-hash": name}
    metadata = {"name": name, "namespace": "kube-system", "labels": labels, "ownerReferences": [{"uid": "u"}]}
    return {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "revision": number}


def offering(name, **more):
    return node(name, {PRESENT: "true", "nvidia.com/device-plugin.config": "shared"}, **more)


@pytest.mark.parametrize(
    ("objects", "said"),
    [
        ([daemonset(), pod("new")], ""),
        ([daemonset(), pod("old", revision="old")], "the node's pod of nvidia-device-plugin is of an earlier revision"),
    ],
)
def test_what_a_node_offers_is_counted_when_the_present_plugin_runs_there(host, objects, said):
    with fake_api.cluster([offering("gpu-1", gpu=1), revision("old", 1), revision("new", 2), *objects]) as server:
        code, told = host.play("nvidia_device_plugin", entry="node", server=server, **counted())
        assert server.objects["Node", "gpu-1"]["metadata"]["labels"] == {PRESENT: "true"}
    assert (code == 0) is (not said) and said in told, told


def counted():
    """What entry point C(observe) would have found before."""
    return {"nvidia_device_plugin_node_config": "", "__nvidia_device_plugin_gpu": {"profile": {"gpu_count": 1}}}


def test_a_nodes_gpus_are_taken_back_and_the_last_one_takes_the_plugin_along(host):
    ours = {
        "kind": "RuntimeClass",
        "metadata": {"name": "nvidia", "labels": {"app.kubernetes.io/managed-by": "replatform"}},
    }
    objects = [offering("gpu-1"), offering("gpu-2"), daemonset(), pod("theirs", on="gpu-2", revision="", gpu=True)]
    state = {"nvidia_device_plugin_state": "absent"}
    with fake_api.cluster([*objects, {**ours, "apiVersion": "node.k8s.io/v1"}]) as server:
        code, told = host.play("nvidia_device_plugin", "--check", server=server, **state)
        assert code == 0 and "changed=1" in told and not server.changes, told
        code, told = host.play("nvidia_device_plugin", "-v", server=server, **state)
        assert code == 0 and server.changes == [("patch", "Node", "gpu-1")], told
        assert server.objects["Node", "gpu-1"]["metadata"]["labels"] == {}
        assert "s3cret" not in told
        code, told = host.play("nvidia_device_plugin", server=server, **state)
        assert code == 0 and "changed=0" in told, told
        server.objects["Node", "gpu-2"]["metadata"]["labels"].clear()
        code, told = host.play("nvidia_device_plugin", server=server, **state)
        assert code == 0 and {kind for kind, _name in server.objects} == {"Node", "Pod"}, told


def test_gpus_are_not_taken_from_a_pod_that_uses_them(host):
    with fake_api.cluster([offering("gpu-1"), pod("rag", revision="", gpu=True)]) as server:
        code, told = host.play("nvidia_device_plugin", server=server, nvidia_device_plugin_state="absent")
        assert code and "kube-system/rag use a GPU of gpu-1; move or stop them first" in told
        assert not server.changes


def docker(host, *containers, state="inactive"):
    (host.folder / "inspected").write_text(json.dumps(list(containers)))
    (host.folder / "info").write_text(json.dumps({"Swarm": {"LocalNodeState": state}}))
    host.program(
        "docker",
        f'case "$1" in ps) echo c1 ;; inspect) cat {host.folder}/inspected ;; info) cat {host.folder}/info ;; esac',
    )


AGENT = {"Name": "/agent", "Config": {"Env": ["TOKEN=s3cret"]}, "HostConfig": {"Privileged": True}}


@pytest.mark.parametrize(
    ("variables", "state", "said"),
    [
        ({}, "inactive", "agent are privileged and so see every GPU of this host"),
        ({"nvidia_device_plugin_without_gpu": ["agent"]}, "inactive", ""),
        ({"nvidia_device_plugin_without_gpu": ["agent"]}, "locked", "run docker swarm unlock first"),
    ],
)
def test_the_gate(host, variables, state, said):
    docker(host, AGENT, state=state)
    code, told = host.play("nvidia_device_plugin", "-v", entry="gate", **variables)
    assert (code == 0) is (not said) and said in told, told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("services", "said"),
    [
        ("s1", ""),
        ("s1 s2", "shop_bare lack the constraint"),
        ("", ""),
        ("fails", "services that no manager has told of"),
        ("s1 gone", "services that no manager has told of"),
    ],
)
def test_the_gate_asks_a_manager_what_the_swarm_has_withdrawn(host, services, said):
    gpus = {"Reservations": {"GenericResources": [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 1}}]}}
    keep_off = {"Constraints": ["node.labels.replatform.sophia.ai.gpu!=k3s"]}
    for name, text in {
        "info": {
            "Swarm": {"LocalNodeState": "active", "NodeID": "n1"},
            "GenericResources": [{"NamedResourceSpec": {"Kind": "NVIDIA-GPU", "Value": "GPU-0"}}],
        },
        "node": {"Availability": "active", "Labels": {"replatform.sophia.ai.gpu": "k3s"}},
        "s1": {"name": "shop_rag", "resources": gpus, "placement": keep_off},
        "s2": {"name": "shop_bare", "resources": gpus, "placement": None},
    }.items():
        (host.folder / name).write_text(json.dumps(text) + "\n")
    listed = "exit 1" if services == "fails" else f"printf '%s\\n' {services}"
    host.program(
        "docker",
        f"""cd {host.folder}
        case "$1 $2" in
        "ps "*) ;;
        "info "*) cat info ;;
        "node inspect") cat node ;;
        "service ls") {listed} ;;
        "service inspect") shift 4; cat "$@" ;;
        esac""",
    )
    code, told = host.play("nvidia_device_plugin", entry="gate", nvidia_device_plugin_swarm_manager="gpu-1")
    assert (code == 0) is (not said) and said in told and "changed=0" in told, told


def hand_over(host, server, *options, entry="gpus", **variables):
    given = {
        "cutover_gpus": "handed_over",
        "cutover_seen": {"swarm": "inactive", "is_manager": False, "services": [], "hostname": "gpu-1"},
        "cutover_swarm_hosts": ["gpu-1"],
        "cutover_stack": "shop",
        "cutover_namespace": "kube-system",
        "cutover_kubeconfig": str(host.folder / "kubeconfig"),
        "nvidia_device_plugin_image": "plugin@sha256:" + 64 * "0",
    }
    return host.play("cutover", *options, entry=entry, server=server, **{**given, **variables})


def test_gpus_are_handed_over_when_there_are_enough_and_a_second_run_changes_nothing(host):
    with fake_api.cluster([offering("gpu-1", gpu=1), pod("rag", revision="", gpu=True)]) as server:
        code, told = hand_over(host, server)
        assert code == 0 and "changed=0" in told, told
        assert not server.changes


def test_too_few_gpus_are_told_in_a_line_and_nothing_is_changed(host):
    pods = [pod(name, on=None, revision="", gpu=True) for name in ("rag-a", "rag-b")]
    with fake_api.cluster([node("gpu-1", gpu=0), *pods]) as server:
        code, told = hand_over(host, server)
        assert (
            code
            and "K3s is asked for 2 GPUs (rag-a 1, rag-b 1), and the hosts whose GPUs the Swarm does not use have 1 (gpu-1)"
            in told
        )
        assert not server.changes and "s3cret" not in told
        code, told = hand_over(host, server, cutover_gpus="left")
        assert code == 0 and not server.changes, told


def test_without_a_cluster_check_mode_says_what_would_be_handed_over_and_a_run_is_refused(host):
    code, told = hand_over(host, None, "--check")
    assert code == 0 and "the GPUs of gpu-1 would be handed over to K3s" in told, told
    code, told = hand_over(host, None)
    assert code and "(cutover_kubeconfig) is missing; run phase 2 first" in told


def test_gpus_are_not_handed_over_to_a_plugin_that_is_not_named(host):
    code, told = hand_over(host, None, nvidia_device_plugin_image="")
    assert code and "nvidia_device_plugin_image is not set" in told and "cutover_gpus: left" in told, told


def test_what_the_gate_refuses_is_told_and_the_node_gets_no_label(host):
    privileged = [
        {"Name": "/agent", "Config": {"Env": ["NVIDIA_VISIBLE_DEVICES=all"]}, "HostConfig": {"Privileged": True}}
    ]
    (host.folder / "containers").write_text(json.dumps(privileged))
    info = json.dumps({"Swarm": {"LocalNodeState": "inactive"}, "GenericResources": None})
    (host.folder / "info").write_text(info)
    host.program(
        "docker",
        f"""cd {host.folder}
        case "$1" in
        ps) echo agent ;;
        inspect) cat containers ;;
        info) cat info ;;
        esac""",
    )
    with fake_api.cluster([node("gpu-1", gpu=0)]) as server:
        code, told = hand_over(host, server, "--check")
        assert code == 0 and "K3s would offer the GPUs of gpu-1" in told and not server.changes, told
        code, told = hand_over(host, server)
        assert code and "agent" in told and "rescued=1" in told and not server.changes, told


def test_gpus_that_k3s_offers_while_the_swarm_uses_them_are_refused(host):
    with fake_api.cluster([offering("gpu-1", gpu=1)]) as server:
        busy = {"free": [], "faults": [], "waiting": []}
        code, told = hand_over(host, server, __cutover_gpus=busy)
        assert code and "K3s offers the GPUs of gpu-1, and a task of the Swarm has one" in told, told
        assert not server.changes


def test_a_node_that_offers_less_than_its_host_has_is_looked_after(host):
    with fake_api.cluster([offering("gpu-1", gpu=0)]) as server:
        code, told = hand_over(host, server)
        assert code and "Bring the plugin to the cluster] " in told, told  # which the stand-in can not make


def test_a_swarm_that_is_made_again_gets_the_gpus_that_no_pod_uses(host):
    with fake_api.cluster([offering("gpu-1", gpu=1), pod("rag", revision="", gpu=True)]) as server:
        code, told = hand_over(host, server, entry="gpus_spare")
        assert code == 0 and not server.changes, told
    with fake_api.cluster([node("gpu-1", gpu=0), pod("rag", revision="", gpu=True)]) as server:
        code, told = hand_over(host, server, "-v", entry="gpus_spare")
        assert code == 0 and '"cutover_gpus_kept": true' in told and not server.changes, told
    with fake_api.cluster([offering("gpu-1", gpu=1)]) as server:
        code, told = hand_over(host, server, entry="gpus_spare", cutover_gpus="left")
        assert code == 0 and not server.changes, told
        code, told = hand_over(host, server, entry="gpus_spare")
        assert code == 0 and PRESENT not in server.objects["Node", "gpu-1"]["metadata"]["labels"], told
        code, told = hand_over(host, server, entry="gpus_spare", cutover_swarm_hosts=["other"])
        assert code == 0, told
    (host.folder / "kubeconfig").unlink()
    code, told = hand_over(host, None, entry="gpus_spare")
    assert code and "(cutover_kubeconfig) is missing" in told, told
    assert code and "whose the GPUs of gpu-1 are is not known" in told and "-e cutover_gpus=left" in told, told


def test_gpus_that_the_swarm_gets_back_are_taken_from_k3s(host):
    with fake_api.cluster([offering("gpu-1", gpu=1)]) as server:
        code, told = hand_over(host, server, entry="gpus_back")
        assert code == 0 and PRESENT not in server.objects["Node", "gpu-1"]["metadata"]["labels"], told


PLANNED = {"nvidia_driver_plan": {"action": "install", "modules": "none"}}


def test_a_host_is_released_with_the_driver_that_it_was_given_alone(host):
    code, told = host.play("nvidia_driver", entry="loaded", **PLANNED)
    assert code and "no driver is loaded in the kernel" in told
    host.driver("580.65.06")
    code, told = host.play("nvidia_driver", entry="loaded", **PLANNED)
    assert code == 0, told
    (host.folder / "root/sys/module/nouveau").mkdir()
    code, told = host.play("nvidia_driver", entry="loaded", **PLANNED)
    assert code and "nouveau is loaded" in told


def test_an_interrupted_dpkg_is_mended_or_refused_in_one_line(host):
    line = {"nvidia_driver_unfinished": "dpkg was interrupted with nvidia-smi"}
    host.program("dpkg", f'echo "$@" >>{host.folder}/ran')
    code, told = host.play("nvidia_driver", "--check", entry="mended", **line)
    assert code and "dpkg was interrupted with nvidia-smi; a run sets it up first" in told
    assert not (host.folder / "ran").exists()
    code, told = host.play("nvidia_driver", entry="mended", **line)
    assert code == 0 and (host.folder / "ran").read_text() == "--force-confdef --force-confold --configure -a\n", told
    host.program("dpkg", "echo 'nvidia-smi is very broken' >&2; exit 1")
    code, told = host.play("nvidia_driver", entry="mended", **line)
    assert code and "ended with 1" in told and "nvidia-smi is very broken; mend it by hand" in told
