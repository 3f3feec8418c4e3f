"""Stack files to values: what is kept of it, and that nothing secret is shown on the way."""

from __future__ import annotations

import pytest
from local_registry import Registry

pytestmark = pytest.mark.slow

SECRET = "correct-horse-battery-staple"
STACK = """
version: "3.8"
services:
  web:
    image: registry.example.com/web:1.0
    environment: {ADMIN_PASSWORD: correct-horse-battery-staple}
    ports: [{target: 80, published: 8080, mode: host}]
    secrets: [key]
    deploy:
      labels:
        traefik.http.routers.web.rule: Host(`shop.example.com`)
        traefik.http.routers.web.middlewares: safe
        traefik.http.services.web.loadbalancer.server.port: "80"
        traefik.http.middlewares.safe.headers.stsSeconds: "31536000"
secrets:
  key: {external: true}
"""
SPEC = {"Name": "shop_web", "TaskTemplate": {"ContainerSpec": {"Image": "registry.example.com/web:0.9"}}}
OBJECTS = {"networks": [], "configs": [], "secrets": [{"id": "s1", "name": "key", "own": False}]}


@pytest.fixture
def convert(play, tmp_path):
    def run(*options, entry="convert", stack=STACK, **more):
        (tmp_path / "stack.yml").write_text(stack, encoding="utf-8")
        live = {"name": "web", "full_name": "shop_web", "image": "registry.example.com/web:0.9", "replicas": 1}
        live |= {"mode": "replicated", "ports": [], "endpoints": [], "tasks": [], "spec": SPEC}
        swarm = {"swarm": "active", "is_manager": True, "nodes": [], "services": [live], "objects": OBJECTS}
        given = {"platform_stack": "shop", "platform_stack_files": [str(tmp_path / "stack.yml")], **more}
        given = {"platform_swarm": swarm, "platform_secrets": {"key": SECRET}, "__platform_current": {}, **given}
        return play(entry, *options, platform_namespace="shop", **given)

    return run


def test_the_verdicts_are_kept_as_pages_and_nothing_secret_is_shown(convert, tmp_path):
    status, text = convert("-vvv", "--diff")
    assert status == 0, text
    kept = {path.name: path for path in (tmp_path / "artifacts").iterdir()}
    assert sorted(kept) == ["values.generated.yaml", "verdicts.html", "verdicts.md"]
    assert {path.stat().st_mode & 0o777 for path in kept.values()} == {0o640}
    assert SECRET not in text and SECRET not in "".join(path.read_text("utf-8") for path in kept.values())
    values = kept["values.generated.yaml"].read_text("utf-8")
    assert "stsSeconds: 31536000" in values and "hostPort" not in values
    assert "web:0.9" in kept["verdicts.html"].read_text("utf-8")
    _status, text = convert()
    assert "changed=0" in text


def test_check_mode_writes_nothing(convert, tmp_path):
    status, text = convert("--check", "--diff")
    assert status == 0, text
    assert not (tmp_path / "artifacts").exists()


def test_a_refusal_is_told_though_the_values_are_hidden(convert):
    status, text = convert(stack=STACK.replace("image:", "imago: x\n    image:"))
    assert status == 2
    assert "platform_stack_files: " in text and "imago" in text and SECRET not in text


def whole(convert, tmp_path, registry="127.0.0.1:1", **more):
    """The whole role in check mode, on a controller without a cluster."""
    absent = {"platform_kubeconfig": str(tmp_path / "kubeconfig"), "platform_helm_path": str(tmp_path / "helm")}
    given = {"platform_node_addresses": [], "platform_secrets": {}, "platform_swarm_secrets": ["key"]}
    stack = STACK.replace("registry.example.com", registry)
    return convert("--check", "--diff", entry="main", stack=stack, **absent, **given, **more)


def test_check_mode_without_a_cluster_says_where_it_ends(convert, tmp_path):
    status, text = whole(convert, tmp_path)
    assert status == 0, text
    assert "there is no cluster yet" in text and SECRET not in text


def test_an_image_that_no_node_could_pull_is_refused_before_there_is_a_cluster(convert, tmp_path):
    status, text = whole(convert, tmp_path, platform_node_architectures={"node-1": "arm64"})
    assert status == 2
    assert "platform_stack_files: 127.0.0.1:1/web:1.0" in text and "(web)" in text


@pytest.fixture
def registry(tmp_path):
    (tmp_path / "registry").mkdir()
    started = Registry(tmp_path / "registry")
    yield started
    started.stop()


def test_an_image_that_is_there_and_lacks_an_architecture_is_refused_in_one_line(convert, tmp_path, registry):
    more = {"platform_plain_http_registries": [registry.address]}
    amd64 = registry.image("web", "amd64", "1.0")

    def judge(**nodes):
        return whole(convert, tmp_path, registry.address, platform_node_architectures=nodes, **more)

    status, text = judge(one="amd64")
    assert status == 0, text
    status, text = judge(one="amd64", two="arm64")
    assert status == 2 and not (tmp_path / "artifacts").exists()
    fault = (
        f"platform_stack_files: {registry.address}/web:1.0: not for arm64, only for amd64:"
        " build it for them, or keep the service off such nodes (web)"
    )
    lines = [line for line in text.splitlines() if "platform_stack_files: " in line]
    assert lines and all(fault in line for line in lines)
    registry.index("web", "1.0", [amd64, registry.image("web", "arm64")])
    status, text = judge(one="amd64", two="arm64")
    assert status == 0, text


def test_a_secret_that_nobody_brings_is_refused(convert):
    status, text = convert(platform_secrets={})
    assert status == 2
    assert "platform_secrets: give the value of key, or name it in platform_swarm_secrets" in text


def test_the_images_of_an_umbrella_and_of_its_test_are_asked_for(convert, tmp_path):
    more = {"platform_umbrella": True, "platform_test_image": "127.0.0.1:1/busybox:1"}
    status, text = whole(convert, tmp_path, platform_node_architectures={"node-1": "arm64"}, **more)
    assert status == 2
    assert "127.0.0.1:1/web:1.0" in text and "(helm test)" in text
