# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What becomes of clients that a handover by logical replication holds, when it fails or has ended: it does what that by streaming does."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import logical_run, switchover_release
from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover_scripts as of_the_pooler
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_run import LogicalSwitchover
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal

from . import test_logical_run as seen
from .test_switchover_run import CONFIG, DATABASES

OLD, NEW = seen.PARAMS["other"], seen.PARAMS["target"]
SCRIPTS = {**vars(of_the_pooler), **logical_run._SCRIPTS}
CLOSED = {"read_only": True, "fenced": True}
PARAMS = {
    **seen.PARAMS,
    "state": "primary",
    "max_lag": 1 << 20,
    "overwrite": False,
    "password_file": "p",
    "pooler_file": "f",
    "name": "db",
    "phase": "cutover",
    "deadline": 9,
}


def follows(address):
    return f"host={address.split(':')[0]} port=5432"


class Place:
    """A primary, its subscriber and their pooler; O(faults) are what scripts raise, by name, or by name and address."""

    def __init__(self, faults=None):
        self.faults, self.paused, self.leads_to, self.ran, self.beside = faults or {}, False, OLD, [], ""
        common = {**seen.SEEN, "freeze": "f", "credentials": True, "lsn": "0/100", "confirmed": "0/100"}
        self.servers = {
            OLD: {**common, "system": "1", "conninfo": None, "read_only": False},
            NEW: {**common, "system": "2", "slot": False, "conninfo": follows(OLD), **CLOSED},
        }
        self.unseen = ()

    def run(self, script, *arguments):
        name = next(one for one, text in SCRIPTS.items() if text == script)
        if name == "STATUS":
            return self.status()
        looks = {
            "FACTS": "{}",
            "FREE": "9",
            "FINGERPRINT": "hash",
            "POOLER_FILE": f"there\nwritable\nline {self.leads_to}\nothers {self.leads_to}",
        }
        if name in looks:
            return looks[name]
        self.ran.append(name)
        at = ":".join(arguments[6:8])
        fault = self.faults.get(name) or self.faults.get((name, at))
        if fault:
            raise ReplatformError(fault)
        if name in ("PAUSE", "RESUME"):
            self.paused = name == "PAUSE"
        if name == "REPOINT":
            self.leads_to = ":".join(arguments[9:11])
        if name == "FENCE":
            self.servers[at].update(CLOSED)
        if name == "TURN":
            self.servers[at].update(conninfo=follows(NEW))
            self.servers[NEW].update(slot=True)
        if name == "OPEN":
            self.servers[at].update(conninfo=None, **dict.fromkeys(CLOSED, False))
        if name == "DROP_SLOT":
            self.servers[at].update(slot=False)
        return "0"

    def status(self):
        databases = DATABASES.replace("192.0.2.14", self.leads_to.split(":")[0])
        databases = databases.replace(",3,1,0", f",0,{self.paused:d},0") + self.beside
        one, two = ("" if at in self.unseen else json.dumps(self.servers[at]) for at in (NEW, OLD))
        return f"== databases\n{databases}== config\n{CONFIG}== 1\n{one}\n== 2\n{two}\n"


class DeadMan:
    """It stands by in name only; O(late): it is about to act."""

    def __init__(self, place=None, late=False):
        self.place, self.late, self.armed_at = place, late, []

    def arm(self):
        self.armed_at.append(self.place.paused)

    def disarm(self):
        self.armed_at.clear()

    def overdue(self):
        return self.late and self.place.paused


def run(place, dead_man=None, journal=None, **changes):
    params = {**PARAMS, "journal": journal, **changes}
    return switchover_release.hand_over(LogicalSwitchover, place, params, False, dead_man)


def refusal(place, *arguments, **changes):
    with pytest.raises(ReplatformError) as raised:
        run(place, *arguments, **changes)
    return str(raised.value)


@pytest.mark.parametrize(
    ("fails", "last"),
    [("FENCE", ["FENCE", "RESUME"]), ("TURN", ["TURN", "OPEN", "RESUME"]), (("OPEN", NEW), ["OPEN", "OPEN", "RESUME"])],
)
def test_clients_go_on_with_the_one_that_they_had(tmp_path, fails, last):
    place, journal = Place({fails: "error: no room"}), str(tmp_path / "journal")
    assert refusal(place, None, journal) == (f"error: no room; clients are led to {OLD}: mend that and run this again")
    assert place.ran[-len(last) :] == last
    assert not place.paused and place.leads_to == OLD and not place.servers[OLD]["fenced"]
    records = read_journal(journal)
    assert {one["operation"] for one in records} == {"postgres_logical_switchover"}
    assert (records[-1]["step"], records[-1]["event"]) == ("resume", "ok")


def test_once_the_new_one_takes_writes_nobody_else_does():
    place = Place({"REPOINT": "error: no line"})
    assert refusal(place) == "error: no line; clients stay held (error: no line): mend that and run this again"
    assert place.paused and not place.servers[NEW]["fenced"] and place.servers[OLD]["fenced"]


def test_other_databases_of_the_instance_stay_where_they_are_but_not_another_name_of_this_one():
    place = Place()
    place.beside = "second,192.0.2.14,5432,second,,20,0,0,,0,0,0,0\n"
    assert run(place)["changed"]
    place = Place()
    place.beside = "alias,192.0.2.14,5432,shop,,20,0,0,,0,0,0,0\n"
    assert "take alias out of its configuration" in refusal(place) and place.ran == []


def test_a_run_whose_time_is_over_begins_nothing_more():
    place = Place()
    assert "clients have been held for too long; clients are led to" in refusal(place, DeadMan(place, late=True))
    assert "FENCE" not in place.ran


def test_the_dead_man_stands_by_from_before_clients_are_held_until_they_are_not():
    place = Place()
    dead_man = DeadMan(place)
    armed = []
    arm = dead_man.arm
    dead_man.arm = lambda: (arm(), armed.append((place.paused, list(place.ran))))
    assert run(place, dead_man)["changed"]
    assert armed[0] == (False, ["TRY_REPOINT"]) and armed[-1][0]
    assert dead_man.armed_at == []
    assert place.ran == ["TRY_REPOINT", "PAUSE", "FENCE", "TURN", "OPEN", "REPOINT", "RESUME", "DROP_SLOT"]


def come_to(place, *reached):
    """A run that has ended had taken these steps."""
    for name in reached:
        place.run(SCRIPTS[name], *"upplpp", *OLD.split(":"))
    place.ran.clear()


@pytest.mark.parametrize(
    ("reached", "leads_to", "taken"),
    [
        (["PAUSE"], OLD, ["RESUME"]),
        (["PAUSE", "FENCE"], OLD, ["OPEN", "RESUME"]),
        (["PAUSE", "FENCE", "TURN"], NEW, ["OPEN", "REPOINT", "RESUME"]),
    ],
)
def test_when_a_run_has_ended_they_go_on_with_who_is_or_may_become_the_primary(tmp_path, reached, leads_to, taken):
    place, journal = Place(), str(tmp_path / "journal")
    come_to(place, *reached)
    lock = str(tmp_path / "lock")
    params = {**PARAMS, "journal": journal}
    switchover_release.let_go(LogicalSwitchover, lambda _params: (place, lock), params, "the run has ended")
    assert place.ran == taken and (place.paused, place.leads_to) == (False, leads_to)
    said = [(one["step"], one["event"]) for one in read_journal(journal)]
    assert said[0] == ("dead_man", "start") and said[-1] == ("dead_man", "ok")


def test_it_waits_for_one_without_which_nobody_is_provably_the_only_primary(tmp_path, monkeypatch):
    place, journal = Place(), str(tmp_path / "journal")
    come_to(place, "PAUSE", "FENCE", "TURN")
    place.unseen = (NEW,)
    looks = []

    def sleep(_seconds):
        looks.append(list(place.ran))
        if len(looks) == 3:
            place.unseen = ()

    monkeypatch.setattr(switchover_release.time, "sleep", sleep)
    lock = str(tmp_path / "lock")
    params = {**PARAMS, "journal": journal, "deadline": 100}
    switchover_release.let_go(LogicalSwitchover, lambda _params: (place, lock), params, "the run has ended")
    assert looks == [[], [], []] and not place.paused
    failed = [one["data"]["reason"] for one in read_journal(journal) if one["event"] == "failed"]
    assert len(failed) == 1 and "clients may be held: no primary is seen" in failed[0]


def test_a_run_has_a_dead_man_that_lets_go_in_its_name(tmp_path, monkeypatch):
    place, made = Place(), []

    def dead_man(act, patience_s):
        made.append((act, patience_s))
        return DeadMan(place)

    monkeypatch.setattr(switchover_release, "DeadMan", dead_man)
    params = {**PARAMS, "journal": str(tmp_path / "journal")}
    where = (place, str(tmp_path / "lock"))
    assert switchover_release.run(LogicalSwitchover, lambda _params: where, params, False)["changed"]
    ((act, patience_s),) = made
    assert patience_s == PARAMS["grace"] + switchover_release.HOLD_S
    place.paused = True
    act("the run has ended")
    assert not place.paused and place.leads_to == NEW
