"""When the dead-man of a Redis' handover is armed: not before somebody may be refused writes."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import dead_man, redis_pair, redis_pair_scripts
from ansible_collections.sophia.replatform.plugins.module_utils.handover.redis_pair_run import RedisPair
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_release import let_go
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step

TARGET, OTHER = "192.0.2.21:6379", "192.0.2.14:6379"
PARAMS = {
    "state": "primary",
    "target": TARGET,
    "other": OTHER,
    "overwrite": False,
    "lock": "lock",
    "password_file": None,
    "clients": None,
}
SETTINGS = "".join(f"setting {name}:1\n" for name in (*redis_pair.CARRIED, "replica-read-only"))


def info(role, follows, keys="db0:keys=3,expires=0,avg_ttl=0\ndb7:keys=4,expires=0,avg_ttl=0\n"):
    host, _colon, port = follows.rpartition(":")
    replica = f"master_host:{host}\nmaster_port:{port}\nmaster_link_status:up\nmaster_sync_in_progress:0\nslave_repl_offset:7\n"
    return (
        f"redis_version:7.0.15\nconfig_file:/redis.conf\nrun_id:1\nloading:0\nrole:{role}\nmaster_repl_offset:7\nmaster_replid:{role}\n"
        f"master_replid2:0\nnormal_clients:0\n{replica if role == 'slave' else ''}{keys}{SETTINGS}"
    )


class Place:
    """O(roles) are those of the target and the other one; nothing for one that does not answer."""

    def __init__(self, *roles):
        self.roles, self.ran = roles, []

    def run(self, script, *_arguments):
        if script != redis_pair_scripts.STATUS:
            self.ran.append(script)
            return "7\n"
        said = [info(role, follows) if role else "" for role, follows in zip(self.roles, (OTHER, TARGET))]
        return "== other\n".join(said)


class Man:
    def __init__(self):
        self.armed, self.late = False, False

    def arm(self):
        self.armed = True

    def overdue(self):
        return self.armed and self.late


@pytest.mark.parametrize(
    ("target", "other", "armed"),
    [
        ("master", "master", False),
        ("slave", "master", False),
        ("master", "", False),
        ("", "slave", False),
        ("slave", "slave", True),
        ("master", "slave", True),
    ],
)
def test_it_is_armed_where_clients_may_be_refused_writes(target, other, armed):
    man = Man()
    operation = RedisPair(Place(target, other), PARAMS, False, man)
    operation.observe()
    assert man.armed == armed
    man.late = True
    if armed:
        with pytest.raises(
            ReplatformError, match=f"clients that are led to {OTHER} have been refused writes for too long"
        ):
            operation.observe()
    else:
        operation.observe()


def test_it_is_armed_before_the_master_is_demoted_and_stays_so():
    man = Man()
    operation = RedisPair(Place("slave", "master"), PARAMS, False, man)
    assert operation.act(Step("demote", {"at": OTHER})) == {"offset": 7} and man.armed
    man.late = True
    # The other one is away since.
    operation.place = Place("master", "")
    with pytest.raises(ReplatformError, match="refused writes for too long"):
        operation.observe()


def test_keys_of_all_databases_are_counted():
    world = RedisPair(Place("master", "slave"), PARAMS).observe()
    assert world.target.keys == world.other.keys == 7
    assert redis_pair.parse_instance(TARGET, info("master", "", keys="")).keys == 0


@pytest.mark.parametrize(("reason", "said"), [(dead_man.ENDED, []), ("it was killed", ["start", "ok"])])
def test_that_a_run_was_killed_is_in_the_journal_though_nothing_was_left_to_do(tmp_path, reason, said):
    journal = tmp_path / "journal"
    journal.touch()
    params = {**PARAMS, "journal": str(journal), "phase": "cutover", "name": "redis", "deadline": 9}
    place = Place("slave", "master")
    let_go(RedisPair, lambda _params: (place, str(tmp_path / "lock")), params, reason)
    records = read_journal(str(journal))
    assert [(one["step"], one["event"]) for one in records] == [("dead_man", event) for event in said]
    assert [one["data"]["reason"] for one in records] == [reason, f"{OTHER} takes writes"][: len(said)]
    assert not place.ran
