# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command itself, on playbooks that need nothing but this machine."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil
import signal
import time

import pytest
import yaml
from command import playbooks
from command.calling import ROOT, call

pytestmark = pytest.mark.slow

EVIDENCE = playbooks.HERE / "evidence"


def test_a_run_tells_plainly_what_it_does_and_hides_what_is_hidden(checkout):
    code, output, errors = checkout.run("run", "preflight")
    assert code == 3
    assert "\x1b" not in output
    assert "\r" not in output
    assert playbooks.SECRET not in output + errors
    assert output.splitlines()[-5:] == [
        "two, Fail at last:",
        "  non-zero return code",
        "  the reason",
        "failed: preflight, on two",
        f"next: replatform resume -i {checkout.inventory}",
    ]


def test_a_plan_tells_by_host_what_would_change_and_changes_nothing(checkout):
    code, events = checkout.events("plan", "preflight", "--diff")
    assert code == 0
    assert playbooks.SECRET not in json.dumps(events)
    would = [event for event in events if event["event"] == "would"]
    changes = {host: event["changes"] for event in would for host in event["hosts"]}
    assert changes["one"][-1] == {
        "task": "Write",
        "steps": [],
        "diff": [{"of": f"{checkout.folder}/one", "before": "", "after": "hello\n"}],
    }
    assert not (checkout.folder / "one").exists()
    assert events[-1] == {**events[-1], "event": "end", "code": 0, "status": "done"}


def test_a_plan_without_a_contact_is_data_alone(checkout):
    checkout.write("preflight", playbooks.LISTEN)  # it would never end
    code, events = checkout.events("plan", "preflight", "cutover", "--offline")
    assert code == 0
    plans = {event["phase"]: event["plays"] for event in events if event["event"] == "plan"}
    assert plans["preflight"] == [{"play": "A play that is stopped", "hosts": ["one"], "some": False}]
    assert "no host was contacted" in events[-1]["message"]


def test_an_inventory_can_say_that_a_plan_contacts_nobody(checkout):
    checkout.write("preflight", playbooks.LISTEN)
    code, output, _errors = checkout.run("plan", "preflight", "-e", "replatform_plan_offline=true")
    assert code == 0
    assert "no host is contacted" in output


@pytest.mark.parametrize("environment", ["production", "staging", "lab"])
def test_the_projects_own_inventories_are_read_without_a_contact(environment):
    """The order of services, weights and the folder of the evidence, all from the data."""
    code, events = call(["plan", "--offline"], ROOT, ROOT / "inventories" / environment)
    assert code == 0
    assert {event["group"] for event in events if event["event"] == "group"} >= {"edge", "k3s_server", "swarm_manager"}
    services = [event for event in events if event["event"] == "service"]
    assert services[0]["service"] == "unified-memory"
    stores = [service["service"] for service in services if service["how"] == "handed over"]
    assert stores == ["postgres", "redis", *(["notes"] if environment == "lab" else [])]
    assert all(service["weights"][-1] == 100 for service in services if service["how"] == "shifted")


def test_the_evidence_is_where_the_inventory_says():
    _code, events = call(["status"], ROOT, ROOT / "inventories/production")
    assert f"({ROOT}/artifacts/production)" in events[-1]["message"]


def test_a_plan_of_production_contacts_nobody_unless_it_is_told_to():
    settings = ROOT / "inventories/production/group_vars/all/replatform.yml"
    assert yaml.safe_load(settings.read_text())["replatform_plan_offline"] is True


def test_a_run_is_resumed_at_the_first_phase_that_is_not_complete(checkout):
    """The order, the evidence, the exit codes and that host keys are checked as Ansible does it."""
    checkout.write("phase2_cluster", playbooks.FAULTY)
    code, events = checkout.events("run", "repository", "cluster", "platform")
    assert code == 3
    assert [event["phase"] for event in events if event.get("status") == "start"] == ["repository", "cluster"]
    assert "no_such.module.anywhere" in events[-1]["errors"][0]
    said = [line for event in events if event["event"] == "said" for line in event["lines"]]
    assert said == ["host keys are checked: True"]

    code, output, _errors = checkout.run("status")
    assert code == 5
    assert "still to do: cluster, platform, cutover" in output

    checkout.write("phase2_cluster", playbooks.RECORDED.replace("PHASE", "cluster"))
    code, events = checkout.events("resume")
    assert code == 0
    done = [event["phase"] for event in events if event.get("status") == "start"]
    assert done == ["cluster", "platform", "cutover"]

    code, events = checkout.events("resume")
    assert code == 0
    assert [event["event"] for event in events] == ["start", "end"]
    assert checkout.run("status")[0] == 0


@pytest.mark.parametrize("last", ["failed", "start"])
def test_status_reads_recorded_evidence(checkout, last):
    artifacts = checkout.folder / "artifacts"
    shutil.copytree(EVIDENCE, artifacts)
    code, output, _errors = checkout.run("status")
    assert code == 0
    assert "unified-memory: 100 % on K3s, 0 failed" in output
    assert "cutover     ok in 8 min 35 s, 3 attempts" in output
    record = {"id": "x", "time": "2099-01-01T00:00:00.000Z", "phase": "cutover", "operation": "phase", "event": "start"}
    with open(artifacts / "journal.jsonl", "a", encoding="utf-8") as journal:
        journal.write(json.dumps(record) + "\n")
        if last == "failed":
            journal.write(json.dumps({**record, "id": "y", "event": "failed"}) + "\n")
    code, events = checkout.events("status")
    assert code == (3 if last == "failed" else 5)
    assert events[-1]["next"] == f"replatform resume -i {checkout.inventory}"


def test_a_host_that_cannot_be_reached_has_a_code_of_its_own(checkout):
    checkout.write("phase1_repository", playbooks.LOST)
    code, events = checkout.events("run", "repository")
    assert code == 4
    assert {fault["host"] for fault in events[-1]["faults"]} == {"one", "two"}


def test_a_rollback_is_the_playbooks_own(checkout):
    assert checkout.run("rollback", "cutover")[0] == 0
    code, output, _errors = checkout.run("rollback", "cluster")
    assert code == 3
    assert "no way back from cluster" in output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", "moonshot"], "there is no phase moonshot"),
        (["rollback"], "PHASE"),
        (["status", "-i", "/nowhere/at/all"], "there is no inventory at /nowhere/at/all"),
        (["status", "-e", "evidence_artifacts={{ nothing_of_that_name }}"], "evidence_artifacts can't be resolved"),
        (["plan", "--online", "--offline"], "not allowed with"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_nothing_starts(checkout, arguments, reason):
    code, _output, errors = checkout.run(*arguments)
    assert code == 2
    assert reason in errors
    assert "Traceback" not in errors
    assert not (checkout.folder / "artifacts").exists()


@contextlib.contextmanager
def waiting(checkout, playbook=playbooks.LISTEN):
    """A run that is in the middle of a task, and waits there for somebody to write into a FIFO."""
    os.mkfifo(checkout.folder / "fifo")
    checkout.write("phase1_repository", playbook)
    run = checkout.start("run", "repository", "--json")
    try:
        until(run, lambda event: event.get("task") == "Wait")
        with open(checkout.folder / "fifo", "w", encoding="ascii") as fifo:  # it opens when the task reads
            yield run, fifo
    finally:
        if run.poll() is None:
            run.kill()
        run.communicate()


def until(run, found):
    for line in run.stdout:
        event = json.loads(line)
        if found(event):
            return event
    raise AssertionError(f"it ended before that: {run.stderr.read()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_running_task_end(checkout, number):
    with waiting(checkout) as (run, fifo):
        run.send_signal(number)
        until(run, lambda event: event["event"] == "note" and "when the running task has ended" in event["message"])
        fifo.write("go on\n")
        fifo.flush()
        end = until(run, lambda event: event["event"] == "end")
        assert run.wait() == end["code"] == 130
    assert "before the task 'After'" in end["message"]
    assert end["next"] == f"replatform resume -i {checkout.inventory}"
    assert (checkout.folder / "waited").exists()
    assert not (checkout.folder / "after").exists()


def test_the_second_signal_does_not(checkout):
    with waiting(checkout) as (run, _fifo):
        run.send_signal(signal.SIGINT)
        until(run, lambda event: event["event"] == "note")
        run.send_signal(signal.SIGINT)
        end = until(run, lambda event: event["event"] == "end")
        assert run.wait() == end["code"] == 130
        assert "in the task 'Wait'" in end["message"]
        assert not (checkout.folder / "waited").exists()


def processes_of(folder):
    """Those that the command has started, however far away from it."""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"HOME={folder}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                yield (entry / "cmdline").read_bytes()


def test_nothing_is_left_of_one_that_was_killed(checkout):
    """What runs on a host ends by itself; nobody waits for ever to tell of it."""
    with waiting(checkout, playbooks.LISTEN_AND_TELL) as (run, fifo):
        run.kill()
        run.wait()
        assert list(processes_of(checkout.folder))
        fifo.write("go on\n")
        fifo.flush()
        end = time.monotonic() + 60
        while left := list(processes_of(checkout.folder)):
            assert time.monotonic() < end, left
            time.sleep(0.1)
    assert (checkout.folder / "waited").exists()


def test_a_reader_that_goes_away_does_not_end_the_run(checkout):
    run = checkout.start("run", "repository", "cluster")
    run.stdout.readline()
    run.stdout.close()
    assert run.wait(timeout=300) == 0
    run.stderr.close()


def test_the_command_on_the_path_is_that_of_the_checkout_one_stands_in(checkout, tmp_path_factory):
    """As make venv installs it: beside a Python, away from every checkout."""
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "replatform"
    shutil.copy(checkout.folder / "replatform/launcher", elsewhere)
    (checkout.folder / "replatform/launcher").unlink()
    (checkout.folder / "replatform/launcher").symlink_to(elsewhere)
    assert checkout.run("status")[0] == 5
    os.remove(checkout.folder / "galaxy.yml")
    code, _output, errors = checkout.run("status")
    assert code == 2
    assert "no checkout of sophia.replatform here or above" in errors
