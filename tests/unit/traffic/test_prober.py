"""The prober's counting and reading, and the whole of it against small servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import json
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import threading
import time

import pytest

from .authority import Authority
from .conftest import until

FILE = pathlib.Path(__file__).parents[3] / "roles/prober/files/prober.py"
_spec = importlib.util.spec_from_file_location("prober", FILE)
prober = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(prober)

PLAIN = {"tls": False, "ca_file": "", "validate_certs": True}
OK = b"HTTP/1.1 200 OK\r\nX-Orchestrator: k3s\r\nContent-Length: 2\r\n\r\nhi"


@pytest.mark.parametrize(
    ("raw", "answer"),
    [
        (OK, (200, "k3s", True)),
        (OK.replace(b"X-Orch", b"x-orch"), (200, "k3s", True)),
        (b"HTTP/1.1 503 Gone\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", (503, "", False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", (200, "", False)),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            (200, "", True),
        ),
    ],
)
def test_answers_are_read_whole_however_they_are_cut(raw, answer):
    for size in (1, 7, len(raw)):
        parser = prober.AnswerParser("X-Orchestrator")
        answers = [parser.feed(raw[i : i + size]) for i in range(0, len(raw), size)]
        assert answers[-1] == answer
        assert all(early is None for early in answers[:-1])


def test_what_is_not_http_is_an_error():
    with pytest.raises(ValueError, match="not an HTTP answer"):
        prober.AnswerParser("X").feed(b"SSH-2.0\r\n\r\n")


@pytest.mark.parametrize("latency", [0.0, 0.9, 1.0, 1.2, 17, 4999, 31000])
def test_a_latency_is_not_below_its_bucket_and_at_most_a_fifth_under_it(latency):
    bound = float(prober.bucket(latency))
    assert bound >= latency and (bound <= max(1.0, latency) * 1.2)


def test_failures_are_errors_of_server_and_client():
    assert prober.judge(200) == prober.judge(302) == ""
    assert prober.judge(404) == "status 404" and prober.judge(503) == "status 503"


def test_counts_are_whole_and_details_are_bounded():
    tally = prober.Tally(["a", "b", "idle"])
    for _request in range(50):
        tally.add(100.5, "a", "", 3, "status 503")
    tally.add(100.5, "b", "swarm", 3, "")
    lines, failures = tally.take(100)
    assert [(line["service"], line["total"], line["failed"]) for line in lines] == [("a", 50, 50), ("b", 1, 0)]
    assert lines[1]["sides"] == {"swarm": 1} and sum(lines[1]["latency_ms"].values()) == 1
    assert len(failures) == prober.MAX_DETAILS
    assert tally.take(101) == ([], [])


def test_a_line_torn_by_a_kill_is_closed(tmp_path):
    store = prober.Store(str(tmp_path), 1)
    store.append(7200, [{"t": 7200}], [])
    path = tmp_path / "requests-19700101T02.jsonl"
    path.write_text(path.read_text() + '{"t": 72')
    store.append(7201, [{"t": 7201}], [{"t": 7201}])
    assert path.read_text().splitlines() == ['{"t":7200}', '{"t": 72', '{"t":7201}']
    store.append(7200 + 3 * 3600, [{"t": 1}], [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["failures.jsonl", "requests-19700101T05.jsonl"]


FULL = OSError(errno.ENOSPC, "No space left on device")


def test_what_finds_no_room_is_written_later_each_line_once(tmp_path, monkeypatch):
    store, write, room = prober.Store(str(tmp_path), 1), os.write, [20]

    def until_full(fd, data):
        if not room[0]:
            raise FULL
        written = write(fd, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", until_full)
    for second in range(7200, 7205):
        with pytest.raises(OSError, match="No space"):
            store.append(second, [{"t": second}], [{"failed": second}])
        assert (tmp_path / "requests-19700101T02.jsonl").read_text() == '{"t":7200}\n', "no line is left torn"
    room[0] = 1000
    store.append(7205, [{"t": 7205}], [])
    for name, key, last in (("requests-19700101T02", "t", 7205), ("failures", "failed", 7204)):
        lines = [json.loads(line) for line in (tmp_path / f"{name}.jsonl").read_text().splitlines()]
        assert lines == [{key: second} for second in range(7200, last + 1)]


def test_what_is_kept_is_bounded(tmp_path):
    store = prober.Store(str(tmp_path / "later"), 1)
    for second in range(7200, 7200 + 2 * prober.KEPT_S):
        with pytest.raises(FileNotFoundError):
            store.append(second, [{"t": second}], [])
    (tmp_path / "later").mkdir()
    store.append(7200 + 2 * prober.KEPT_S, [], [])
    lines = (tmp_path / "later/requests-19700101T02.jsonl").read_text().splitlines()
    assert len(lines) == prober.KEPT_S - 1 and lines[-1] == f'{{"t":{7199 + 2 * prober.KEPT_S}}}'


def test_an_old_hour_that_can_not_be_removed_keeps_nothing_from_being_written(tmp_path):
    old = tmp_path / "requests-19700101T00.jsonl"
    old.mkdir()
    store = prober.Store(str(tmp_path), 1)
    for second in (7200, 7201):
        with pytest.raises(OSError):
            store.append(second, [{"t": second}], [])
    assert (tmp_path / "requests-19700101T02.jsonl").read_text() == '{"t":7200}\n{"t":7201}\n'
    old.rmdir()
    old.touch()
    store.append(7202, [], [])
    assert not old.exists()


class Misbehaving:
    """Answers by the Host header: fine, late, never, cut off, or with a 500."""

    def __init__(self, tls=None):
        self.loop = asyncio.new_event_loop()
        self._tls = tls
        self.connections = 0
        self._ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait(5)

    def _run(self):
        self._server = self.loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls))
        self.port = self._server.sockets[0].getsockname()[1]
        self._ready.set()
        self.loop.run_forever()

    async def _serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                kind = head.split("Host: ")[1].split("\r\n")[0]
                if kind == "cut":
                    break
                if kind == "never":
                    await asyncio.sleep(60)
                writer.write(OK.replace(b"200 OK", b"500 No") if kind == "error" else OK)
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@contextlib.contextmanager
def probing(folder, config):
    """The whole program, until it is told to end."""
    (folder / "prober.json").write_text(json.dumps(config))
    process = subprocess.Popen([sys.executable, str(FILE), str(folder / "prober.json")])
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def counted(folder):
    return [json.loads(line) for p in sorted(folder.glob("requests-*.jsonl")) for line in p.read_text().splitlines()]


def sums(lines, key, services):
    return {name: sum(line[key] for line in lines if line["service"] == name) for name in services}


def test_the_whole_prober_counts_each_request_once(tmp_path):
    server = Misbehaving()
    kinds = ["fine", "error", "cut", "never"]
    config = {
        "address": "127.0.0.1",
        "port": server.port,
        "rate": 100,
        **PLAIN,
        "timeout_s": 0.5,
        "idle_s": 30,
        "side_header": "X-Orchestrator",
        "data_dir": str(tmp_path),
        "keep_hours": 1,
        "services": [{"name": kind, "host": kind, "path": "/"} for kind in kinds],
    }
    with probing(tmp_path, config):
        time.sleep(3)
    lines = counted(tmp_path)
    total, failed = (sums(lines, key, kinds) for key in ("total", "failed"))
    assert failed == {**total, "fine": 0}
    assert max(total.values()) - min(total.values()) <= 1, "every request that left is counted, in turn"
    assert 150 <= sum(total.values()) <= 400
    reasons = {json.loads(line)["reason"] for line in (tmp_path / "failures.jsonl").read_text().splitlines()}
    assert reasons == {"status 500", "closed without an answer", "timeout"}
    sides = [line["sides"] for line in lines if line["service"] == "fine"]
    assert all(set(side) == {"k3s"} for side in sides)
    assert server.connections < sum(total.values()), "connections are kept"


def nobody(folder):
    """What asks a port where nobody is."""
    return {
        "address": "127.0.0.1",
        "port": 9,
        "rate": 50,
        **PLAIN,
        "timeout_s": 1,
        "idle_s": 1,
        "side_header": "X",
        "data_dir": str(folder),
        "keep_hours": 1,
        "services": [{"name": "a", "host": "a"}],
    }


def test_nobody_there_is_a_failure_to_connect(tmp_path):
    async def ask():
        subject = prober.Prober(nobody(tmp_path))
        task = asyncio.ensure_future(subject.run())
        await asyncio.sleep(0.5)
        subject._stopping.set()
        await task

    asyncio.run(ask())
    first = json.loads((tmp_path / "failures.jsonl").read_text().splitlines()[0])
    assert first["reason"].startswith("connect: ")


def test_a_disk_that_takes_nothing_for_a_while_leaves_no_gap(tmp_path, capfd):
    data, said = tmp_path / "data", []

    def heard(text):
        said.append(capfd.readouterr().err)
        return text in "".join(said)

    with probing(tmp_path, nobody(data)):
        until(lambda: heard("No such file"))
        first = int(time.time()) - 1
        data.mkdir()
        until(lambda: heard("written again"))
    seconds = [line["t"] for line in counted(data)]
    assert seconds[0] <= first and seconds == list(range(seconds[0], seconds[-1] + 1))


def test_a_prober_that_writes_no_more_ends(tmp_path, monkeypatch):
    flushes = []

    def broken(_prober, second):
        flushes.append(second)
        if len(flushes) == 1:
            raise ValueError("no fault of the disk")

    monkeypatch.setattr(prober.Prober, "_flush", broken)
    with pytest.raises(ValueError, match="no fault of the disk"):
        asyncio.run(prober.Prober(nobody(tmp_path)).run())


@pytest.mark.parametrize(("verified", "failing"), [(True, {"other.test"}), (False, set())])
def test_over_tls_each_host_is_asked_by_its_name_on_its_own_connections(tmp_path, verified, failing):
    authority, names = Authority(tmp_path), set()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("edge", "app.test", "api.test"))
    context.sni_callback = lambda _connection, name, _context: names.add(name)
    server = Misbehaving(context)
    hosts = ["app.test", "api.test", "other.test"]
    config = {
        "address": "127.0.0.1",
        "port": server.port,
        "rate": 60,
        "tls": True,
        "ca_file": str(authority.file),
        "validate_certs": verified,
        "timeout_s": 5,
        "idle_s": 30,
        "side_header": "X-Orchestrator",
        "data_dir": str(tmp_path),
        "keep_hours": 1,
        "services": [{"name": host, "host": host, "path": "/"} for host in hosts],
    }
    with probing(tmp_path, config):
        until(lambda: len(counted(tmp_path)) >= 3 * len(hosts))
    lines = counted(tmp_path)
    total, failed = (sums(lines, key, hosts) for key in ("total", "failed"))
    assert failed == {host: total[host] if host in failing else 0 for host in hosts}
    assert names == set(hosts)
    reasons = (tmp_path / "failures.jsonl").read_text() if failing else ""
    assert reasons.count("certificate verify failed") == reasons.count("reason")
    good = sum(total.values()) - sum(failed.values())
    assert server.connections - sum(failed.values()) < good / 2, "connections are kept"
