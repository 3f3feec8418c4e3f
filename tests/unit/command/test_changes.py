# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What would change, host by host, and hosts that would change alike together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from replatform.changes import Changes
from replatform.events import translate

HOSTS = st.sampled_from(["a", "b", "c", "d"])
CHANGES = st.lists(st.tuples(HOSTS, st.sampled_from(["install", "start"]), st.sampled_from([[], ["drain node=x"]])))


def host(name, task, steps, outcome="changed"):
    return {"event": "host", "host": name, "task": task, "outcome": outcome, "steps": steps}


@given(changes=CHANGES)
def test_each_host_is_told_once_with_all_its_changes_in_order(changes):
    noted = Changes("cluster", with_diff=False)
    for change in changes:
        noted.take(host(*change))
        noted.take(host(*change, outcome="ok"))
    told = {name: event["changes"] for event in noted.events() for name in event["hosts"]}
    assert sum(len(event["hosts"]) for event in noted.events()) == len(told)
    assert told == {
        name: [{"task": task, "steps": steps} for host_name, task, steps in changes if host_name == name]
        for name in {change[0] for change in changes}
    }


def test_hosts_that_change_alike_are_one_event():
    noted = Changes("cluster", with_diff=False)
    for number in range(500):
        noted.take(host(f"host-{number:03d}", "install", []))
    assert [len(event["hosts"]) for event in noted.events()] == [500]


def test_of_a_recorded_run(recorded):
    noted = Changes("preflight", with_diff=True)
    for raw in recorded:
        for event in translate(raw):
            noted.take(event)
    tasks = {
        name: [change["task"] for change in event["changes"]] for event in noted.events() for name in event["hosts"]
    }
    assert tasks["one"] == ["Change", "Change by a secret", "Change by secrets", "Write"]
    assert tasks["two"] == tasks["one"]
