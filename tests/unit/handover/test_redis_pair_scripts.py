"""The scripts for two Redis instances, with a stand-in for redis-cli: what is told to which of them, and in which order."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import redis_pair_scripts

# Notes down what it is told; offsets never meet unless the file C(equal) is there.
CLI = r"""#!/bin/sh
at=$2; shift 5
if [ $# = 0 ]; then
  sed "s/^/$at /" >>"$FOLDER/told"
  printf 'OK\nQUEUED\nQUEUED\nOK\nOK\n'
  exit
fi
echo "$at $*" >>"$FOLDER/told"
case $*,$at in
  'INFO server',*) echo "config_file:$FOLDER/$at.conf" ;;
  INFO*,new) [ -e "$FOLDER/equal" ] && echo slave_repl_offset:7 || echo slave_repl_offset:6 ;;
  INFO*,*) echo master_repl_offset:7 ;;
  *) [ ! -e "$FOLDER/refuses-$at" ] && echo OK || echo "ERR no" ;;
esac
"""
# Each look at the clock takes three seconds.
DATE = r"""#!/bin/sh
echo . >>"$FOLDER/looks"
echo $(($(wc -l <"$FOLDER/looks") * 3))
"""


@pytest.fixture(name="run")
def run_fixture(tmp_path):
    for name, text in (("redis-cli", CLI), ("date", DATE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def run(script, *ends):
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "FOLDER": str(tmp_path)}
        command = ["/bin/sh", "-c", script, "sh", "", "", *ends]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        return done.returncode, (tmp_path / "told").read_text().splitlines(), done.stderr

    return run


def test_the_other_one_keeps_whom_it_follows_before_one_is_promoted(run):
    """A demotion that was cut off before it was written would come back as a second master."""
    code, told, _said = run(redis_pair_scripts.PROMOTE, "new", "1", "old", "1")
    assert code == 0
    assert [one for one in told if "INFO" not in one] == [
        *("old CONFIG REWRITE", "new CONFIG REWRITE"),
        *("new MULTI", "new REPLICAOF NO ONE", "new CONFIG REWRITE", "new EXEC"),
    ]


def test_none_is_promoted_where_the_other_one_can_not_keep_it(run, tmp_path):
    (tmp_path / "refuses-old").touch()
    code, told, said = run(redis_pair_scripts.PROMOTE, "new", "1", "old", "1")
    assert code == 1 and told == ["old INFO server", "old CONFIG REWRITE"]
    assert said == "error: old: CONFIG REWRITE: ERR no\n"


@pytest.mark.parametrize("equal", [False, True])
def test_a_demotion_ends_before_the_pause_does(run, tmp_path, equal):
    """Writes that are taken again are not compared any more."""
    if equal:
        (tmp_path / "equal").touch()
    code, told, said = run(redis_pair_scripts.DEMOTE, "old", "1", "new", "1")
    assert ("old REPLICAOF new 1" in told) == equal == (code == 0)
    assert ("did not catch up" in said) != equal
    assert told.count("old INFO replication") < 4 and told[-1] == "old CLIENT UNPAUSE"
