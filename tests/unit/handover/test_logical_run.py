# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is read from the servers for a handover by logical replication, and what is refused of the options."""

from __future__ import annotations

import json

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import logical_run
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_checks import Facts

PARAMS = {
    "target": "192.0.2.21:5432",
    "other": "192.0.2.14:5432",
    "target_name": None,
    "other_name": None,
    "pooler": "127.0.0.1:6432",
    "user": "shop",
    "database": "shop",
    "grace": 10,
    "max_lag": 0,
    "compare": 0,
}
SEEN = {
    "system": "7713052959882595075",
    "freeze": None,
    "recorded": "hash",
    "conninfo": "host=192.0.2.14 port=5432 dbname=shop user=shop passfile=/data/../replatform.pgpass",
    "running": True,
    "pending": 0,
    "slot": True,
    "confirmed": "0/3000148",
    "lsn": "1/0",
    "read_only": True,
    "fenced": False,
    "credentials": True,
    "busy": False,
}


def test_options():
    logical_run.check(PARAMS)
    for option, value in (("compare", -1), ("database", "shop;"), ("other", PARAMS["target"])):
        with pytest.raises(ReplatformError, match=option):
            logical_run.check({**PARAMS, option: value})


def test_an_instance():
    one = logical_run.parse_instance("b:1", json.dumps(SEEN))
    assert (one.address, one.follows, one.freeze, one.recorded) == ("b:1", "192.0.2.14:5432", "", "hash")
    assert (one.confirmed, one.lsn) == (0x3000148, 1 << 32)
    assert one.read_only and not one.fenced
    bare = logical_run.parse_instance("b:1", json.dumps({**SEEN, "conninfo": None, "confirmed": None}))
    assert (bare.follows, bare.confirmed) == ("", 0)
    assert logical_run.parse_instance("b:1", "\n") is None


def test_facts_and_the_tables_that_have_rows():
    text = '{"version": 17, "tables": 2}\npublic.rows\n'
    assert Facts(**logical_run.parse_facts(text)) == Facts(version=17, tables=2, filled=["public.rows"])
