"""What is read from the servers, what is refused of the options, and what a script that fails says."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import switchover_run
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Here
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_world import Beside

PARAMS = {
    "target": "192.0.2.21:5432",
    "other": "192.0.2.14:5432",
    "target_name": None,
    "other_name": "postgres:5432",
    "pooler": "127.0.0.1:6432",
    "user": "shop",
    "database": "shop",
    "grace": 10,
    "max_lag": 0,
}
DATABASES = """name,host,port,database,force_user,pool_size,min_pool_size,reserve_pool,pool_mode,max_connections,current_connections,paused,disabled
pgbouncer,,6432,pgbouncer,pgbouncer,2,0,0,statement,0,0,0,0
shop,192.0.2.14,5432,shop,,20,0,0,,0,3,1,0
"""
CONFIG = "key,value,default,changeable\npool_mode,transaction,session,yes\nquery_wait_timeout,0,120,yes\n"
SEEN = {
    "system": "7713052959882595075",
    "standby": True,
    "lsn": "0/30000A0",
    "checkpoint": "0/3000028",
    "redo": "0/3000028",
    "timeline": 1,
    "received": 1,
    "segment": 16 << 20,
    "history": None,
    "conninfo": "host=192.0.2.14 port=5432 user=shop passfile=/data/../replatform.pgpass",
    "upstream": "192.0.2.14:5432",
    "read_only": False,
    "condemned": True,
    "marked": "0000000A 192.0.2.14:5432",
    "slot": True,
    "oldest": "0000000100000003",
    "asked": "0/3000000",
    "followed": False,
    "credentials": True,
    "lost": False,
    "retained": None,
    "seeding": False,
    "clients": 0,
}


def test_options_that_can_be_used():
    switchover_run.check(PARAMS)
    switchover_run.check({**PARAMS, "other": None})


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("target", "192.0.2.21"),
        ("other", "a b:1"),
        ("pooler", "a:x"),
        ("other_name", "postgres"),
        ("user", "o'neill"),
        ("database", "shop;"),
        ("other", PARAMS["target"]),
        ("grace", 0),
        ("max_lag", -1),
    ],
)
def test_options_that_can_not_be_used_are_named(option, value):
    with pytest.raises(ReplatformError, match=option):
        switchover_run.check({**PARAMS, option: value})


def test_a_pooler():
    pooler = switchover_run.parse_pooler(DATABASES, CONFIG, "shop", {})
    assert (pooler.leads_to, pooler.paused, pooler.servers) == ("192.0.2.14:5432", True, 3)
    assert (pooler.pool_mode, pooler.query_wait_s) == ("transaction", 0)
    with pytest.raises(ReplatformError, match="has no database other"):
        switchover_run.parse_pooler(DATABASES, CONFIG, "other", {})


def test_what_else_a_pooler_has():
    second = "second,postgres,5432,shop,,20,0,0,,0,0,0,0\n"
    pooler = switchover_run.parse_pooler(DATABASES + second, CONFIG, "shop", {"postgres:5432": "192.0.2.14:5432"})
    assert pooler.leads_to == "192.0.2.14:5432"
    assert pooler.beside == [Beside("pgbouncer", ":6432", "pgbouncer"), Beside("second", "192.0.2.14:5432", "shop")]


def test_a_pooler_that_has_a_name_of_its_own_for_an_instance():
    names = {"postgres-k3s:5432": "192.0.2.21:5432", "postgres:5432": "192.0.2.14:5432"}
    named = DATABASES.replace("192.0.2.14", "postgres")
    assert switchover_run.parse_pooler(named, CONFIG, "shop", names).leads_to == "192.0.2.14:5432"
    assert switchover_run.parse_pooler(DATABASES, CONFIG, "shop", names).leads_to == "192.0.2.14:5432"
    strange = DATABASES.replace("192.0.2.14", "elsewhere")
    assert switchover_run.parse_pooler(strange, CONFIG, "shop", names).leads_to == "elsewhere:5432"


def test_a_standby_that_has_replayed_a_shutdown():
    one = switchover_run.parse_instance("192.0.2.21:5432", json.dumps(SEEN))
    assert one.streaming and one.follows == "192.0.2.14:5432"
    assert one.shut_down == one.lsn == 0x30000A0
    assert (one.marked, one.marked_timeline) == ("192.0.2.14:5432", 10)
    assert (one.oldest, one.asked) == ((1 << 32) + 3 * (16 << 20), 0x3000000)


def test_one_that_follows_another_or_was_not_shut_down():
    one = switchover_run.parse_instance(
        "a:1", json.dumps({**SEEN, "upstream": "b:2", "redo": "0/3000020", "marked": None})
    )
    assert not one.streaming and one.shut_down == 0
    assert (one.marked, one.marked_timeline) == ("", 0)
    assert switchover_run.parse_instance("a:1", "\n") is None


def test_where_timelines_were_left():
    text = "1\t0/3000148\tno recovery target specified\n\n2\t1/0\tno recovery target specified\n"
    assert switchover_run.parse_history(text) == {1: 0x3000148, 2: 1 << 32}


def test_facts_of_all_databases_are_put_together():
    database = {"tables": 2, "unlogged": ["shop.cache"], "extensions": {"plpgsql": "1.0"}, "collations": {}}
    other = {**database, "unlogged": [], "extensions": {"plpgsql": "1.0", "vector": "0.7"}}
    facts = switchover_run.parse_facts("\n".join(json.dumps(one) for one in ({"version": 15}, database, other)))
    assert facts["tables"] == 4 and facts["unlogged"] == ["shop.cache"]
    assert facts["extensions"] == [("plpgsql", "1.0"), ("vector", "0.7")]


def test_what_a_script_says_when_it_fails():
    with pytest.raises(ReplatformError, match="^error: no$"):
        Here().run("echo hint >&2; echo error: no >&2; exit 1")
    with pytest.raises(ReplatformError, match="status 3"):
        Here().run("exit 3")
    assert Here().run('echo "$2"', "a", "b") == "b\n"
