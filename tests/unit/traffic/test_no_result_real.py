"""A shift on a real Traefik whose module ends without a result: the controller hears of it, and the next run goes on."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess

import played
import pytest

from .conftest import until
from .test_edge_real import HOST, params, shift

ROOT = pathlib.Path(__file__).parents[3]
SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


@pytest.fixture(name="jobs")
def jobs_fixture(tmp_path):
    """Ansible's jobs on a disk of 64 KiB."""
    if os.geteuid():
        pytest.skip("needs root, to make a disk that is small")
    folder = tmp_path / "jobs"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def play(folder, jobs, options):
    task = {"name": "Shift", "sophia.replatform.traffic_shift": {k: v for k, v in options.items() if v is not None}}
    host = {"ansible_connection": "local", "ansible_async_dir": str(jobs)}
    plays = [{"hosts": "one", "gather_facts": False, "tasks": [task]}]
    return played.start(folder, {"all": {"hosts": {"one": host}}}, plays)


def killed(edge, _jobs):
    """The module and what waits for it, as by a restart of the host."""
    os.killpg(os.getpgid(int((edge.state_dir / "app.lock").read_text())), signal.SIGKILL)


def disk_full(edge, jobs):
    """The module ends by itself, and its result finds no room."""
    with (jobs / "filler").open("wb", buffering=0) as handle, contextlib.suppress(OSError):
        while True:
            handle.write(bytes(1024))
    os.kill(int((edge.state_dir / "app.lock").read_text()), signal.SIGINT)


@pytest.mark.skipif(not SOAK, reason="waits for ten looks of the controller")
@pytest.mark.parametrize("ends", [killed, disk_full])
def test_a_shift_that_is_gone_is_not_waited_for(edge, sides, traffic, tmp_path, jobs, ends):
    shift(edge, sides, state="present")
    options = params(edge, sides, interval=600, controller_timeout=60)
    del options["controller_sign"]
    with traffic(edge.web, HOST) as requests:
        run = play(tmp_path, jobs, options)
        until(lambda: "step_left_s" in (edge.state_dir / "app.progress.json").read_text())
        ends(edge, jobs)
        said = " ".join(run.communicate()[0].split())
        assert run.returncode != 0 and "the shift of service 'app' on one has ended without a result" in said, said
        assert "its last progress: app: " in said
        assert not list(edge.state_dir.glob("*.controller"))
        (jobs / "filler").unlink(missing_ok=True)
        assert shift(edge, sides)["weight"] == 100
    assert requests.failed == 0
