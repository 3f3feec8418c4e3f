"""How long a look at two instances waits for the second, with a psql that says what the test wants."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover_run, switchover_scripts

PSQL = r"""#!/bin/sh
case "$*" in
  *pgbouncer*) printf 'name,host,paused,disabled\npgbouncer,,0,0\nshop,192.0.2.1,%s,0\n' "$PAUSED" ;;
  *"-p 1 "*) cat >/dev/null; echo "{\"standby\" : $STANDBY}" ;;
  *) cat >/dev/null; sleep "$AWAY"; echo '{"standby" : true}' ;;
esac
"""


def look(folder, paused, standby, away_s):
    """The parts of what a look says."""
    (folder / "bin").mkdir()
    (folder / "bin/psql").write_text(PSQL)
    (folder / "bin/psql").chmod(0o755)
    (folder / "password").write_text("word")
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "PAUSED": str(paused), "STANDBY": standby, "AWAY": str(away_s)}
    lock = str(folder / "lock")
    arguments = ["ada", "shop", str(folder / "password"), lock, "192.0.2.9", "6432", "192.0.2.1", "1", "192.0.2.2", "2"]
    command = ["/bin/sh", "-c", switchover_scripts.STATUS, "sh", *arguments]
    # The look has ended when the shell has, whoever it has left behind.
    with open(folder / "said", "w+", encoding="utf-8") as said:
        subprocess.run(command, env=variables, stdout=said, check=True, timeout=25)
        # Nobody who is left behind keeps the next script out.
        subprocess.run(["flock", "-n", lock, "true"], check=True)
        said.seek(0)
        return switchover_run.split_parts(said.read())


def test_clients_that_wait_for_a_new_primary_do_not_wait_for_the_old_one(tmp_path):
    parts = look(tmp_path, paused=1, standby="false", away_s=3)
    assert (parts["1"], parts["2"]) == ('{"standby" : false}\n', "")


@pytest.mark.parametrize(("paused", "standby"), [(0, "false"), (1, "true")])
def test_otherwise_both_are_waited_for(tmp_path, paused, standby):
    parts = look(tmp_path, paused, standby, away_s=1)
    assert parts["2"] == '{"standby" : true}\n'


def test_one_that_answers_is_seen_behind_a_new_primary_too(tmp_path):
    assert look(tmp_path, paused=1, standby="false", away_s=0)["2"] == '{"standby" : true}\n'
