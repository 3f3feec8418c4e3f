"""The playbook verify as people run it: against an edge, a cluster and a repository that are on this machine."""

from __future__ import annotations

import http.server
import importlib.util
import json
import pathlib
import re
import socket
import subprocess
import threading
import typing as t

import played
import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import read_evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.report import build_report
from evidence_folder import fabricate
from local_http import LocalHttp

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
WORKFLOW = ".github/workflows/unified-deployment.yml"
OLD = ".github/workflows/deploy-swarm.yml"
SECRET = "correct-horse-battery-staple"
SERVICES = [{"name": name, "host": f"{name}.example", "path": "/health"} for name in ("web", "rag-pipeline")]
RUN = [
    ("Build web for amd64", "2026-11-23T10:00:00Z", "2026-11-23T10:04:00Z"),
    ("Publish", "2026-11-23T10:04:10Z", "2026-11-23T10:05:00Z"),
    ("Deploy", "2026-11-23T10:05:10Z", "2026-11-23T10:07:10Z"),
]

_spec = importlib.util.spec_from_file_location("fake_api", ROOT / "tests/unit/nvidia/fake_api.py")
assert _spec and _spec.loader
fake_api = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(fake_api)


class Feed:
    """An entry point of TCP, which takes connections as Traefik does, and closes them at once where no server C(stands)."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._kept: list[socket.socket] = []
        self.port = int(self._socket.getsockname()[1])
        self.stands = True
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        for one in (self._socket, *self._kept):
            one.close()

    def _run(self) -> None:
        try:
            while True:
                connection, _address = self._socket.accept()
                if self.stands:
                    self._kept.append(connection)
                else:
                    connection.close()
        except OSError:
            return


class Edge(http.server.BaseHTTPRequestHandler):
    """The routes and the API of an edge. C(states) are by service, C(weights) are K3s', C(asked) is every request."""

    states: t.Mapping[str, int]
    weights: t.Mapping[str, int]
    asked: list[str]

    def log_message(self, *_args: t.Any) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        service = self.headers["Host"].partition(".")[0]
        self.asked.append(f"{self.command} {self.headers['Host']}{self.path}")
        if self.path.startswith("/api/"):
            of_tcp = self.path.startswith("/api/tcp/")
            return self._say(200, [self._weighted(name) for name in self.weights if (name == "feed") == of_tcp])
        if self.path.startswith("/query"):
            return self._say(200, {"text": "kept"})
        return self._say(self.states[service], {})

    def _weighted(self, name: str) -> dict[str, t.Any]:
        k3s = self.weights[name]
        parts = [{"name": f"{name}-swarm", "weight": 100 - k3s}, {"name": f"{name}-k3s", "weight": k3s}]
        return {"name": f"{name}@file", "status": "enabled", "weighted": {"services": parts}}

    def _say(self, status: int, body: t.Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def node(name: str, ready: str = "True") -> dict[str, t.Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"gpu-type": "GH200"}},
        "status": {
            "allocatable": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "1"},
            "conditions": [{"type": "Ready", "status": ready}],
            "nodeInfo": {"kubeletVersion": "v1.35.6+k3s1"},
        },
    }


def pod(name: str) -> dict[str, t.Any]:
    container = {
        "env": [{"name": "PASSWORD", "value": SECRET}],
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "sophia"},
        "spec": {"nodeName": "one", "containers": [container]},
        "status": {"phase": "Running"},
    }


class Fleet:
    """An inventory of two nodes, one of them the edge, and what they answer."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.artifacts = folder / "artifacts"
        self.states = {service["name"]: 200 for service in SERVICES}
        self.weights = {name: 100 for name in (*self.states, "feed")}
        self.feed = Feed()
        self.asked: list[str] = []
        known = {"states": self.states, "weights": self.weights, "asked": self.asked}
        self.edge = LocalHttp(Edge, known)
        self.hosts: dict[str, t.Any] = {"one": {"ansible_connection": "local"}, "two": {}}
        self.variables: dict[str, t.Any] = {
            "evidence_artifacts": str(self.artifacts),
            "evidence_environment": "test",
            "evidence_kubeconfig": str(folder / "kubeconfig"),
            "evidence_repository": str(folder / "repository"),
            "evidence_services": [*SERVICES, {"name": "feed", "kind": "tcp", "port": self.feed.port}],
            "evidence_queries": [
                {"name": "found", "service": "rag-pipeline", "query": {"path": "/query?q=kept", "contains": "kept"}}
            ],
            "evidence_replaced_workflows": [OLD],
            "evidence_edge_port": int(self.edge.url.rpartition(":")[2]),
            "evidence_edge_api": self.edge.url,
            "evidence_requests": 1000,
        }
        self.commit(WORKFLOW, "README.md")

    def stop(self) -> None:
        self.edge.stop()
        self.feed.stop()

    def commit(self, *names: str) -> None:
        repository = self.folder / "repository"
        for name in names:
            (repository / name).parent.mkdir(parents=True, exist_ok=True)
            (repository / name).write_text("# a file\n")
        git = ["git", "-C", str(repository), "-c", "user.name=t", "-c", "user.email=t@example.com"]
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
            subprocess.run([*git, *words], check=True, capture_output=True)

    def verify(self, server: t.Any, *options: str) -> tuple[int, str]:
        """The exit code, and what was printed after checking that nothing was changed and no secret told."""
        cluster = {"server": f"http://127.0.0.1:{server.server_port}" if server else "http://127.0.0.1:9"}
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        (self.folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
        groups = {"k3s_server": ["one"], "k3s_agent": ["two"], "gpu": ["one", "two"], "edge": ["one"]}
        groups |= {"swarm_manager": ["one"], "swarm_worker": ["two"]}
        inventory = {
            "hosts": self.hosts,
            "vars": self.variables,
            "children": {group: {"hosts": {name: {} for name in names}} for group, names in groups.items()},
        }
        playbook = ROOT / "playbooks/verify.yml"
        settings = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "COLUMNS": "400"}
        code, printed = played.play(self.folder, {"all": inventory}, playbook, *options, **settings)
        assert SECRET not in printed
        assert set(re.findall(r"changed=(\d+)", printed)) == {"0"}, printed
        if server:
            assert server.changes == []
        return code, printed


def lines(printed: str) -> dict[str, str]:
    """The verdicts that were shown, by criterion."""
    shown = re.findall(r"""^\s*(?:- )?["']?(met|MISSED|waived) +([^:]+): (.*?)["']?,?$""", printed, re.MULTILINE)
    return {criterion: f"{status} {rest}" for status, criterion, rest in shown}


def files(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture()
def fleet(tmp_path: pathlib.Path) -> t.Iterator[Fleet]:
    """A fleet that has moved."""
    made = Fleet(tmp_path)
    try:
        fabricate(made.artifacts)
        jobs = [
            {"name": name, "started_at": start, "completed_at": end, "conclusion": "success", "html_url": ""}
            for name, start, end in RUN
        ]
        (made.artifacts / "workflow-run.json").write_text(json.dumps({"jobs": jobs}))
        report = build_report("test", read_evidence(str(made.artifacts), write=True))
        (made.artifacts / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        yield made
    finally:
        made.stop()


def test_what_can_be_seen_is_looked_at_now_and_nothing_is_changed(fleet: Fleet) -> None:
    before = files(fleet.folder)
    with fake_api.cluster([node("one"), node("two"), pod("rag")]) as server:
        code, printed = fleet.verify(server, "--check", "--diff")
        assert code == 0, printed
        foreseen = lines(printed)
        after = files(fleet.folder)
        assert {name for name in after if after[name] != before.get(name)} == {"hosts.json", "kubeconfig"}
        code, printed = fleet.verify(server)
        assert code == 0, printed
    assert lines(printed) == foreseen
    assert len(foreseen) == 16 and {line.split()[0] for line in foreseen.values()} == {"met"}
    assert "s API, now" in foreseen["Nodes Ready"]
    assert "recorded 23 November 2026" in foreseen["Requests failed"]
    assert foreseen["Endpoints that answer 200"].startswith("met 3 ")
    assert "the weights of 3 services" in foreseen["Traffic on K3s"]
    assert foreseen["Cost, node-hours a day"].startswith("met 48 ")
    assert "requests take 12 % of the CPU and 12 % of the memory" in foreseen["Cost, node-hours a day"]
    assert foreseen["Time to build"].startswith("met 5 min 00 s")
    assert foreseen["Time to deploy"].startswith("met 2 min 00 s")
    assert {request.split()[0] for request in fleet.asked} == {"GET"}
    last = files(fleet.folder)
    changed = {name for name in last if last[name] != after.get(name)}
    assert changed == {f"artifacts/{name}" for name in ("verify.json", "report.html")}
    kept = json.loads(last["artifacts/verify.json"])
    assert [verdict["status"] for verdict in kept["verdicts"]] == ["met"] * 16
    assert {found["model"] for found in kept["nodes"]} == {"GH200"}
    assert "Success criteria: 16 of 16 met" in last["artifacts/report.html"].decode()
    for content in (last["artifacts/verify.json"], last["artifacts/report.html"]):
        assert SECRET.encode() not in content


def test_what_has_gone_wrong_since_is_told_by_name(fleet: Fleet) -> None:
    fleet.states["web"] = 503
    fleet.weights["web"] = 50
    fleet.weights["feed"] = 60
    fleet.feed.stands = False
    fleet.variables["evidence_queries"][0]["query"]["contains"] = "something else"
    fleet.variables["evidence_waived"] = {"share": "a figure that was measured is judged all the same"}
    fleet.commit(OLD, *(f"report-{number}.md" for number in range(100)))
    with fake_api.cluster([node("one"), node("two", "False")]) as server:
        code, printed = fleet.verify(server)
    assert code == 2, printed
    missed = {criterion: line for criterion, line in lines(printed).items() if line.startswith("MISSED")}
    for criterion, words in {
        "Endpoints that answer 200": ("MISSED 1 ", "not so: web, feed"),
        "Traffic on K3s": ("MISSED 50 %", "web 50 %, feed 60 %"),
        "RAG pipeline, queries answered": ("MISSED 0 ", "found"),
        "Files in the repository": ("MISSED 101 ",),
        "Workflows that deliver": ("MISSED 2 ", OLD),
        "Nodes Ready": ("MISSED 1 ", "not Ready: two"),
    }.items():
        line = next(line for name, line in missed.items() if name.startswith(criterion))
        assert all(word in line for word in words), line
    assert len(missed) == 6


def test_what_can_not_be_measured_is_missed_and_says_what_to_do(tmp_path: pathlib.Path) -> None:
    fleet = Fleet(tmp_path)
    fleet.hosts["one"] = {"ansible_host": "127.0.0.9", "ansible_port": 9, "ansible_timeout": 2}
    fleet.variables["evidence_repository"] = str(tmp_path / "nowhere")
    fleet.variables["evidence_waived"] = {"build_time": "there is no GitHub here"}
    try:
        code, printed = fleet.verify(None)
    finally:
        fleet.stop()
    assert code == 2, printed
    shown = lines(printed)
    assert len(shown) == 16, printed
    assert shown.pop("Time to build").startswith("waived not measured")
    assert all(line.startswith("MISSED not measured") for line in shown.values()), shown
    for criterion, words in {
        "Nodes Ready": ("evidence_kubeconfig", "127.0.0.1"),
        "Traffic on K3s": ("one: ", "group edge"),
        "Requests failed": ("evidence_artifacts",),
        "Workflows that deliver": ("evidence_repository",),
    }.items():
        assert all(word in shown[criterion] for word in words), shown[criterion]
    assert not fleet.artifacts.exists()


def test_a_question_to_nobody_is_refused(fleet: Fleet) -> None:
    fleet.variables["evidence_queries"][0]["service"] = "ragpipeline"
    code, printed = fleet.verify(None)
    assert code == 2
    assert "evidence_queries: ragpipeline not in evidence_services" in printed
    fleet.variables["evidence_queries"][0]["service"] = "feed"
    fleet.variables["evidence_services"] = [{"name": "feed", "kind": "tcp"}]
    code, printed = fleet.verify(None)
    assert code == 2 and "evidence_queries: feed not in evidence_services, or not of kind http there" in printed
    fleet.variables["evidence_queries"] = []
    code, printed = fleet.verify(None)
    assert code == 2 and "evidence_services: feed of kind tcp without port" in printed
