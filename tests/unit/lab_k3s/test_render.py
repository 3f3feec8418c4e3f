"""What is written for other programs: they must be able to read it, and it must say what was asked for."""

from __future__ import annotations

import pytest
import tomllib
import yaml
from k3s_standin import containerd, controlplane, haproxy, kubeconfig, kubelet, logs, packaged
from k3s_standin.settings import resolve

SHARED = {"cluster-cidr": "10.42.0.0/16", "cluster-dns": "10.43.0.10", "cluster-domain": "cluster.local"}


def server(**values):
    return resolve("server", {"node-ip": ["172.31.77.11"], "node-name": "one", **values})


def test_claimed_identities_are_removed_before_proven_ones_are_set():
    rules = [line.strip() for line in haproxy.config(server()).splitlines() if "http-request" in line]
    rules = [rule for rule in rules if rule.startswith("http-request") and "X-Remote" in rule]
    assert rules[0] == "http-request del-header X-Remote- -m beg"
    assert all(" if certified" in rule for rule in rules[1:]) and len(rules) == 2 + haproxy.GROUPS


def test_the_api_is_reached_only_over_verified_tls():
    text = haproxy.config(server(**{"https-listen-port": "7443", "bind-address": "172.31.77.11"}))
    assert "bind 172.31.77.11:7443 ssl" in text
    assert "server api 127.0.0.1:6444 ssl verify required" in text


def test_component_arguments_overrule_and_extend():
    command = controlplane.apiserver(server(**{"kube-apiserver-arg": ["profiling=true", "audit-log-path=/x=y"]}))
    assert "--profiling=true" in command and "--profiling=false" not in command
    assert "--audit-log-path=/x=y" in command


def test_containerd_learns_runtimes_and_registries():
    registries = {
        "mirrors": {"172.31.77.2:5000": {"endpoint": ["http://172.31.77.2:5000"]}, "docker.io": None},
        "configs": {"r.lab": {"auth": {"username": "u", "password": 'p"w'}, "tls": {"insecure_skip_verify": True}}},
    }
    settings = server(**{"default-runtime": "nvidia"})
    cri = tomllib.loads(containerd.config(settings, {"nvidia": "/usr/bin/nvidia-container-runtime"}, registries))
    cri = cri["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["containerd"]["default_runtime_name"] == "nvidia"
    assert cri["containerd"]["runtimes"]["nvidia"]["options"]["BinaryName"] == "/usr/bin/nvidia-container-runtime"
    assert cri["registry"]["mirrors"]["172.31.77.2:5000"]["endpoint"] == ["http://172.31.77.2:5000"]
    assert cri["registry"]["configs"]["r.lab"]["auth"]["password"] == 'p"w'
    assert cri["registry"]["configs"]["r.lab"]["tls"]["insecure_skip_verify"] is True


def test_a_default_runtime_that_is_not_there_ends_it():
    with pytest.raises(logs.Fatal, match="default runtime nvidia was not found"):
        containerd.config(server(**{"default-runtime": "nvidia"}), {}, {})


def test_a_broken_registries_file_is_named(tmp_path):
    file = tmp_path / "registries.yaml"
    file.write_text("mirrors: [")
    with pytest.raises(logs.Fatal, match="failed to parse .*registries.yaml"):
        containerd.read_registries(file)


def test_the_kubelet_gets_its_own_cgroups_labels_and_taints():
    settings = server(**{"node-label": ["a=1", "b=2"], "node-taint": ["k=v:NoSchedule", "k:NoExecute"]})
    assert kubelet.kubelet_config(settings, SHARED, "/docker/abc")["cgroupRoot"] == "/docker/abc"
    command = kubelet.kubelet(settings, settings.agent_dir / "etc/kubelet.yaml", "")
    assert "--node-labels=a=1,b=2" in command
    assert "--register-with-taints=k=v:NoSchedule,k=:NoExecute" in command


def test_empty_settings_leave_no_empty_flags():
    command = kubelet.kubelet(server(), server().agent_dir / "x", "")
    assert not [word for word in command if word.endswith("=")]


def test_the_kubeconfig_calls_everything_default():
    document = yaml.safe_load(kubeconfig.render("https://127.0.0.1:6443", b"ca", b"crt", b"key"))
    names = [document[kind][0]["name"] for kind in ("clusters", "contexts", "users")] + [document["current-context"]]
    assert set(names) == {"default"}
    assert document["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:6443"


@pytest.mark.parametrize("name", packaged.OURS)
def test_packaged_manifests_are_whole(name):
    text = packaged.render(name, server(**{"cluster-dns": "10.43.0.99"}))
    documents = list(yaml.safe_load_all(text))
    assert all(document["apiVersion"] and document["kind"] and document["metadata"]["name"] for document in documents)
    assert "%{" not in text
    if name == "coredns":
        assert documents[-1]["spec"]["clusterIP"] == "10.43.0.99"


def test_disabled_components_are_taken_away_and_skipped_files_left_alone(tmp_path, monkeypatch):
    deployer = packaged.Deployer(server(**{"data-dir": str(tmp_path)}))
    calls = []
    monkeypatch.setattr(deployer, "kubectl", lambda *words: calls.append(words))
    deployer.write_packaged()
    (deployer.folder / "mine.yaml").write_text("a: 1")
    (deployer.folder / "local-storage.yaml.skip").touch()
    assert [file.stem for file in deployer.manifests()] == ["coredns", "mine", "rolebindings", "runtimes"]
    without = packaged.Deployer(server(**{"data-dir": str(tmp_path), "disable": ["coredns", "traefik"]}))
    monkeypatch.setattr(without, "kubectl", lambda *words: calls.append(words))
    without.write_packaged()
    assert not (without.folder / "coredns.yaml").exists()
    assert [call[0] for call in calls] == ["delete"]
