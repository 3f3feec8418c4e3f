"""The ways up, on a real Traefik: gates, copies, sessions, long answers, TCP, and what a real Prometheus says."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import subprocess
import time

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ports import free_port

from .conftest import until
from .test_breach_real import in_background, records
from .test_edge_real import HOST, metrics, shift


def names(result):
    return [step["name"] for step in result["steps"]]


def ask(edge, path="/whoami", method="GET", cookie=""):
    connection = http.client.HTTPConnection("127.0.0.1", edge.web, timeout=10)
    try:
        connection.request(method, path, headers={"Host": HOST, **({"Cookie": cookie} if cookie else {})})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers.get("X-Orchestrator"), answer.headers.get("Set-Cookie")
    finally:
        connection.close()


def gate(name, kind, **changes):
    return {"name": name, "type": kind, "weights": [], "command": [], "timeout": 30, **changes}


def test_gates_stand_before_the_weights_that_they_are_for(edge, sides, tmp_path):
    told = tmp_path / "told"
    write = ["/bin/sh", "-c", f'echo "$REPLATFORM_SERVICE $REPLATFORM_WEIGHT" >>{told}']
    gates = [gate("smoke", "command", command=write), gate("on-call", "approval", weights=[100])]
    approval = edge.state_dir / "approvals/app-on-call-100.json"
    run, raised = in_background(lambda: shift(edge, sides, gates=gates))
    progress = edge.state_dir / "app.progress.json"
    until(lambda: progress.exists() and json.loads(progress.read_text())["step"] == "gate on-call")
    assert '"weight": 50' in (edge.dynamic_dir / "app.yml").read_text()
    approval.parent.mkdir()
    (approval.parent / "new").write_text(json.dumps({"by": "Ada", "at": "2026-11-27T10:00:00Z"}))
    (approval.parent / "new").rename(approval)
    run.join()
    assert raised == [] and shift(edge, sides, gates=gates)["steps"] == []
    assert told.read_text() == "app 50\napp 100\n"
    passed = [(r["data"]["gate"], r["data"]["weight"], r["data"].get("by")) for r in records(edge, "gate")]
    assert passed == [("smoke", 50, None), ("smoke", 100, None), ("on-call", 100, "Ada")]
    # An approval is good for once.
    assert not approval.exists() and approval.with_name(approval.name + ".used").exists()


def test_a_command_that_says_no_ends_at_the_primary_side(edge, sides):
    no = [gate("smoke", "command", command=["/bin/false"], weights=[100])]
    with pytest.raises(RefusedError, match="gate 'smoke': /bin/false ended with 1"):
        shift(edge, sides, gates=no)
    assert shift(edge, sides, state="present")["weight"] == 0


def test_nobody_approves(edge, sides):
    shift(edge, sides, max_weight=50)
    with pytest.raises(RefusedError, match=r"waits before weight 100: gate 'on-call' was not approved.*approve\.yml"):
        shift(edge, sides, gates=[gate("on-call", "approval", timeout=0.1)])
    assert shift(edge, sides, state="present")["weight"] == 50
    path = edge.state_dir / "approvals/app-on-call-100.json"
    path.parent.mkdir()
    path.write_text('{"by": ""}')
    with pytest.raises(ReplatformError, match="does not say who approved and when"):
        shift(edge, sides, gates=[gate("on-call", "approval")])


def test_copies_of_safe_requests_are_judged_before_the_first_weight(edge, sides, traffic):
    shift(edge, sides, state="present")
    with traffic(edge.web, HOST) as requests:
        run, raised = in_background(lambda: shift(edge, sides, mirror_weight=100, max_weight=50, interval=5))
        until(lambda: edge.get("/api/http/routers/app-safe@file") == 200)
        until(lambda: sides[1].served > 5)
        swarm = [side for status, side in requests.answers]
        assert ask(edge, method="POST")[0] == 200
        run.join()
    assert raised == [] and set(swarm) == {"swarm"}
    (mirrored,) = records(edge, "mirror")
    assert mirrored["data"]["canary_requests"] > 5 and mirrored["data"]["mirror"] == 100
    assert edge.get("/api/http/routers/app-safe@file") == 404
    assert requests.failed == 0


def test_a_copy_that_fails_keeps_all_traffic_where_it_is(edge, sides, traffic):
    sides[1].fail_every = 2
    shift(edge, sides, state="present")
    with traffic(edge.web, HOST) as requests, pytest.raises(RefusedError, match="request-success-rate"):
        shift(edge, sides, mirror_weight=50, interval=30)
    assert requests.failed == 0 and {side for _status, side in requests.answers} == {"swarm"}
    assert "mirroring" not in (edge.dynamic_dir / "app.yml").read_text()


def test_a_thing_is_never_done_twice_by_a_copy(edge, sides):
    shift(edge, sides, state="present")
    run, _raised = in_background(lambda: shift(edge, sides, mirror_weight=100, max_weight=50, interval=600))
    until(lambda: edge.get("/api/http/routers/app-safe@file") == 200)
    for _time in range(5):
        ask(edge, method="POST")
        ask(edge)
    until(lambda: sides[1].methods.count("GET") == 5)
    assert edge.get("/api/http/routers/app-safe@file") == 200 and "POST" not in sides[1].methods
    shift(edge, sides, state="rolled_back", lock_timeout=60)
    run.join()
    assert edge.get("/api/http/routers/app-safe@file") == 404


def test_without_analysis_all_goes_at_once_but_not_to_a_dead_side(edge, sides):
    result = shift(edge, sides, skip_analysis=True, interval=60)
    assert names(result) == ["precheck", "create", "precheck", "weight"] and result["weight"] == 100
    shift(edge, sides, state="rolled_back")
    sides[1].stop()
    with pytest.raises(RefusedError, match="does not answer"):
        shift(edge, sides, skip_analysis=True, interval=0.1)


def test_a_stop_is_not_passed_and_nothing_is_lowered_to_it(edge, sides):
    assert shift(edge, sides, until_weight=50)["weight"] == 50
    assert shift(edge, sides, until_weight=5)["steps"] == []
    assert shift(edge, sides)["weight"] == 100


def test_sessions_stay_until_they_end(edge, sides):
    affinity = {"session_affinity": {"cookie_name": "side"}}
    shift(edge, sides, state="present", **affinity)
    _status, side, cookie = ask(edge)
    cookie = cookie.split(";")[0]
    assert side == "swarm"
    run, raised = in_background(lambda: shift(edge, sides, drain_timeout=60, interval=4, **affinity))
    file = edge.dynamic_dir / "app.yml"
    until(lambda: '"weight": 999' in file.read_text())
    until(lambda: json.loads((edge.state_dir / "app.progress.json").read_text())["step"] == "drain")
    end = time.monotonic() + 3
    seen = set()
    while time.monotonic() < end:
        seen.add(ask(edge, cookie=cookie)[1])
        time.sleep(0.05)  # the rate
    assert seen == {"swarm"} and '"weight": 999' in file.read_text()
    run.join()
    assert raised == []
    assert '"weight": 100' in file.read_text() and ask(edge, cookie=cookie)[1] == "k3s"
    (drained,) = records(edge, "drain")
    assert drained["data"]["drained"]
    assert shift(edge, sides, **affinity)["steps"] == []


def test_long_answers_and_upgraded_connections_outlive_a_shift(edge, sides):
    shift(edge, sides, state="present")
    long = http.client.HTTPConnection("127.0.0.1", edge.web, timeout=60)
    long.request("GET", "/long", headers={"Host": HOST})
    answer = long.getresponse()
    assert answer.read(5) == b"first"
    with socket.create_connection(("127.0.0.1", edge.web), timeout=60) as upgraded:
        upgraded.sendall(f"GET /echo HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n".encode())
        assert upgraded.recv(1000).startswith(b"HTTP/1.1 101")
        assert shift(edge, sides)["weight"] == 100
        upgraded.sendall(b" one")
        assert upgraded.recv(100) == b"swarm one"
        sides[0].let_go.set()
        assert answer.read() == b"final"
        shift(edge, sides, state="rolled_back")
        upgraded.sendall(b" two")
        assert upgraded.recv(100) == b"swarm two"


def tcp_side(edge):
    with socket.create_connection(("127.0.0.1", edge.tcp), timeout=10) as connection:
        return connection.recv(100).decode()


def test_a_tcp_service_moves_and_its_connections_stay(edge, tcp_sides):
    check = {"path": "/", "interval": 2, "timeout": 20, "host": ""}
    tcp = {
        "protocol": "tcp",
        "rule": "HostSNI(`*`)",
        "entry_points": ["tcp-1"],
        "interval": 6,
        "health_check": check,
    }
    assert shift(edge, tcp_sides, state="present", **tcp)["weight"] == 0
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(socket.create_connection(("127.0.0.1", edge.tcp), timeout=60))
        assert kept.recv(100) == b"swarm"
        run, raised = in_background(lambda: shift(edge, tcp_sides, **tcp))
        sides = []
        while run.is_alive():
            sides.append(tcp_side(edge))
            time.sleep(0.02)  # the rate
        assert raised == []
        kept.sendall(b"still here")
        assert kept.recv(100) == b"still here"
        assert tcp_side(edge) == "k3s" and "" not in sides
    half, whole = (record["data"] for record in records(edge, "weight"))
    assert half["ratio"] == pytest.approx(0.5, abs=0.2) and whole["ratio"] == pytest.approx(1.0, abs=0.1)
    assert whole["primary_connections"] == 1
    assert shift(edge, tcp_sides, **tcp)["steps"] == []
    assert shift(edge, tcp_sides, state="rolled_back", **tcp)["weight"] == 0
    assert tcp_side(edge) == "swarm"


def test_a_dead_tcp_server_gets_no_connection(edge, tcp_sides):
    tcp_sides[1].stop()
    tcp = {"protocol": "tcp", "rule": "HostSNI(`*`)", "entry_points": ["tcp-1"], "interval": 0.1}
    with pytest.raises(RefusedError, match="does not take a connection"):
        shift(edge, tcp_sides, **tcp)


@pytest.fixture()
def prometheus(edge, tmp_path):
    if not shutil.which("prometheus"):
        pytest.fail("no prometheus: tools/apt-install prometheus")
    port = free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(
        f'global: {{scrape_interval: 500ms}}\nscrape_configs: [{{job_name: edge, static_configs: [{{targets: ["127.0.0.1:{edge.api}"]}}]}}]\n'
    )
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/tsdb"]
    process = subprocess.Popen(
        [*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def ready():
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        return False

    until(ready)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=20)


RATE = 'sum(rate(traefik_service_requests_total{service="<canary>"}[5s]))'


def test_a_prometheus_is_asked(edge, sides, traffic, prometheus):
    shift(edge, sides, state="present")
    query = {"name": "canary-requests", "query": RATE, "threshold_range": {"min": 0.1}}
    with traffic(edge.web, HOST):
        good = shift(edge, sides, metrics=[*metrics(), query], prometheus_url=prometheus, interval=5, max_weight=50)
        watched = good["steps"][-1]
        assert watched["queries"]["canary-requests"] > 0.1
        bad = {**query, "threshold_range": {"max": 0.01}}
        with pytest.raises(RefusedError, match="canary-requests .* is above 0.01"):
            shift(edge, sides, metrics=[*metrics(), bad], prometheus_url=prometheus, interval=5, threshold=1)
    assert shift(edge, sides, state="present")["weight"] == 0


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("nothing_has_this_name", "made-up has no value"),
        ("sum(", "Prometheus refuses the query"),
        ('{__name__=~"up|traefik_config_reloads_total"}', "yields a vector of"),
    ],
)
def test_a_query_without_an_answer_is_a_failed_check(edge, sides, prometheus, query, says):
    until(lambda: b'"value"' in _query(prometheus, "traefik_config_reloads_total"))
    metric = {"name": "made-up", "query": query, "threshold_range": {"min": 1}}
    with pytest.raises(RefusedError, match=says):
        shift(edge, sides, metrics=[metric], prometheus_url=prometheus, threshold=1)


def _query(url, query):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    connection.request("GET", f"/api/v1/query?query={query}")
    return connection.getresponse().read()


def test_what_the_prober_sees_fail_counts(edge, sides, tmp_path):
    folder = tmp_path / "prober"
    folder.mkdir()
    shift(edge, sides, state="present")
    run, raised = in_background(lambda: shift(edge, sides, prober_dir=str(folder), interval=30))
    until(lambda: '"weight": 50' in (edge.dynamic_dir / "app.yml").read_text())
    while run.is_alive():
        with (folder / "requests-20261127T10.jsonl").open("a") as lines:
            lines.write(json.dumps({"t": int(time.time()), "service": "app", "total": 20, "failed": 10}) + "\n")
        time.sleep(0.1)  # a second of the prober's, shortened
    run.join()
    assert "by the prober, request-success-rate" in str(raised[0])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"metrics": [{"name": "x", "threshold_range": {"min": 1}}]}, "'x' needs a query"),
        ({"metrics": [{"name": "x", "query": "1", "threshold_range": {"min": 1}}]}, "prometheus_url"),
        ({"metrics": [{"name": "x", "query": "1", "threshold_range": {}}]}, "needs a min or a max"),
        ({"metrics": metrics(success=101)}, "from 0 to 100, in percent"),
        ({"metrics": metrics(duration=0)}, "above 0, in milliseconds"),
        ({"gates": [gate("a", "command")]}, "gate 'a': a command is for type command"),
        ({"gates": [gate("a", "approval", command=["x"])]}, "gate 'a'"),
        ({"gates": [gate("a", "approval", timeout=0)]}, "timeout must be above 0"),
        ({"mirror_weight": 101}, "mirror_weight"),
        ({"protocol": "tcp", "mirror_weight": 1}, "is TCP"),
    ],
)
def test_options_that_can_not_be_meant(edge, sides, changes, says):
    with pytest.raises(ReplatformError, match=says):
        shift(edge, sides, **changes)
    assert list(edge.dynamic_dir.iterdir()) == []


def test_a_tcp_server_is_an_address(edge, sides):
    with pytest.raises(ReplatformError, match="is not host:port"):
        shift(edge, sides, protocol="tcp", primary={"name": "swarm", "servers": ["http://10.0.0.1:80"]})


def test_a_service_that_nobody_asks_for_moves_and_that_is_said_or_not_where_requests_are_wanted(edge, sides):
    quiet = shift(edge, sides)
    assert (
        quiet["weight"] == 100
        and [record["data"]["too_few"] for record in records(edge, "weight")]
        == ["too few requests to judge: 0 of 30 reached the canary"] * 2
    )
    assert [line.split(",")[0] for line in quiet["warnings"]] == [
        f"service 'app' at weight {weight}: too few requests to judge: 0 of 30 reached the canary"
        for weight in (50, 100)
    ]
    shift(edge, sides, state="rolled_back")
    with pytest.raises(RefusedError, match="too few requests to judge: 0 of 5 reached the canary; 2 checks failed"):
        shift(edge, sides, min_requests=5)
    assert shift(edge, sides, state="present")["weight"] == 0


def test_one_that_is_asked_often_enough_moves_without_a_word(edge, sides, traffic):
    with traffic(edge.web, HOST):
        result = shift(edge, sides, interval=2, min_requests=1)
    assert result["weight"] == 100 and result["warnings"] == []
    assert all("too_few" not in record["data"] for record in records(edge, "weight"))
