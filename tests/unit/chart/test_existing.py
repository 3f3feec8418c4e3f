from __future__ import annotations

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.chart.existing import hides_secret, kebab, merge
from ansible_collections.sophia.replatform.plugins.module_utils.chart.rules import parse, show
from ansible_collections.sophia.replatform.plugins.module_utils.chart.split import split
from hypothesis import given
from hypothesis import strategies as st

from .conftest import GROUPS, VALUES

KEYS = st.sampled_from(
    ["web", "store", "data", "global", "stack", "services", "replicaCount", "env", "name", "a.b", "x"]
)
TREES = st.dictionaries(
    KEYS,
    st.recursive(st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(KEYS, inner)),
    max_size=5,
)


def merged(text, rules=(), dependencies=()):
    """The merged values, and the rows by key."""
    whole, rows = merge(yaml.safe_load(text), split(VALUES, GROUPS), rules, dependencies)
    return whole, {row.key: row for row in rows}


def leaves(node, path=()):
    if isinstance(node, dict) and node:
        return [leaf for key, value in node.items() for leaf in leaves(value, (*path, key))]
    return [(path, node)]


@given(TREES)
def test_every_key_has_one_row_and_nothing_of_the_stack_is_lost(existing):
    before = split(VALUES, GROUPS)
    whole, rows = merge(existing, before)
    assert [row.key for row in rows] == [show(path) for path, _value in leaves(existing) if path]
    assert before == split(VALUES, GROUPS)
    for name in ("image", "kind", "ports"):
        assert whole["front"]["services"]["web"][name] == VALUES["services"]["web"][name]
    for row in rows:
        if row.verdict == "carried":
            node = whole
            for part in parse(row.key):
                node = node[part]
            assert node == {show(path): value for path, value in leaves(existing)}[row.key]
        assert row.verdict in ("carried", "renamed", "reported")
        assert row.to if row.verdict == "renamed" else not row.to
        assert row.note if row.verdict == "reported" else True


@pytest.mark.parametrize("block", ["web", "shopWeb: {name: web", "apps: {web"])
def test_a_block_of_a_service_is_read_by_helms_conventions(block):
    inner = "replicaCount: 5, nodeSelector: {disk: ssd}, resources: {limits: {cpu: 2}}, tier: PRIMARY, tolerations: [{key: a}]"
    text = {"web": f"web: {{{inner}}}", "apps: {web": f"apps: {{web: {{{inner}}}}}"}.get(block, f"{block}, {inner}}}")
    whole, rows = merged(text)
    web = whole["front"]["services"]["web"]
    assert web["replicas"] == 5
    assert web["nodeSelector"] == {"disk": "ssd"}
    assert web["resources"] == {"limits": {"cpu": 2}}
    assert web["tier"] == "primary"
    assert web["tolerations"] == [{"key": "a"}]
    [row] = [row for key, row in rows.items() if key.endswith("replicaCount")]
    assert (row.verdict, row.to) == ("renamed", "front.services.web.replicas")
    assert row.note == "the stack file writes it otherwise; this one counts"
    assert set(whole) == {"global", "data", "front", "workloads"}


@pytest.mark.parametrize(
    "keys,verdict,note",
    [
        ("enabled: true", "renamed", ""),
        ("enabled: false", "reported", "stays on"),
        ("name: web", "renamed", "the service's name is its key"),
        ("nameOverride: site", "reported", "peers call the service web"),
        ("service: {port: 80}", "renamed", "the same in the stack file"),
        ("port: 81", "reported", "does not listen there"),
        ("service: {type: ClusterIP}", "reported", "the edge serves"),
        ("ingress: {host: a}", "reported", "the edge serves"),
        ("env: {A: 1}", "renamed", "the same in the stack file"),
        ("env: {A: 2}", "reported", "it is what runs"),
        ("env: {DB_PASSWORD: x}", "reported", "looks like a secret"),
        ("env: {URL: 'http://a:b@c'}", "reported", "looks like a secret"),
        ("image: {tag: latest}", "reported", "is what runs"),
        ("image: {digest: 'sha256:1'}", "renamed", ""),
        ("livenessProbe: {path: /}", "reported", "health check"),
        ("persistence: {size: 1Gi}", "reported", "volumes come from the stack file"),
        ("autoscaling: {enabled: true}", "reported", "together switch it on"),
        ("autoscaling: {minReplicas: 2}", "reported", "not whole"),
        ("resources: {}", "renamed", "empty"),
        ("sidecars: 2", "reported", "no such key"),
    ],
)
def test_conventions(keys, verdict, note):
    _whole, rows = merged(f"web: {{{keys}}}")
    [row] = rows.values()
    assert row.verdict == verdict
    assert note in row.note if note else not row.note


def test_an_environment_variable_that_the_stack_does_not_have_is_added():
    whole, _rows = merged("web: {env: {B: true, C: text}}")
    env = whole["front"]["services"]["web"]["env"]
    assert env == [{"name": "A", "value": "1"}, {"name": "B", "value": "true"}, {"name": "C", "value": "text"}]


def test_an_autoscaler_is_whole_and_on_or_not_there():
    given = "minReplicas: 2, maxReplicas: 4, targetCPUUtilizationPercentage: 70"
    whole, _rows = merged(f"web: {{autoscaling: {{enabled: true, {given}}}}}")
    assert whole["front"]["services"]["web"]["autoscaling"]["maxReplicas"] == 4
    for text in (f"web: {{autoscaling: {{enabled: false, {given}}}}}", f"store: {{autoscaling: {{{given}}}}}"):
        whole, rows = merged(text)
        assert "autoscaling" not in yaml.safe_dump(whole)
        assert {row.verdict for row in rows.values()} == {"reported"}


def test_a_service_with_volumes_of_its_own_keeps_its_count():
    whole, rows = merged("store: {replicas: 3}")
    assert whole["data"]["services"]["store"]["replicas"] == 1
    assert rows["store.replicas"].note == "the stack file's count stays: the service is a StatefulSet"


def test_other_keys_stay_where_they_are():
    whole, rows = merged(
        "{global: {domain: a, stack: other, imagePullPolicy: IfNotPresent}, backup: {keep: 3, when: [1, 2]}}"
    )
    assert whole["backup"] == {"keep": 3, "when": [1, 2]}
    assert whole["global"]["domain"] == "a" and whole["global"]["stack"] == "shop"
    assert rows["global.domain"].verdict == "carried"
    assert rows["global.imagePullPolicy"].note == ""
    assert rows["global.stack"].verdict == "reported"


def test_a_key_that_the_new_chart_uses_for_something_else():
    _whole, rows = merged("{services: {a: 1}, data: {b: 1}, global: {stack: {c: 1}}}")
    assert {row.verdict for row in rows.values()} == {"reported"}


def test_secrets_are_neither_carried_nor_shown():
    whole, rows = merged("{auth: {password: changeme, users: [{apiKey: abc}], rotation: 90}, token: 12}")
    assert "changeme" not in repr((whole, rows)) and "abc" not in repr((whole, rows))
    assert whole["auth"] == {"rotation": 90}
    assert rows["token"].verdict == "reported"


def test_values_of_a_chart_that_is_no_longer_fetched():
    whole, rows = merged("postgresql: {enabled: true}", dependencies=["postgresql"])
    assert "postgresql" not in whole
    assert "of the chart postgresql" in rows["postgresql.enabled"].note


def test_rules():
    rules = [
        {"key": "net.*.active", "to": "global.*.enabled", "note": "by hand"},
        {"key": "apps.shop", "service": "web"},
        {"key": "backup", "report": "made elsewhere"},
    ]
    text = "{net: {networkPolicy: {active: false}}, apps: {shop: {replicas: 7}}, backup: {a: {b: 1}}}"
    whole, rows = merged(text, rules)
    assert whole["global"]["networkPolicy"] == {"enabled": False}
    assert whole["front"]["services"]["web"]["replicas"] == 7
    assert rows["net.networkPolicy.active"].to == "global.networkPolicy.enabled"
    assert rows["net.networkPolicy.active"].note == "by hand"
    assert (rows["backup.a.b"].verdict, rows["backup.a.b"].note) == ("reported", "made elsewhere")


@pytest.mark.parametrize(
    "rule,reason",
    [
        ({"key": "a"}, "rules[0]: 'key' and one of"),
        ({"to": "a"}, "rules[0]: 'key' and one of"),
        ({"key": "a", "to": "b", "report": "c"}, "rules[0]: 'key' and one of"),
        ({"key": "a", "tu": "b"}, "rules[0]: unknown key tu"),
        ({"key": "a.*", "to": "*.*"}, "more stars"),
        ({"key": "a", "service": "none"}, "given to service none, which is not in the stack"),
        ({"key": "a", "to": "nowhere.b"}, "there is no nowhere in the chart"),
        ({"key": "a", "to": "global.stack.b"}, "a value is in its way"),
    ],
)
def test_rules_that_can_not_be_followed(rule, reason):
    with pytest.raises(ChartError) as raised:
        merged("a: 1", [rule])
    assert reason in str(raised.value)


@given(st.lists(st.text(alphabet="ab.", min_size=1), min_size=1))
def test_paths_read_back(parts):
    assert parse(show(parts)) == tuple(parts)


@pytest.mark.parametrize(
    "key,name", [("aiMemory", "ai-memory"), ("shop_web", "shop-web"), ("web2Go", "web2-go"), ("a", "a")]
)
def test_kebab(key, name):
    assert kebab(key) == name


@pytest.mark.parametrize(
    "path,value,secret",
    [
        ("password", "x", True),
        ("apiKey", ["x"], True),
        ("costPer1kTokens", 0.015, False),
        ("auth", True, False),
        ("secret", None, False),
        ("password", "", False),
        ("PASSWORD_FILE", "/run/secrets/p", False),
        ("list", [{"token": "x"}], True),
        ("extraEnv", [{"name": "DB_PASSWORD", "value": "x"}], True),
        ("extraEnv", [{"name": "DB_NAME", "value": "x"}], False),
        ("credentials.admin", "x", True),
        ("secrets.rotationDays", 90, False),
        ("pin.password", 1234, True),
        ("url", "redis://:pw@host", True),
    ],
)
def test_secrets(path, value, secret):
    assert hides_secret(parse(path), value) is secret


def test_a_service_may_be_called_like_a_secret():
    values = {"services": {"auth-token": {"image": "a", "kind": "Deployment", "replicas": 1}}}
    text = {"authToken": {"nodeSelector": {"disk": "ssd"}, "tier": "a", "env": {"SECRET": "x"}}}
    whole, rows = merge(text, split(values, {}))
    assert whole["workloads"]["services"]["auth-token"]["nodeSelector"] == {"disk": "ssd"}
    assert [row.verdict for row in rows] == ["renamed", "renamed", "reported"]
