"""The role in real plays, against hosts that are folders of this machine."""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import played
import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
SECRET = "correct-horse-battery-staple"
SECRETS = {name: SECRET for name in ("k3s_token", "k3s_agent_token", "postgres_password", "ansible_become_password")}


class Fleet:
    """An inventory of two hosts and one that is down, a play that is one phase, and the artifacts that it makes."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.artifacts = folder / "artifacts"
        hosts: dict[str, t.Any] = {
            name: {"ansible_connection": "local", "evidence_state_dir": str(folder / "state")}
            for name in ("edge-1", "node-2")
        }
        hosts["down"] = {"ansible_host": "127.0.0.9", "ansible_port": 9, "ansible_timeout": 2}
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
        (folder / "state/prober").mkdir(parents=True)
        self.write(
            "journal.jsonl", {"id": "h1", "time": "2026-11-23T10:00:00.000Z", "phase": "cluster", "step": "join"}
        )
        (folder / "state/token").write_text(SECRET)

    def write(self, name: str, line: dict[str, t.Any]) -> None:
        with (self.folder / "state" / name).open("a") as handle:
            handle.write(json.dumps(line) + "\n")

    def play(self, *options: str, entries: t.Sequence[str] = ("phase_started", "phase_finished"), **more: t.Any) -> str:
        """Run the entry points in a play; returns what was printed after checking that nothing failed or changed."""
        variables = {
            "evidence_artifacts": str(self.artifacts),
            "evidence_environment": "test",
            "evidence_state_dir": str(self.folder / "state"),
            "evidence_phase": "cluster",
            **SECRETS,
            **more,
        }
        tasks = [
            {"ansible.builtin.include_role": {"name": "sophia.replatform.evidence", "tasks_from": entry}}
            for entry in entries
        ]
        play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}]
        ran = played.play(self.folder, "hosts.yml", play, *options)
        assert ran.code == 0, ran.output
        assert re.search(r"localhost +: ok=\d+ +changed=0 +unreachable=0 +failed=0", ran.output), ran.output
        return ran.output

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.artifacts)): path.read_bytes()
            for path in self.artifacts.rglob("*")
            if path.is_file()
        }

    def journal(self) -> list[tuple[str, str]]:
        records = map(json.loads, (self.artifacts / "journal.jsonl").read_text().splitlines())
        return [(record["step"], record.get("event", "")) for record in records]


@pytest.fixture()
def fleet(tmp_path: pathlib.Path) -> Fleet:
    """Hosts with a journal."""
    return Fleet(tmp_path)


def test_a_phase_is_recorded_gathered_and_reported(fleet: Fleet) -> None:
    printed = fleet.play()
    assert set(fleet.files()) == {
        "journal.jsonl",
        "report.json",
        "report.html",
        "hosts/edge-1/journal.jsonl",
        "hosts/node-2/journal.jsonl",
    }
    assert fleet.journal() == [("join", ""), ("cluster", "start"), ("cluster", "ok")]
    report = json.loads((fleet.artifacts / "report.json").read_text())
    assert report["phases"]["cluster"]["status"] == "ok"
    assert report["phases"]["cluster"]["seconds"] > 0
    assert "the host cannot be reached, so its evidence is left for the next time" in printed
    for path in [fleet.artifacts, *fleet.artifacts.rglob("*")]:
        assert path.stat().st_mode & 0o027 == 0, path
    for name, content in fleet.files().items():
        assert SECRET.encode() not in content, name
    assert SECRET not in printed


def test_a_run_that_was_killed_and_started_again_counts_as_one(fleet: Fleet) -> None:
    fleet.play(entries=["phase_started"])
    fleet.write("journal.jsonl", {"id": "h2", "time": "2026-11-23T10:00:01.000Z", "phase": "cluster", "step": "drain"})
    fleet.play()
    assert fleet.journal() == [
        ("join", ""),
        ("drain", ""),
        ("cluster", "start"),
        ("cluster", "start"),
        ("cluster", "ok"),
    ]
    before = fleet.files()
    fleet.play(entries=["main"])
    assert fleet.files() == before


def test_check_mode_writes_nothing(fleet: Fleet) -> None:
    fleet.play("--check", "--diff")
    assert not fleet.artifacts.exists()


def test_a_phase_without_hosts_contacts_none(fleet: Fleet) -> None:
    printed = fleet.play(evidence_hosts=[], evidence_phase="repository", evidence_event="failed")
    assert "cannot be reached" not in printed
    assert set(fleet.files()) == {"journal.jsonl", "report.json", "report.html"}
    assert json.loads((fleet.artifacts / "report.json").read_text())["phases"]["repository"]["status"] == "failed"
