# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Role edge restarts its Traefik only where it would come back with its routes, which a real one says; systemd is not there."""

from __future__ import annotations

import os
import re

import pytest
import yaml

from .conftest import _traefik
from .role_play import ROOT, Play

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
# An edge that has been running since the epoch began.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>{told}
case "$*" in *ActiveEnterTimestamp*) echo @1 ;; show*) echo LoadState=loaded; echo ActiveState=active ;; esac
"""
THEIRS = "http: {middlewares: {theirs: {headers: {customRequestHeaders: {X-A: b}}}}}\n"
BROKEN = ["http: [", "{{ nonsense }}\n", "http: {rooters: {}}\n"]


@pytest.fixture(name="restarting")
def restarting_fixture(edge, tmp_path, monkeypatch):
    """Plays the start of the edge, whose static configuration is newer than it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemctl").write_text(SYSTEMCTL.format(told=tmp_path / "told"))
    (tmp_path / "bin/systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    play = Play(tmp_path, edge_api_port=edge.api, edge_services=[])
    version = yaml.safe_load((ROOT / "roles/edge/defaults/main.yml").read_text())["edge_version"]
    for folder in ("lib", "role/dynamic"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / f"lib/traefik-{version}").symlink_to(_traefik())
    (tmp_path / "role/traefik.yml").write_text("as it is\n")
    (tmp_path / "told").touch()

    def restarting():
        played = play("serve")
        told = (tmp_path / "told").read_text()
        return played, bool(re.search(r"^restart ", told, re.MULTILINE))

    return restarting


@pytest.mark.parametrize("text", BROKEN if SOAK else BROKEN[2:])
def test_a_file_that_traefik_does_not_read_is_named_and_the_edge_runs_on(restarting, tmp_path, text):
    theirs = tmp_path / "role/dynamic/theirs.yml"
    theirs.write_text(text)
    played, restarted = restarting()
    assert played.failed == 1 and not restarted
    assert f"a file in {tmp_path}/role/dynamic (mend it, or take it away), the edge is left as it was" in played.said
    assert str(theirs) in played.said and theirs.read_text() == text


def test_with_files_that_it_reads_it_is_restarted(restarting, tmp_path):
    (tmp_path / "role/dynamic/theirs.yml").write_text(THEIRS)
    played, restarted = restarting()
    assert played.failed == 0 and restarted, played.said
