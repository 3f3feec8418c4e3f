"""After the restoration: the Swarm is as it was kept, its services run and answer, and nothing but its IDs is another."""

from __future__ import annotations

import json
import pathlib
import subprocess
import typing as t

import pytest
import testinfra

LAB = "docker://replatform-lab-"
HOSTS = (
    "sophia-production-instance",
    "sophia-ai-core",
    "sophia-mcp-orchestrator",
    "sophia-data-pipeline",
    "sophia-development",
)
WHOAMI = "curl -sS --max-time 30 http://127.0.0.1:%s/whoami"
TICK = "bash -c 'exec 3<>/dev/tcp/127.0.0.1/%s; echo restored >&3; timeout 30 head -n 1 <&3'"
GPU = "replatform.sophia.ai.gpu"
FILE = "/var/lib/replatform/swarm-sophia.json"


@pytest.fixture(name="leader", scope="module")
def leader_fixture() -> t.Any:
    hosts = [testinfra.get_host(f"{LAB}{name}") for name in HOSTS]
    (leader,) = [host for host in hosts if host.file(FILE).exists]
    return leader


@pytest.fixture(name="kept", scope="module")
def kept_fixture(leader: t.Any) -> dict[str, t.Any]:
    return dict(json.loads(leader.file(FILE).content_string))


@pytest.fixture(name="specs", scope="module")
def specs_fixture(leader: t.Any) -> dict[str, dict[str, t.Any]]:
    return {one["Spec"]["Name"]: one["Spec"] for one in listed(leader, "services")}


def listed(leader: t.Any, kind: str) -> list[dict[str, t.Any]]:
    """As the API tells it; the command line fills in what it leaves out."""
    asked = f"curl -sS --unix-socket /var/run/docker.sock http://docker/{kind}"
    return list(json.loads(leader.check_output(asked)))


def named(spec: dict[str, t.Any], names: dict[str, str]) -> str:
    """The spec as text, with names in place of IDs."""
    text = json.dumps(spec, sort_keys=True)
    for identity, name in names.items():
        text = text.replace(identity, name)
    return text


def kubectl(*arguments: str) -> list[dict[str, t.Any]]:
    """What the cluster says."""
    kubeconfig = pathlib.Path(__file__).parents[3] / "artifacts/lab/kubeconfig"
    command = ["kubectl", "--kubeconfig", str(kubeconfig), "get", *arguments, "-o", "json"]
    return list(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["items"])


@pytest.fixture(name="on_k3s", scope="module")
def on_k3s_fixture() -> list[str]:
    """The nodes on which a pod has a GPU."""
    return [
        pod["spec"]["nodeName"]
        for pod in kubectl("pods", "--all-namespaces")
        for container in pod["spec"]["containers"]
        if "nvidia.com/gpu" in (container["resources"].get("limits") or {})
    ]


def test_no_gpu_belongs_to_both(leader: t.Any, on_k3s: list[str]) -> None:
    offered = [node["metadata"]["name"] for node in kubectl("nodes", "--selector", "nvidia.com/gpu.present=true")]
    assert len(on_k3s) == 1 and offered == on_k3s
    asked = "docker service ps sophia_rag-pipeline --filter desired-state=running --format '{{.Node}}'"
    assert len(set(leader.check_output(asked).split()) - set(on_k3s)) == 1


def test_the_nodes_are_who_they_were(leader: t.Any, kept: dict[str, t.Any], on_k3s: list[str]) -> None:
    nodes = {one["Description"]["Hostname"]: one for one in listed(leader, "nodes")}
    assert sorted(nodes) == sorted(HOSTS)
    for was in kept["nodes"]:
        spec = nodes[was["hostname"]]["Spec"]
        labels = {key: value for key, value in was["labels"].items() if key != GPU}
        if was["hostname"] in on_k3s:
            labels[GPU] = "k3s"
        assert (spec["Role"], spec["Availability"], spec["Labels"]) == (was["role"], was["availability"], labels)
        assert nodes[was["hostname"]]["Status"]["State"] == "ready"


def test_every_spec_is_as_it_was_kept(
    leader: t.Any, kept: dict[str, t.Any], specs: dict[str, dict[str, t.Any]]
) -> None:
    now = {one["ID"]: one["Spec"]["Name"] for kind in ("secrets", "configs") for one in listed(leader, kind)}
    now |= {one["Id"]: one["Name"] for one in listed(leader, "networks")}
    then = {one["id"]: one["name"] for kind in ("networks", "secrets", "configs") for one in kept["objects"][kind]}
    assert specs.keys() == kept["specs"].keys()
    for name, spec in kept["specs"].items():
        assert named(specs[name], now) == named(spec, then), name


def test_the_networks_are_where_they_were(leader: t.Any, kept: dict[str, t.Any]) -> None:
    now = {one["Name"]: one for one in listed(leader, "networks")}
    own = [one for one in kept["objects"]["networks"] if one["own"]]
    assert own
    for was in own:
        assert now[was["name"]]["Labels"]["com.docker.stack.namespace"] == "sophia"
        assert [one["Subnet"] for one in now[was["name"]]["IPAM"]["Config"]] == [one["Subnet"] for one in was["pools"]]


def test_every_task_runs_and_every_service_answers(leader: t.Any, specs: dict[str, dict[str, t.Any]]) -> None:
    counts = leader.check_output("docker service ls --format '{{.Name}} {{.Replicas}}'").splitlines()
    for name, count in (line.split(" ", 1) for line in counts):
        running, wanted = count.split(" ")[0].split("/")
        assert running == wanted == str(specs[name]["Mode"]["Replicated"]["Replicas"]), name
    asked = 0
    for host in map(testinfra.get_host, (f"{LAB}{name}" for name in HOSTS)):
        for line in host.check_output("docker ps --format '{{.Label \"com.docker.swarm.service.name\"}}'").splitlines():
            port = specs[line]["EndpointSpec"]["Ports"][0]["PublishedPort"] if line else 0
            if specs.get(line, {}).get("Labels", {}).get("sophia.group") not in (None, "data"):
                answer = json.loads(host.check_output(TICK if line == "sophia_ticker" else WHOAMI, str(port)))
                assert answer.get("service", "ticker") == line.removeprefix("sophia_")
                assert answer["orchestrator"] == "swarm"
                asked += 1
    assert asked >= 12


def test_the_old_stores_take_no_writes(leader: t.Any) -> None:
    data = testinfra.get_host(f"{LAB}sophia-data-pipeline")
    postgres, redis = (
        data.check_output(f"docker ps --quiet --filter label=com.docker.swarm.service.name=sophia_{name}")
        for name in ("postgres", "redis")
    )
    either = "pg_is_in_recovery() OR current_setting($$default_transaction_read_only$$) = $$on$$"
    asked = f"psql -U sophia -d sophia -XAtc 'SELECT {either}'"
    assert data.check_output(f"docker exec {postgres} {asked}") == "t"
    assert "role:slave" in data.check_output(f"docker exec {redis} redis-cli info replication")
