# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The line of the pooler's file: how it is read and written, and why it can't be; with a psql that says what a pooler would."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.handover import pooler_file, switchover_scripts

NAMED = {"postgres:5432": "192.0.2.14:5432"}
GOOD = pooler_file.PoolerFile("f", "shop", leads_to="192.0.2.14:5432")
# It has read the file, whatever it is asked, and keeps what it has where there is KEPT. A user is no database.
PSQL = r"""#!/bin/sh
! grep -Eq '= max_.*pool_size|^replatform_trial = max_' "$FILE" || exit 1
[ ! -e "$FILE.kept" ] || FILE=$FILE.kept
printf 'name,host,port,pool_size\n'
sed -nE 's/^(shop|replatform_trial) = .*host=([^ ]+) port=([0-9]+)( pool_size=([0-9]+))?$/\1,\2,\3,\5/p' "$FILE" | sed 's/,$/,20/'
"""
LINES = [
    "shop = host=postgres port=5432",
    "shop=port=5432 host=postgres dbname=shop",
    "  shop = dbname=ghost  host = 'postgres' port ='5432'",
]


def run(folder, script, *arguments, reads="databases.ini"):
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin/psql").write_text(PSQL)
    (folder / "bin/psql").chmod(0o755)
    (folder / "password").write_text("word")
    path = folder / "databases.ini"
    variables = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "FILE": str(folder / reads)}
    fixed = ["ada", "shop", str(folder / "password"), "", "192.0.2.9", "6432", "192.0.2.1", "1", str(path)]
    command = ["/bin/sh", "-c", script, "sh", *fixed, *arguments]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False, cwd=folder)


def look(folder):
    done = run(folder, switchover_scripts.POOLER_FILE)
    assert (done.returncode, done.stderr) == (0, "")
    return replace(pooler_file.parse("f", "shop", done.stdout, NAMED), path="f")


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_read_as_the_pooler_reads_it(tmp_path, line):
    (tmp_path / "databases.ini").write_text(f"[databases]\nshop2 = host=a port=1\n;shop = host=b port=2\n{line}\n")
    assert look(tmp_path) == GOOD
    (tmp_path / "databases.ini").write_text(f"[databases]\n{line}\n* = host=postgres port=5432")
    assert look(tmp_path) == replace(GOOD, others_to="192.0.2.14:5432")


@pytest.mark.parametrize("text", ["", "[databases]\nshop = host=postgres", "shop = port=5432", "shop2 = host=a port=1"])
def test_a_line_that_lacks_something_is_none(tmp_path, text):
    (tmp_path / "databases.ini").write_text(text)
    assert look(tmp_path) == replace(GOOD, leads_to="")
    done = run(tmp_path, switchover_scripts.REPOINT, "k3s", "6")
    assert done.returncode == 1 and "has no line 'shop = host=... port=...'" in done.stderr
    assert (tmp_path / "databases.ini").read_text() == text and not (tmp_path / "databases.ini.new").exists()


def test_a_file_that_is_not_there(tmp_path):
    assert look(tmp_path) == replace(GOOD, exists=False, writable=False, leads_to="")


def test_only_host_and_port_of_the_line_are_written(tmp_path):
    path = tmp_path / "databases.ini"
    path.write_text("[databases]\nshop2 = host=a port=1\nshop = user=host host=postgres port=5432\n")
    path.chmod(0o640)
    assert run(tmp_path, switchover_scripts.REPOINT, "k3s", "6").returncode == 0
    assert path.read_text() == "[databases]\nshop2 = host=a port=1\nshop = user=host host=k3s port=6\n"
    assert path.stat().st_mode & 0o777 == 0o640


def test_what_a_trial_that_was_killed_has_left_goes(tmp_path):
    path = tmp_path / "databases.ini"
    path.write_text(
        "[databases]\nreplatform_trial = host=127.0.0.1 port=1 pool_size=5\nshop = host=postgres port=5432 pool_size=5 pool_size=6\n"
    )
    assert run(tmp_path, switchover_scripts.REPOINT, "k3s", "6").returncode == 0
    assert path.read_text() == "[databases]\nshop = host=k3s port=6 pool_size=5\n"


TWO = "[databases]\nshop = host=postgres port=5432\nsecond = host=a port=1\n"


def test_a_trial_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "databases.ini"
    path.write_text(TWO)
    assert run(tmp_path, switchover_scripts.TRY_REPOINT).returncode == 0
    assert path.read_text() == TWO and not path.with_name("databases.ini.new").exists()


def test_a_user_of_the_same_name_is_let_alone(tmp_path):
    path = tmp_path / "databases.ini"
    path.write_text(f"[users]\nshop = max_user_connections=50\n{TWO}")
    done = run(tmp_path, switchover_scripts.TRY_REPOINT)
    assert (done.returncode, done.stderr) == (0, "")
    assert path.read_text() == f"[users]\nshop = max_user_connections=50\n{TWO}"


@pytest.mark.parametrize("script", [switchover_scripts.TRY_REPOINT, switchover_scripts.REPOINT])
def test_a_file_that_the_pooler_does_not_read(tmp_path, script):
    path = tmp_path / "databases.ini"
    path.write_text(TWO)
    (tmp_path / "other.ini").write_text(TWO)
    done = run(tmp_path, script, "k3s", "6", reads="other.ini")
    assert done.returncode == 1 and f"the pooler does not follow pooler_file {path}: name the file" in done.stderr
    assert path.read_text() == (
        TWO if script == switchover_scripts.TRY_REPOINT else TWO.replace("postgres port=5432", "k3s port=6")
    )


def test_what_somebody_has_not_loaded_yet_is_not_loaded_by_a_trial(tmp_path):
    path = tmp_path / "databases.ini"
    path.write_text(TWO.replace("port=5432", "port=9"))
    (tmp_path / "other.ini").write_text(TWO)
    done = run(tmp_path, switchover_scripts.TRY_REPOINT, reads="other.ini")
    assert done.returncode == 1 and "leads shop to postgres:9, and the pooler to postgres:5432: mend" in done.stderr
    assert path.read_text() == TWO.replace("port=5432", "port=9")


def test_a_pooler_that_drops_nothing_any_more(tmp_path):
    path = tmp_path / "databases.ini"
    path.write_text(TWO)
    path.with_name("databases.ini.kept").write_text(f"{TWO}replatform_trial = host=127.0.0.1 port=1\n")
    done = run(tmp_path, switchover_scripts.TRY_REPOINT)
    assert done.returncode == 1 and "the pooler keeps replatform_trial: mend what its log names" in done.stderr
    assert path.read_text() == TWO


@pytest.mark.parametrize("script", [switchover_scripts.TRY_REPOINT, switchover_scripts.REPOINT])
def test_a_file_that_can_not_be_replaced(tmp_path, script):
    path = tmp_path / "databases.ini"
    path.write_text(TWO)
    path.with_name("databases.ini.new").mkdir()
    done = run(tmp_path, script, "k3s", "6")
    assert done.returncode == 1 and f"error: pooler_file {path} can't be replaced (" in done.stderr
    assert path.read_text() == TWO


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (replace(GOOD, exists=False), "pooler_file f is not there: name the file"),
        (replace(GOOD, leads_to=""), "pooler_file f has no line 'shop = host=... port=...': write both into it"),
        (replace(GOOD, leads_to="a:1"), "leads shop to a:1, and the pooler leads it to 192.0.2.14:5432: name the file"),
        (replace(GOOD, mounted=True), "is mounted by itself, so it can't be replaced: mount the folder"),
        (replace(GOOD, writable=False), "is in a folder that can't be written to: put it on a volume"),
    ],
)
def test_each_fault_alone_names_its_mend(file, says):
    assert pooler_file.faults(GOOD, GOOD.leads_to) == []
    (fault,) = pooler_file.faults(file, GOOD.leads_to)
    assert says in fault and "\n" not in fault
