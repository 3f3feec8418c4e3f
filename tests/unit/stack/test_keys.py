"""No key is dropped in silence: each one of the two schemas has a row, and ends in the verdict that it must."""

from __future__ import annotations

import re

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.forms import FILE_KEYS, MOUNT_KEYS, PORT_KEYS
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import SOURCE_KEYS, load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_network import ATTACHMENT_KEYS
from ansible_collections.sophia.replatform.plugins.module_utils.stack.table import RULES
from stack_keys import COMPOSE, FORBIDDEN, IGNORED, SERVICE, SWARM, TOP

ENTRIES = {
    "networks": {"front": None},
    "volumes": {"data": None},
    "secrets": {"key": {"external": True}},
    "configs": {"settings": {"content": "a"}},
}
NEEDED = {"secrets": {"file": "k"}, "configs": {"content": "a"}, "networks": {}, "volumes": {}}


def load(document):
    return load_stack({"s.yml": yaml.safe_dump(document)}, {"A": "v"}, "shop", lambda file: "B=1")


def under(path, value):
    """C(value) under a service, where C(path) names it: brackets and what lies below a list are part of the value."""
    words = re.sub(r"\[.*", "", path).split(".")
    words = words[:1] if words[0] in ("networks", "volumes", "ports") else words
    for word in reversed(words):
        value = {word: value}
    return value


def test_the_two_schemas_are_whole():
    assert (len(set(COMPOSE)), len(set(SWARM))) == (92, 54)


def test_every_key_has_a_rule_and_a_row_here():
    keys = {*COMPOSE, *SWARM, *FORBIDDEN}
    assert keys == set(RULES)
    assert keys - {re.split(r"[.\[]", path)[0] for path in SERVICE} == set()


def test_every_key_of_an_entry_has_a_row_here():
    for section, known in SOURCE_KEYS.items():
        assert set(known) - set(TOP[section]) == set()
    paths = set(SERVICE)
    assert {f"networks.front.{key}" for key in ATTACHMENT_KEYS} <= paths
    assert {f"ports[80/tcp].{key}" for key in PORT_KEYS} - paths == {
        f"ports[80/tcp].{key}" for key in ("target", "published", "protocol", "mode")
    }
    below = {f"volumes[/d].{key}.{name}" for key, names in MOUNT_KEYS.items() for name in names}
    assert below - paths == {"volumes[/d].tmpfs.size"}
    assert FILE_KEYS == ("source", "target", "mode", "uid", "gid")


@pytest.mark.parametrize("path", SERVICE)
def test_a_key_of_a_service_ends_in_its_verdict(path):
    value, wanted = SERVICE[path]
    document = {"services": {"app": {"image": "app:1", **under(path, value)}}, **ENTRIES}
    conversion = convert(load(document), Options(workload_keys=True))
    found = {item.key: item for item in conversion.verdicts if item.service == "app"}
    assert found[path].verdict == wanted
    assert wanted == "mapped" or found[path].note


@pytest.mark.parametrize(("section", "key"), [(section, key) for section, keys in TOP.items() for key in keys])
def test_a_key_of_an_entry_ends_in_its_verdict(section, key):
    value, wanted = TOP[section][key]
    base = {} if key in ("file", "content", "environment", "external", "driver") else NEEDED[section]
    document = {"services": {"app": {"image": "a"}}, section: {"it": {**base, key: value}}}
    found = {item.key: item for item in convert(load(document), Options(workload_keys=True)).verdicts}
    assert found[f"{section}.it.{key}"].verdict == wanted
    assert found[f"{section}.it.{key}"].service == "(stack)"


@pytest.mark.parametrize("key", IGNORED)
def test_what_swarm_ignores_changes_no_value(key):
    plain = {"services": {"app": {"image": "app:1"}}}
    given = {"services": {"app": {"image": "app:1", key: SERVICE[key][0]}}}
    assert convert(load(given), Options()).values == convert(load(plain), Options()).values


@pytest.mark.parametrize("key", FORBIDDEN)
def test_what_no_stack_may_have_is_refused(key):
    assert SERVICE[key][1] == "refused"


def test_include_and_models_are_refused_with_a_mend():
    document = {"services": {"app": {"image": "a"}}, "include": ["b.yml"], "models": {"m": {"model": "x"}}}
    rows = [item for item in convert(load(document), Options()).verdicts if item.service == "(stack)"]
    assert [(item.key, item.verdict) for item in rows] == [("include", "refused"), ("models", "refused")]
    assert "stack_files" in rows[0].note
