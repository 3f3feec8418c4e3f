from __future__ import annotations

import json
import pathlib
import re

import jinja2
import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.config import MANAGED_KEYS
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.firewall import firewall

ROLE = pathlib.Path(__file__).parents[3] / "roles/k3s"
SPECS = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())["argument_specs"]
DEFAULTS = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
TASKS = sorted((ROLE / "tasks").glob("*.yml"))


def test_every_default_is_described_and_the_same():
    described = {name: option for spec in SPECS.values() for name, option in spec["options"].items()}
    assert set(DEFAULTS) <= set(described)
    assert {name: DEFAULTS[name] for name in DEFAULTS} == {name: described[name].get("default") for name in DEFAULTS}


def test_every_entry_point_that_is_described_is_there():
    assert {name for name in SPECS if not (ROLE / f"tasks/{name}.yml").exists()} == set()


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_every_task_that_holds_a_token_is_silent(path):
    def tasks(items):
        for task in items or []:
            yield task
            for part in ("block", "rescue", "always"):
                yield from tasks(task.get(part))

    for task in tasks(yaml.safe_load(path.read_text())):
        text = json.dumps(
            {key: value for key, value in task.items() if key.startswith("ansible.builtin.") or key == "loop"}
        )
        module = next((key for key in task if key.startswith("ansible.builtin.")), "")
        if module in ("ansible.builtin.slurp", "ansible.builtin.copy", "ansible.builtin.uri") and re.search(
            "token|secret", text
        ):
            assert task.get("no_log") is True, task["name"]
        if "command" in module:
            assert not re.search("token(?!s? rotate)", text), task["name"]


def test_the_keys_that_the_role_writes_are_managed():
    text = (ROLE / "vars/main.yml").read_text()
    owned = set(re.findall(r"\{'([a-z-]+)': ", text[text.index("__k3s_owned:") : text.index("__k3s_dropped:")]))
    assert owned and owned <= set(MANAGED_KEYS)


def test_the_firewall_drops_only_ports_that_it_opens_to_somebody():
    host = {"inventory_hostname": "a", "ansible_host": "192.0.2.1"}
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    text = environment.from_string((ROLE / "templates/firewall.nft.j2").read_text()).render(
        ansible_managed="",
        __k3s_firewall_mark="m",
        __k3s_firewall_table="t",
        __k3s_table=firewall([host], ["a"], [], "a", {}),
    )
    opened = set(re.findall(r"saddr \{[^}]*\} (\w+ dport \{[^}]*\}) accept", text))
    dropped = set(re.findall(r"^ *(\w+ dport \{[^}]*\}) drop", text, re.MULTILINE))
    assert opened == dropped and len(dropped) == 4
    assert "policy accept" in text and "flush" not in text
