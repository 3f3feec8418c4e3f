"""The lab is what it says: five hosts, one Swarm with three managers, the sample platform, the mirror, the registry."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import socket
import subprocess
import urllib.error
import urllib.request
import uuid
from typing import Any
from urllib.parse import quote

import pytest
import yaml

# A manager: what concerns every host is asked of the Swarm.
testinfra_hosts = ["docker://replatform-lab-sophia-production-instance"]

PROJECT = pathlib.Path(__file__).parents[3]
MIRROR = "http://172.31.77.2"
REGISTRY = "http://172.31.77.2:5000"
SERVICES = yaml.safe_load((PROJECT / "lab/services/docker-stack.yml").read_text(encoding="utf-8"))["services"]
WEB = sorted(set(SERVICES) - {"postgres", "pgbouncer", "redis", "ticker"})
RELEASES = [
    ("/k3s-io/k3s/releases/download/v1.20.2+k3s1", "sha256sum-amd64.txt", ["k3s", "k3s-airgap-images-amd64.tar"]),
    ("/helm", "helm-v3.17.2-linux-amd64.tar.gz.sha256sum", ["helm-v3.17.2-linux-amd64.tar.gz"]),
    (
        "/traefik/traefik/releases/download/v3.7.15",
        "traefik_v3.7.15_checksums.txt",
        ["traefik_v3.7.15_linux_amd64.tar.gz"],
    ),
]


def fetch(url: str, body: dict[str, Any] | None = None, **headers: str) -> tuple[Any, bytes]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data=data, headers=headers), timeout=10) as response:
        return response, response.read()


def fetch_json(url: str, body: dict[str, Any] | None = None) -> Any:
    return json.loads(fetch(url, body)[1])


def inspect(host: Any, kind: str, names: list[str]) -> list[dict[str, Any]]:
    return json.loads(host.check_output(f"docker {kind} inspect {' '.join(names)}"))


@pytest.fixture(scope="module")
def nodes(host: Any) -> list[dict[str, Any]]:
    return inspect(host, "node", host.check_output("docker node ls -q").split())


@pytest.fixture(scope="module")
def endpoints(host: Any, nodes: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Where each service answers: address and port of every task that runs."""
    addresses = {node["Description"]["Hostname"]: node["Status"]["Addr"] for node in nodes}
    found: dict[str, list[str]] = {name: [] for name in SERVICES}
    table = "docker stack ps sophia --filter desired-state=running --format '{{.Name}} {{.Node}} {{.CurrentState}}'"
    for line in host.check_output(table).splitlines():
        name, node, state = line.split()[:3]
        assert state == "Running", line
        name = name.split(".")[0].removeprefix("sophia_")
        found[name].append(f"{addresses[node]}:{SERVICES[name]['ports'][0]['published']}")
    return found


def test_five_nodes_are_ready(nodes: list[dict[str, Any]]) -> None:
    assert len(nodes) == 5
    assert {node["Status"]["State"] for node in nodes} == {"ready"}
    assert {node["Spec"]["Availability"] for node in nodes} == {"active"}


def test_three_managers_and_all_reachable(nodes: list[dict[str, Any]]) -> None:
    managers = [node["ManagerStatus"] for node in nodes if node["Spec"]["Role"] == "manager"]
    assert [manager["Reachability"] for manager in managers] == ["reachable"] * 3
    assert sum(bool(manager.get("Leader")) for manager in managers) == 1


def test_every_node_offers_a_gpu(nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        [gpu] = node["Description"]["Resources"]["GenericResources"]
        assert gpu["NamedResourceSpec"] == {"Kind": "NVIDIA-GPU", "Value": "GPU-0"}


def test_systemd_runs_and_nothing_failed(host: Any) -> None:
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
    assert host.service("ssh").is_running
    assert host.service("docker").is_running


def test_ansible_reaches_every_host_by_ssh() -> None:
    ping = ["ansible", "-i", "inventories/lab", "all", "-m", "ansible.builtin.ping"]
    answers = subprocess.run(
        ping,
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": "ansible.cfg"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answers.stdout.count("SUCCESS") == 5, answers.stdout + answers.stderr


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_service_has_its_replicas(endpoints: dict[str, list[str]], name: str) -> None:
    wanted = SERVICES[name]["deploy"].get("replicas", 1)
    assert len(set(endpoints[name])) == wanted


@pytest.mark.parametrize("name", WEB)
def test_endpoint_answers_from_the_swarm(endpoints: dict[str, list[str]], name: str) -> None:
    for endpoint in endpoints[name]:
        response, _content = fetch(f"http://{endpoint}/health")
        assert (response.status, response.headers["X-Orchestrator"]) == (200, "swarm")
        who = fetch_json(f"http://{endpoint}/whoami")
        assert (who["service"], who["orchestrator"]) == (name, "swarm")
        assert who["node"].startswith("sophia-")


def test_the_ticker_answers_line_by_line_and_leaves_the_edge_its_port(endpoints: dict[str, list[str]]) -> None:
    [(address, port)] = [endpoint.split(":") for endpoint in endpoints["ticker"]]
    assert address != "172.31.77.11"
    with socket.create_connection((address, int(port)), 10) as connection, connection.makefile("rw") as lines:
        for text in ("one", "two"):
            lines.write(f"{text}\n")
            lines.flush()
            answer = json.loads(lines.readline())
            assert (answer["line"], answer["orchestrator"]) == (text, "swarm")
            assert answer["node"].startswith("sophia-")


def test_data_services_stay_where_their_volumes_are(endpoints: dict[str, list[str]]) -> None:
    assert endpoints["postgres"] == ["172.31.77.14:5432"]
    assert endpoints["pgbouncer"] == ["172.31.77.14:6432"]
    assert endpoints["redis"] == ["172.31.77.14:6379"]
    assert endpoints["notes"] == ["172.31.77.15:8020"]


def test_a_memory_is_in_both_stores(host: Any, endpoints: dict[str, list[str]]) -> None:
    first, second = (f"http://{endpoint}" for endpoint in endpoints["unified-memory"])
    before = fetch_json(f"{first}/memories/count")
    text = f"written by the tests: {uuid.uuid4()}"
    number = fetch_json(f"{first}/memories", {"text": text})["id"]
    after = fetch_json(f"{second}/memories/count")
    assert after == {"count": before["count"] + 1, "written": before["written"] + 1}

    assert host.check_output(f"redis-cli -h 172.31.77.14 --raw get memory:{number}") == text
    host.check_output(f"redis-cli -h 172.31.77.14 del memory:{number}")
    assert fetch_json(f"{second}/memories?id={number}") == {"id": number, "text": text, "from": "postgres"}
    assert fetch_json(f"{first}/memories?id={number}") == {"id": number, "text": text, "from": "redis"}


def test_a_note_is_a_line_of_the_file(endpoints: dict[str, list[str]]) -> None:
    notes = f"http://{endpoints['notes'][0]}/notes"
    text = f"written by the tests: {uuid.uuid4()}"
    before = fetch_json(notes)["notes"]
    assert fetch_json(notes, {"text": text}) == {"text": text}
    assert fetch_json(notes)["notes"] == [*before, text]


def test_the_pipeline_finds_a_memory_and_has_its_gpu(endpoints: dict[str, list[str]]) -> None:
    answer = fetch_json(f"http://{endpoints['rag-pipeline'][0]}/query", {"question": "before the migration"})
    assert answer["sources"]
    assert answer["gpu"] == "GPU-0"


@pytest.mark.parametrize(("folder", "sums", "files"), RELEASES)
def test_mirror_holds_releases_with_true_checksums(folder: str, sums: str, files: list[str]) -> None:
    base = MIRROR + quote(folder)
    told = {
        name: digest for digest, name in (line.split() for line in fetch(f"{base}/{sums}")[1].decode().splitlines())
    }
    assert sorted(told) == sorted(files)
    for name in files:
        assert hashlib.sha256(fetch(f"{base}/{name}")[1]).hexdigest() == told[name]


def test_mirror_says_404_to_what_it_has_not() -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(f"{MIRROR}/k3s-io/k3s/releases/download/v0.0.0/k3s")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_registry_serves_the_image(name: str) -> None:
    assert SERVICES[name]["image"] == f"172.31.77.2:5000/sophia/{name}:1.0"
    accept = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = json.loads(fetch(f"{REGISTRY}/v2/sophia/{name}/manifests/1.0", Accept=accept)[1])
    layer = manifest["layers"][-1]
    _response, content = fetch(f"{REGISTRY}/v2/sophia/{name}/blobs/{layer['digest']}")
    assert f"sha256:{hashlib.sha256(content).hexdigest()}" == layer["digest"]
