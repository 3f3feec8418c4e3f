# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The two validation scripts, as they run in a user's repository: good ones and bad ones."""

from __future__ import annotations

import contextlib
import http.server
import socket
import subprocess
import sys
import threading

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.delivery import workflow

from .conftest import ROOT, given, sample

pytestmark = pytest.mark.slow

SCRIPTS = ROOT / "roles/delivery/files"


@pytest.fixture
def repository(tmp_path):
    """A repository with the sample's files and the data file that the role would write."""
    sample.write(tmp_path, sample.FILES)
    settle(tmp_path)
    return tmp_path


def settle(root, **more):
    (root / ".replatform").mkdir(exist_ok=True)
    (root / ".replatform/delivery.yml").write_text(yaml.safe_dump(workflow.data(given(**more))))


def run(script, root, *arguments, **environment):
    command = [sys.executable, str(SCRIPTS / f"validate_{script}.py"), "--root", str(root), *arguments]
    # Nothing but what is given: the variables that are checked are the process's own.
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines(), done.stderr


def checked(root, *arguments):
    code, lines, _said = run("deployment_env", root, *arguments)
    assert code == bool(lines)
    return lines


def remembered(root):
    code, lines, _said = run("memory_architecture", root)
    assert code == bool(lines)
    return lines


def test_a_good_repository(repository):
    assert run("deployment_env", repository) == (0, [], "deployment environment: nothing found\n")
    assert run("memory_architecture", repository) == (0, [], "memory architecture: nothing found\n")


@pytest.mark.parametrize("script", ["deployment_env", "memory_architecture"])
@pytest.mark.parametrize(
    "content, said",
    [
        (None, "can't be read"),
        ("a: [", "is not YAML"),
        ("- a", "does not hold a mapping"),
        ("format: 2", "format is not 1"),
        ("format: 1", "KeyError at 'memory'; run the playbook that made it again"),
        ("format: 1\nmemory: 3", "run the playbook that made it again"),
    ],
)
def test_a_data_file_that_cannot_be_used(repository, script, content, said):
    path = repository / ".replatform/delivery.yml"
    path.unlink() if content is None else path.write_text(content)
    code, lines, error = run(script, repository)
    assert (code, lines) == (2, []) and said in error and error.count("\n") == 1


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--environment", "nowhere"], "nowhere is none of production, staging"),
        (["--check", "variables"], "name one to check variables"),
        (["--check", "colours"], "invalid choice"),
        (["--attempts", "0"], "give 1 or more"),
    ],
)
def test_wrong_usage(repository, arguments, said):
    code, lines, error = run("deployment_env", repository, *arguments)
    assert (code, lines) == (2, []) and said in error


def test_variables_that_are_not_set(repository):
    arguments = ("--environment", "production", "--check", "variables")
    code, lines, _said = run("deployment_env", repository, *arguments, SHOP_URL="x", SHOP_TOKEN=" ")
    assert code == 1
    assert lines == [
        f"production: {name} is not set: add it to the environment's variables or secrets"
        for name in ("KUBECONFIG_B64", "SHOP_TOKEN")
    ]
    whole = {"SHOP_URL": "x", "SHOP_TOKEN": "hush", "KUBECONFIG_B64": "set"}
    assert run("deployment_env", repository, *arguments, **whole)[:2] == (0, [])


@contextlib.contextmanager
def answering(status):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args):
            """Says nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def hanging_up():
    """As a proxy without a server: it takes each connection and closes it without a byte."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    server.accept()[0].close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_endpoints(repository):
    with socket.socket() as nobody, answering(200) as good, answering(503) as ill, hanging_up() as none:
        nobody.bind(("127.0.0.1", 0))
        closed = nobody.getsockname()[1]
        endpoints = [
            {"name": "well", "url": f"http://127.0.0.1:{good}/health"},
            {"name": "open", "url": f"tcp://127.0.0.1:{good}"},
            {"name": "busy", "url": f"http://127.0.0.1:{ill}/", "status": 503},
            {"name": "ill", "url": f"http://127.0.0.1:{ill}/"},
            {"name": "shut", "url": f"tcp://127.0.0.1:{closed}"},
            {"name": "hung up", "url": f"tcp://127.0.0.1:{none}"},
        ]
        production = {**given()["environments"]["production"], "endpoints": endpoints}
        settle(repository, environments={"production": production})
        arguments = ("--environment", "production", "--check", "endpoints", "--attempts", "2", "--interval", "0")
        lines = checked(repository, *arguments)
    assert lines[0] == f"production: ill at http://127.0.0.1:{ill}/ answers 503, not 200"
    assert lines[1].startswith(f"production: shut at tcp://127.0.0.1:{closed} can't be reached:")
    assert lines[2:] == [f"production: hung up at tcp://127.0.0.1:{none} closes a connection at once"]


@pytest.mark.parametrize(
    "path, content, said",
    [
        ("chart/Chart.yaml", None, "chart/Chart.yaml: can't be read"),
        ("chart/Chart.yaml", "apiVersion: v1\nname: shop\n", "chart/Chart.yaml: apiVersion is 'v1'"),
        ("chart/Chart.yaml", "apiVersion: v2\nname: shop\n", "chart/Chart.yaml: version is missing"),
        ("chart/charts/web/Chart.yaml", None, "the dependency web is neither in charts/"),
        ("chart/values.yaml", "memory: {enabled: true}\n", "global.imageTag is not there"),
        ("chart/values.yaml", "global: {imageTag: x}\n", "production: memory.enabled decides on memory and is in no values"),
        ("environments/production.yaml", None, "environments/production.yaml: can't be read"),
        ("environments/production.yaml", "web: {replica: 3}\n", "environments/production.yaml: web.replica is in no values"),
        ("environments/production.yaml", "shop: {}\n", "environments/production.yaml: shop is in no values"),
        ("environments/production.yaml", "web: 3\n", "web is a single value here and a mapping in the chart's values"),
        ("environments/production.yaml", "web: {image: {tag: 3}}\n", "web.image is a mapping here and a single value"),
        ("environments/production.yaml", "web: {port: 9090}\n", "production: web has 9090 and web's port is 8080"),
        ("environments/production.yaml", "web: null\n", "production: the service web is not declared in the values of chart"),
    ],
)  # fmt: skip
def test_a_chart_and_values_that_do_not_agree(repository, path, content, said):
    (repository / path).unlink() if content is None else (repository / path).write_text(content)
    lines = checked(repository, "--check", "chart")
    assert [line for line in lines if said in line], lines


def test_a_values_file_is_no_second_declaration(repository):
    (repository / "environments/production.yaml").write_text("services: {recall: {resources: {}}}\n")
    assert remembered(repository) == []


def test_values_that_agree_although_they_are_new(repository):
    chart = repository / "chart/Chart.yaml"
    chart.write_text(
        chart.read_text() + "  - {name: store, version: 1.0.0, repository: 'https://charts.example.com'}\n"
    )
    (repository / "environments/production.yaml").write_text("store: {size: 1Gi}\nweb: {limits: {cpu: 1}}\n")
    assert checked(repository, "--check", "chart") == []


def test_ports(repository):
    services = [*given()["services"], {"name": "other", "port": 8010}]
    settle(repository, services=services)
    (repository / "chart/values.yaml").write_text("global: {imageTag: x}\na: {nodePort: 30001}\nb: {nodePort: 30001}\n")
    (repository / "environments/staging.yaml").write_text("b: {nodePort: 30002}\n")
    assert checked(repository, "--check", "ports") == [
        "port 8010 is given to recall and to other",
        "production: nodePort 30001 is claimed by a.nodePort and by b.nodePort",
    ]


def test_a_memory_service_that_is_declared_twice_or_not_at_all(repository):
    (repository / "environments/staging.yaml").write_text("memory: {services: {recall: null}}\n")
    (repository / "environments/production.yaml").write_text(
        "web: {chunks: {image: x}}\nextra:\n  - {name: recall, image: y}\n"
    )
    assert remembered(repository) == [
        "production: the memory service recall is declared 2 times: memory.services.recall, extra[0]",
        "production: the memory service chunks is declared 2 times: web.chunks, memory.services.chunks",
        "staging: the memory service recall is not declared in the values of chart",
    ]


@pytest.mark.parametrize("name", ["unifiedMemory", "unified_memory", "unified-memory"])
def test_a_name_in_any_case(repository, name):
    services = [{"name": "unified-memory", "port": 1}]
    settle(repository, services=services, memory_services=["unified-memory"])
    (repository / "chart/values.yaml").write_text(f"global: {{imageTag: x}}\n{name}: {{enabled: true}}\n")
    assert remembered(repository) == []


@pytest.mark.parametrize(
    "path, content",
    [
        ("old/recall.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: recall\n"),
        ("old/all.yaml", "kind: Service\nmetadata: {name: recall}\n---\nkind: StatefulSet\nmetadata: {name: recall}\n"),
        ("old/template.yaml", "kind: Deployment\nmetadata:\n  name: recall\n  {{- if .Values.x }}\n"),
        ("docker-compose.dev.yml", "services:\n  recall: {image: x}\n"),
    ],
)
def test_a_memory_service_outside_the_chart(repository, path, content):
    sample.write(
        repository,
        {path: content, f"archive/{path}": content, "old/fine.yaml": "kind: Service\nmetadata: {name: recall}\n"},
    )
    assert remembered(repository) == [
        f"{path}: declares the memory service recall, which chart deploys: remove it here"
    ]


@pytest.mark.parametrize(
    "path, content, lines",
    [
        ("app/a.py", "import os\nfrom oldstore.client import X\n", [2]),
        ("app/a.py", "import oldstore_client as x\n", [1]),
        ("app/a.py", "def f():\n    from tools import oldstore\n", [2]),
        ("app/a.py", "# oldstore is gone\nname = 'oldstore'\nfrom .oldstores import x\n", []),
        ("app/a.py", "print 'no Python 3'\nimport oldstore\n", [2]),
        ("requirements-dev.txt", "newstore\nOldStore-Client>=2  # the client\n", [2]),
        ("requirements-dev.txt", "newstore # not oldstore\noldstores\n", []),
        ("deploy/x.yaml", "env:\n  - {name: OLDSTORE_API_KEY, value: x}\n", [2]),
        ("package.json", '{"dependencies": {"oldstore": "1"}}', [1]),
        ("Dockerfile.dev", "FROM oldstore:1\n", [1]),
        ("archive/a.py", "import oldstore\n", []),
        ("notes.md", "oldstore\n", []),
    ],
)
def test_a_legacy_store_that_is_still_used(repository, path, content, lines):
    sample.write(repository, {path: content})
    assert remembered(repository) == [f"{path}:{number}: uses Oldstore" for number in lines]
