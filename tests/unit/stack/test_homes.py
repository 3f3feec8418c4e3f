from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack import standing
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options

TOP = {"volumes": {"data": None}}
KEYS = {"volumes": ["data:/d"]}
KEY = "(volumes).node"


def at(*hosts, **given):
    return Options(homes={"app": hosts}, **given)


def pinned(app):
    return [item["values"] for item in app.values.get("nodeExpressions", []) if item["operator"] == "In"]


def test_a_service_stays_where_its_data_is(converted):
    app = converted(KEYS, top=TOP, options=at("One"))
    assert pinned(app) == [["one"]]
    assert app.verdicts[KEY] == "approximated"
    assert pinned(converted(KEYS, top=TOP, options=at("b", "a"))) == [["a", "b"]]


@pytest.mark.parametrize(
    "keys",
    [{"volumes": ["data:/d:ro"]}, {"volumes": ["/etc/x:/x"]}, {"volumes": ["/a:/a:ro"]}, {"volumes": ["/anon"]}, {}],
)
def test_what_holds_no_data_goes_where_it_likes(converted, keys):
    app = converted(keys, top=TOP, options=at("one"))
    assert pinned(app) == []
    assert KEY not in app.verdicts


def test_a_folder_that_it_writes_to_is_data(converted):
    assert pinned(converted({"volumes": ["/srv/x:/x"]}, options=at("one"))) == [["one"]]


def test_a_constraint_that_says_so_is_enough(converted):
    deploy = {"placement": {"constraints": ["node.hostname==one"]}}
    app = converted({**KEYS, "deploy": deploy}, top=TOP, options=at("one"))
    assert pinned(app) == [["one"]]
    assert app.verdicts[KEY] == "mapped"
    app = converted({**KEYS, "deploy": deploy}, top=TOP)
    assert KEY not in app.verdicts


@pytest.mark.parametrize(
    ("hosts", "expressions", "verdict"),
    [
        (["one"], [["one", "two"], ["one"]], "approximated"),
        (["one", "two", "three"], [["one", "two"]], "mapped"),
        (["three"], [["one", "two"]], "reported"),
    ],
)
def test_a_constraint_that_names_hosts_counts(converted, hosts, expressions, verdict):
    nodes = tuple({"hostname": name, "role": "manager", "id": name, "address": ""} for name in ("one", "two"))
    keys = {**KEYS, "deploy": {"placement": {"constraints": ["node.role==manager"]}}}
    app = converted(keys, top=TOP, options=at(*hosts, nodes=nodes))
    assert pinned(app) == expressions
    assert app.verdicts[KEY] == verdict


def test_nothing_is_pinned_against_the_operators_will(converted):
    app = converted(KEYS, top=TOP, options=at("one", pin_volumes=False))
    assert pinned(app) == []
    assert app.verdicts[KEY] == "approximated"


def test_an_unknown_home_is_said(converted):
    assert converted(KEYS, top=TOP).verdicts[KEY] == "reported"


LIVE = [{"name": "app", "tasks": [{"node": "b"}, {"node": "a"}, {"node": "a"}]}, {"name": "gone", "tasks": []}]


def test_homes_are_where_tasks_run():
    assert standing.homes(LIVE, []) == {"app": ["a", "b"]}


def test_homes_are_remembered_when_the_swarm_is_drained():
    nodes = [
        {"hostname": "a", "role": "", "id": "", "address": ""},
        {"hostname": "b", "role": "", "id": "", "address": ""},
    ]
    seen = standing.remember(nodes, standing.homes(LIVE, nodes), {"app"})
    assert [node.get("holds") for node in seen] == [["app"], ["app"]]
    later = standing.nodes([], {"swarmNodes": seen})
    assert standing.homes([], later) == {"app": ["a", "b"]}
    assert standing.homes([{"name": "app", "tasks": [{"node": "c"}]}], later) == {"app": ["a", "b"]}
    assert standing.remember(later, {"app": ["a"]}, {"app"}) == [seen[0], nodes[1]]
    assert standing.remember(nodes, {"app": ["a"]}, set()) == nodes
