"""Who needs the Docker Engine of a host, and which packages are it."""

from __future__ import annotations

import pathlib
import socket

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, engine


def container(name: str, stack: str = "", state: str = "running") -> dict[str, object]:
    labels = {"com.docker.stack.namespace": stack} if stack else None
    return {"Id": "0123456789abcdef", "Names": [f"/{name}"], "Labels": labels, "State": state}


def test_containers_that_are_not_the_stacks_need_it_also_stopped_ones() -> None:
    there = [container("shop_web.1", "shop"), container("old", state="exited"), container("other_web.1", "other")]
    assert engine.needed_by(there, "shop", {}, False) == ["container old (exited)", "container other_web.1 (running)"]
    assert engine.needed_by([{"Id": "0123456789abcdef"}], "shop", {}, True) == [
        "container 0123456789ab (unknown)",
        "cri-dockerd",
    ]


@pytest.mark.parametrize(
    "text", ["docker: true\n", "token: x\n\"docker\": 'true'\n", "ExecStart=/k3s server --docker\n", "'--docker'\n"]
)
def test_k3s_may_need_it(text: str) -> None:
    assert engine.needed_by([], "shop", {"/k3s": text}, False) == ["K3s (docker: true in /k3s)"]


@pytest.mark.parametrize("text", ["docker: false\n", "# docker: true\n", "disable-docker: true\n", "--docker-x\n"])
def test_k3s_does_not_need_it(text: str) -> None:
    assert engine.needed_by([], "shop", {"/k3s": text}, False) == []


LISTED = """\
containerd ii
containerd.io:amd64 ii
docker-ce:amd64 ii
docker-compose-plugin rc
docker.io ii
python3-docker ii
"""


def test_a_distributions_containerd_and_what_others_use_stay() -> None:
    there = engine.installed(LISTED)
    assert "docker-compose-plugin" not in there
    assert engine.to_remove(there, ["moby"], {}) == ["docker-ce", "docker.io", "containerd.io"]
    assert engine.to_remove(there, ["moby", "k8s.io"], {}) == ["docker-ce", "docker.io"]
    text = 'container-runtime-endpoint: "unix:///run/containerd/containerd.sock"'
    assert engine.to_remove(there, [], {"/config.yaml": text}) == ["docker-ce", "docker.io"]
    own = "container-runtime-endpoint: unix:///run/k3s/containerd/containerd.sock"
    assert "containerd.io" in engine.to_remove(there, [], {"/config.yaml": own})


def test_a_host_without_docker_is_told_from_one_whose_docker_is_down(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "docker.sock"
    given = {"docker_host": f"unix://{path}"}
    assert client.is_removed(given, lambda _name: None)
    assert not client.is_removed(given, lambda _name: "/usr/sbin/dockerd")
    assert not client.is_removed({"docker_host": "tcp://192.0.2.1:2376"}, lambda _name: None)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        assert client.is_removed(given, lambda _name: None)
        listening.listen()
        assert not client.is_removed(given, lambda _name: None)


def test_what_depends_on_docker_would_go_along() -> None:
    said = "Reading...\nRemv lab-tool [1.0]\nRemv docker.io:amd64 [26]\nInst x\n"
    assert engine.goes_along(said, ["docker.io"]) == ["lab-tool"]
