"""A gate's command does not hold up a run that is to end. Nothing here runs a Traefik."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import gates
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Watched

from .conftest import until
from .obedient import Obedient, in_place_of_all


@pytest.fixture()
def obedient(tmp_path, monkeypatch):
    edge = Obedient(tmp_path)
    in_place_of_all(edge, monkeypatch)
    return edge


def test_a_command_that_runs_is_ended_when_the_run_is_to_end(tmp_path):
    told = tmp_path / "pid"
    script = f"import os, time; open({str(told)!r} + '.new', 'w').write(str(os.getpid())); os.rename({str(told)!r} + '.new', {str(told)!r}); time.sleep(600)"
    gate = gates.Gate("smoke", "command", command=(sys.executable, "-c", script), timeout=600)

    def called_back():
        if told.exists():
            raise ReplatformError("another run brings it back")

    with pytest.raises(ReplatformError, match="another run brings it back"):
        gates.ask_command(gate, "app", 50, called_back)
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


def test_a_person_does_not_wait_for_a_command(obedient, tmp_path):
    started = tmp_path / "started"
    command = ["/bin/sh", "-c", f"touch {started}; exec sleep 600"]
    gate = {"name": "smoke", "type": "command", "weights": [100], "command": command, "timeout": 600}
    obedient.watches = [Watched]
    raised = []

    def up():
        try:
            obedient.shift(gates=[gate])
        except ReplatformError as exc:
            raised.append(str(exc))

    run = threading.Thread(target=up)
    run.start()
    until(started.exists)
    assert obedient.shift(state="rolled_back", lock_timeout=30)["weight"] == 0
    run.join()
    assert "another run brings service 'app' back" in raised[0]
