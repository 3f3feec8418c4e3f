"""What becomes of clients that a run holds which fails, and what its error says of them."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover_scripts
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_release import hand_over, let_go
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_run import Switchover
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal

from . import test_switchover_run as seen

STANDBY = {**seen.SEEN, "marked": None}
PRIMARY = {**STANDBY, "standby": False, "conninfo": "", "upstream": None, "condemned": False}
FULL = "ERROR:  could not write to COPY file: No space left on device"


class Place:
    """Two instances and their pooler, which holds clients; O(faults) are what scripts raise, by name."""

    def __init__(self, primary, **faults):
        self.primary, self.faults, self.paused, self.ran = primary, faults, True, []

    def run(self, script, *_arguments):
        name = next(one for one, text in vars(switchover_scripts).items() if text == script)
        if name in self.faults:
            raise ReplatformError(self.faults[name])
        if name == "STATUS":
            databases = seen.DATABASES.replace(",3,1,0", f",0,{self.paused:d},0")
            instances = [json.dumps(one) if one else "" for one in (STANDBY, self.primary)]
            return f"== databases\n{databases}== config\n{seen.CONFIG}== 1\n{instances[0]}\n== 2\n{instances[1]}\n"
        self.ran.append(name)
        if name == "RESUME":
            self.paused = False
        if name == "RELEASE":
            self.primary = PRIMARY
        return ""


def run(place, journal=None, **changes):
    params = {
        **seen.PARAMS,
        "state": "primary",
        "other_name": None,
        "overwrite": False,
        "password_file": "p",
        "pooler_file": "f",
        "name": "db",
        "journal": journal,
        "phase": "cutover",
        "deadline": 9,
    }
    with pytest.raises(ReplatformError) as raised:
        hand_over(Switchover, place, {**params, **changes}, False, None)
    return str(raised.value)


@pytest.mark.parametrize("got", [{}, {"read_only": True}, {"read_only": True, "condemned": True}])
def test_clients_go_on_where_the_fence_fails_however_far_it_got(tmp_path, got):
    journal = str(tmp_path / "journal")
    place = Place({**PRIMARY, **got}, FENCE=FULL)
    assert run(place, journal) == (
        f"192.0.2.14:5432 could not be fenced ({FULL}); clients are led to 192.0.2.14:5432: mend that and run this again"
    )
    assert place.ran == (["RELEASE", "RESUME"] if got else ["RESUME"])
    recorded = [(one["step"], one["event"]) for one in read_journal(journal)]
    assert recorded[:2] == [("fence", "start"), ("fence", "failed")] and recorded[-1] == ("resume", "ok")


def test_clients_go_on_where_the_deadline_has_passed():
    place = Place(PRIMARY)
    said = run(place, deadline=0)
    assert (
        "'fence' is still to be done (at: 192.0.2.14:5432, direct_clients: 0); clients are led to 192.0.2.14:5432"
        in said
        and place.ran == ["RESUME"]
    )


def test_where_nothing_is_safe_clients_stay_held_and_why_is_said():
    place = Place({**PRIMARY, "read_only": True}, FENCE=FULL, RELEASE="error: no room")
    assert "; clients stay held (error: no room): mend that and run this again" in run(place)
    assert place.paused
    place = Place({**STANDBY, "read_only": True}, PROMOTE="error: no", VOID="error: no", FOLLOW="error: no")
    assert "error: no; clients stay held (no primary is seen" in run(place)
    assert place.paused


def test_nothing_is_said_of_clients_that_are_not_held_or_not_seen():
    place = Place(PRIMARY, FACTS="error: no facts")
    place.paused = False
    assert run(place) == "error: no facts" and place.ran == []
    assert run(Place(PRIMARY, STATUS="error: no pooler")) == "error: no pooler"


class LastMoment(Place):
    """A table that is made when the trial is; nobody is held."""

    def __init__(self):
        super().__init__(PRIMARY)
        self.paused = False

    def run(self, script, *arguments):
        looks = {switchover_scripts.FREE: "9", switchover_scripts.WAL_ROOM: "9 9"}
        if script == switchover_scripts.FACTS:
            unlogged = ["shop.queue"] if "TRY_REPOINT" in self.ran and arguments[6] == "192.0.2.14" else []
            database = {"tables": 1, "unlogged": unlogged, "extensions": {}, "collations": {}}
            return "\n".join(json.dumps(one) for one in ({"version": 15}, database))
        if script == switchover_scripts.POOLER_FILE:
            return "there\nwritable\nline 192.0.2.14:5432\n"
        return looks.get(script) or super().run(script, *arguments)


def test_what_the_primary_has_is_asked_once_more_before_clients_are_held():
    place = LastMoment()
    assert "SET LOGGED for shop.queue" in run(place, max_lag=9) and place.ran == ["TRY_REPOINT"]


def test_clients_do_not_wait_for_a_journal_that_can_not_be_written(tmp_path):
    (tmp_path / "file").touch()
    journal = str(tmp_path / "file" / "journal")
    place = Place(PRIMARY)
    assert "cannot be written" in run(place, journal) and not place.paused
    place = Place(PRIMARY)
    params = {
        **seen.PARAMS,
        "other_name": None,
        "overwrite": False,
        "password_file": "p",
        "pooler_file": "f",
        "name": "db",
    }
    params.update(journal=journal, phase="cutover", deadline=9)
    let_go(Switchover, lambda _params: (place, str(tmp_path / "lock")), params, "the run has ended")
    assert not place.paused
