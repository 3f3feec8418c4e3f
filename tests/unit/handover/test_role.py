"""The role data_handover, for stores with streaming: what it calls, in which order and where, with stand-ins for the modules."""

from __future__ import annotations

import json
import pathlib
import re
import sys

import played
import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]

# Says what FOLDER/NAME.json holds, and notes down what it was called with.
MODULE = """#!{python}
import json, pathlib, sys
from ansible.module_utils.basic import AnsibleModule
options = {options}
module = AnsibleModule(argument_spec=dict.fromkeys(options, {{"type": "raw"}}), supports_check_mode=True)
folder = pathlib.Path("{folder}")
given = {{key: value for key, value in module.params.items() if value is not None}}
with open(folder / "calls", "a", encoding="utf-8") as calls:
    calls.write(json.dumps(["{name}", given]) + "\\n")
answers = json.loads((folder / "{name}.json").read_text())
answer = answers.get(given.get("kind") or given.get("state"), answers)
(module.fail_json if "msg" in answer else module.exit_json)(**answer)
"""
NOTE = "import json, sys; print(json.dumps(['names', json.loads(sys.argv[2])]), file=open(sys.argv[1], 'a'))"
OPTIONS = re.compile(r'^    "(\w+)": \{', re.MULTILINE)
STREAMING = {"pooler": "bouncer", "pooler_port": 6432, "pooler_file": "/state/databases.ini"}
STORE = {"user": "shop", "database": "shop", "password_file": "/secret", "port": 5432}
POSTGRES = {"name": "db", "kind": "postgres", "group": "data", **STORE, "streaming": STREAMING}
REDIS = {"name": "cache", "kind": "redis", "group": "data", "port": 6379, "streaming": {}}
SWITCHED = {"changed": True, "reason": "it is done", "steps": []}


def service(name, *, port, node_port, selects):
    spec = {
        "clusterIP": "192.0.2.99",
        "ports": [{"port": port, "nodePort": node_port}],
        **({"selector": {"app": name}} if selects else {}),
    }
    return {"metadata": {"name": name}, "spec": spec}


def cluster(led=()):
    return {
        "EndpointSlice": {"resources": []},
        "resources": [
            *(service(one, port=port, node_port=at, selects=one in led) for one, port, at in (("db", 5432, 30001),)),
            service("db-k3s", port=5432, node_port=30002, selects=True),
            service("bouncer", port=6432, node_port=30003, selects="bouncer" in led),
            service("bouncer-k3s", port=6432, node_port=30004, selects=True),
            service("cache", port=6379, node_port=30005, selects="cache" in led),
            service("cache-k3s", port=6379, node_port=30006, selects=True),
        ],
    }


def swarm(*names, **changes):
    """The services; O(changes) are those of one, by its name."""
    ports = {"db": 5432, "bouncer": 16432, "cache": 6379}
    return {
        "services": [
            {
                "name": one,
                "full_name": f"shop_{one}",
                "running": 1,
                "restart_condition": "any",
                "restart_max_attempts": 0,
                "endpoints": [f"192.0.2.14:{ports[one]}"],
                "tasks": [{"node": f"node-of-{one}"}],
                **changes.get(one, {}),
            }
            for one in names
        ]
    }


class Stage:
    """A collection whose role is the real one, and whose modules are not."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        mine = played.collection(folder, {}, "roles/data_handover")
        (mine / "roles/platform/tasks").mkdir(parents=True)
        names = "{{ [platform_handed_over, platform_handed_back] | to_json }}"
        note = {"argv": [sys.executable, "-c", NOTE, str(folder / "calls"), names]}
        task = {"name": "Note down", "ansible.builtin.command": note, "check_mode": False}
        (mine / "roles/platform/tasks/main.yml").write_text(yaml.safe_dump([task]))
        self.module("sophia.replatform", "swarm_stack_info", ["stack"])
        for name, run in (("postgres_switchover", "switchover_run"), ("redis_switchover", "redis_pair_run")):
            text = (ROOT / f"plugins/module_utils/handover/{run}.py").read_text()
            self.module("sophia.replatform", name, [*OPTIONS.findall(text), "journal", "deadline"])
        named = ["kubeconfig", "api_version", "kind", "namespace"]
        self.module("kubernetes.core", "k8s_info", [*named, "name", "label_selectors"])
        self.module("kubernetes.core", "k8s", [*named, "name", "state", "definition", "merge_type"])
        self.say("k8s_info", cluster())
        self.say("k8s", {"changed": True})
        lasting = {"restart_condition": "none"}  # no handover ends a Redis
        self.say("swarm_stack_info", swarm("db", "bouncer", "cache", cache=lasting))
        self.say("postgres_switchover", SWITCHED)
        self.say("redis_switchover", SWITCHED)

    def module(self, collection, name, options):
        text = MODULE.format(python=sys.executable, options=options, folder=self.folder, name=name)
        played.collection(self.folder, {f"{collection}.{name}": text})

    def say(self, module, answer):
        (self.folder / f"{module}.json").write_text(json.dumps(answer))

    def play(self, *stores, options=(), **variables):
        """The exit status, what was called, and what was said."""
        values = {
            "data_handover_stores": list(stores),
            "data_handover_stack": "shop",
            "data_handover_manager": "localhost",
            "data_handover_namespace": "shop",
            "data_handover_kubeconfig": "/kubeconfig",
            "data_handover_artifacts": "/artifacts",
            "data_handover_k3s_address": "192.0.2.21",
            "data_handover_nodes": {"node-of-bouncer": "beside", "node-of-cache": "beside"},
            **variables,
        }
        role = {"name": "sophia.replatform.data_handover"}
        plays = [{"hosts": "localhost", "gather_facts": False, "tasks": [{"ansible.builtin.include_role": role}]}]
        (self.folder / "calls").write_text("")
        inventory = {"all": {"hosts": {name: {"ansible_connection": "local"} for name in ("localhost", "beside")}}}
        given = ("-e", json.dumps(values), "-e", "ansible_become=false", *options)
        done = played.play(self.folder, inventory, plays, *given)
        calls = [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]
        looks = ("k8s_info", "swarm_stack_info")
        return done.code, [call for call in calls if call[0] not in looks], done.output


@pytest.fixture(name="stage")
def stage_fixture(tmp_path):
    return Stage(tmp_path)


def brief(calls):
    """Of each call what tells them apart."""
    keys = ("state", "target", "target_name", "other", "other_name", "swarm_service", "service")
    return [
        (name, *((key, given[key]) for key in keys if key in given)) if name != "names" else (name, given)
        for name, given in calls
    ]


def test_to_k3s(stage):
    status, calls, said = stage.play(POSTGRES, REDIS)
    assert status == 0, said
    k3s, old = ("target", "192.0.2.21:30002"), ("other", "192.0.2.14:5432")
    assert brief(calls) == [
        (
            *("postgres_switchover", ("state", "primary"), k3s, ("target_name", "192.0.2.21:30002"), old),
            *(("other_name", "db:5432"), ("swarm_service", "shop_bouncer")),
        ),
        (
            *("postgres_switchover", ("state", "primary"), k3s, ("target_name", "db-k3s:5432"), old),
            *(("other_name", "db:5432"), ("service", "bouncer-k3s")),
        ),
        ("k8s", ("state", "patched")),
        ("k8s", ("state", "patched")),
        ("names", [["db", "bouncer"], []]),
        (
            *("redis_switchover", ("state", "primary"), ("target", "192.0.2.21:30006"), ("other", "192.0.2.14:6379")),
            ("swarm_service", "shop_cache"),
        ),
        ("k8s", ("state", "patched")),
        (
            *("redis_switchover", ("state", "released"), ("target", "192.0.2.21:30006"), ("other", "192.0.2.14:6379")),
            ("swarm_service", "shop_cache"),
        ),
        ("names", [["cache"], []]),
    ]
    assert [call[1]["clients"] for call in calls if call[0] == "redis_switchover"] == ["192.0.2.99:6379"] * 2
    first = calls[0][1]
    assert first["pooler"] == "127.0.0.1:6432"
    assert [call[1]["journal"] for call in calls if "journal" in call[1]] == [
        "/var/lib/replatform/journal.jsonl",
        "/artifacts/journal.jsonl",
        "/var/lib/replatform/journal.jsonl",
        "/var/lib/replatform/journal.jsonl",
    ]


def test_what_is_handed_over_is_left_alone(stage):
    stage.say("k8s_info", cluster(["db", "bouncer", "cache"]))
    stage.say("swarm_stack_info", swarm())
    status, calls, said = stage.play(POSTGRES, REDIS)
    assert (status, calls) == (0, []), said


def test_back_to_the_swarm_last_one_first(stage):
    stage.say("k8s_info", cluster(["db", "bouncer", "cache"]))
    status, calls, said = stage.play(POSTGRES, REDIS, data_handover_to="swarm")
    assert status == 0, said
    assert [
        call[1] if call[0] == "names" else (call[0], call[1].get("target", call[1].get("name"))) for call in calls
    ] == [
        [[], ["cache"]],
        ("k8s", "cache"),
        ("redis_switchover", "192.0.2.14:6379"),
        [[], ["db", "bouncer"]],
        ("k8s", "db"),
        ("k8s", "bouncer"),
        ("postgres_switchover", "192.0.2.14:5432"),
        ("postgres_switchover", "192.0.2.14:5432"),
    ]


def test_names_are_not_touched_before_anything_was_handed_over(stage):
    status, calls, said = stage.play(POSTGRES, data_handover_to="swarm")
    assert status == 0, said
    assert [call[0] for call in calls] == ["k8s", "k8s", "postgres_switchover", "postgres_switchover"]


def test_what_a_selector_has_left_goes_before_the_instances_change_places(stage):
    """Kubernetes would lead some clients there."""
    left = {"apiVersion": "discovery.k8s.io/v1", "metadata": {"name": "cache-x7b2p"}}
    stage.say("k8s_info", {**cluster(), "EndpointSlice": {"resources": [left]}})
    status, calls, said = stage.play(REDIS, data_handover_to="swarm")
    assert status == 0, said
    removed = [(call[1]["kind"], call[1]["name"], call[1]["state"]) for call in calls if call[0] == "k8s"]
    assert removed[:2] == [("Endpoints", "cache", "absent"), ("EndpointSlice", "cache-x7b2p", "absent")]
    assert calls[-1][0] == "redis_switchover"


def test_only_a_standby(stage):
    status, calls, said = stage.play(POSTGRES, REDIS, data_handover_stage="standby")
    assert status == 0, said
    assert [(call[0], call[1]["state"]) for call in calls] == [
        ("postgres_switchover", "standby"),
        ("redis_switchover", "replica"),
    ]


def test_alone_once_the_swarm_is_gone(stage):
    stage.say("k8s_info", cluster(["db", "bouncer", "cache"]))
    stage.say("swarm_stack_info", {"msg": "there is no Swarm"})
    status, calls, said = stage.play(POSTGRES, REDIS, data_handover_stage="alone")
    assert status == 0, said
    assert brief(calls) == [
        (
            *(
                "postgres_switchover",
                ("state", "alone"),
                ("target", "192.0.2.21:30002"),
                ("target_name", "db-k3s:5432"),
            ),
            *(("other_name", "db:5432"), ("service", "bouncer-k3s")),
        )
    ]


def test_in_check_mode_k3s_pooler_is_not_asked_for_what_has_not_happened(stage):
    status, calls, said = stage.play(POSTGRES, options=["--check"])
    assert status == 0, said
    assert [call[0] for call in calls] == ["postgres_switchover", "k8s", "k8s", "names"]


def test_no_client_is_held_after_a_failure(stage):
    stage.say("postgres_switchover", {"primary": {"msg": "the standby is behind"}, "released": SWITCHED})
    status, calls, said = stage.play(POSTGRES)
    assert status == 2
    assert [call[1]["state"] for call in calls] == ["primary", "released"]
    assert "db is not handed over: the standby is behind. No client is held: it is done." in " ".join(said.split())


def test_it_is_said_where_clients_may_still_be_held(stage):
    stage.say("postgres_switchover", {"primary": {"msg": "the standby is behind"}, "released": {"msg": "no primary"}})
    status, _calls, said = stage.play(POSTGRES)
    assert status == 2
    wanted = "the standby is behind. Run this again to go on, for clients may be held until then (no primary)."
    assert wanted in " ".join(said.split())


ELSEWHERE = {
    "apiVersion": "discovery.k8s.io/v1",
    "metadata": {"name": "cache-elsewhere", "labels": {"kubernetes.io/service-name": "cache"}},
    "endpoints": [{"conditions": {"ready": True}}],
}


def test_the_name_is_led_before_the_release_follows_which_it_does_when_that_was_cut_off(stage):
    stage.say("k8s_info", {**cluster(["cache"]), "EndpointSlice": {"resources": [ELSEWHERE]}})
    status, calls, said = stage.play(REDIS)
    assert status == 0, said
    assert calls[-1] == ["names", [["cache"], []]]
    changed = [call[1]["definition"] for call in calls if call[0] == "k8s"]
    assert changed[0]["spec"] == {"selector": {"app": "cache-k3s"}}
    assert all(one["endpoints"] == [] for one in changed[1:]) and len(changed) == 3
    status, calls, said = stage.play(REDIS, data_handover_to="swarm")
    assert status == 0, said
    assert [call[1] for call in calls if call[0] == "names"] == [[["cache"], []], [[], ["cache"]]]


@pytest.mark.parametrize(("led", "side"), [(False, "192.0.2.14:6379"), (True, "192.0.2.21:30006")])
def test_writes_to_a_redis_come_back_where_its_name_leads(stage, led, side):
    stage.say("k8s_info", cluster(["cache"] if led else []))
    released = {**SWITCHED, "reason": f"{side} takes writes"}
    stage.say("redis_switchover", {"primary": {"msg": "no room"}, "released": released})
    status, calls, said = stage.play(REDIS, data_handover_to="swarm" if led else "k3s")
    assert status == 2
    ran = [(call[1]["state"], call[1]["target"]) for call in calls if call[0] == "redis_switchover"]
    assert ran[-1] == ("released", side)
    wanted = f"no room. Where its name leads writes are taken: {side} takes writes. Run this again to go on."
    assert wanted in " ".join(said.split())


def test_each_store_has_a_host_of_its_own(stage):
    status, calls, said = stage.play(POSTGRES, REDIS, data_handover_nodes={"node-of-bouncer": "beside"})
    assert status == 2
    assert "data_handover_nodes the host of node 'node-of-cache'" in " ".join(said.split())
    assert {call[0] for call in calls} == {"postgres_switchover", "k8s", "names"}


@pytest.mark.parametrize(
    ("store", "running", "variables", "said"),
    [
        (
            {**POSTGRES, "streaming": {"pooler": "bouncer"}},
            None,
            {},
            "lacks streaming.pooler_file, streaming.pooler_port",
        ),
        (REDIS, None, {"data_handover_nodes": {}}, "data_handover_nodes the host of node 'node-of-cache'"),
        ({**REDIS, "port": 6380}, None, {}, "no Service cache-k3s with a node port for 6380"),
        (
            {"name": "cache", "kind": "redis"},
            None,
            {"data_handover_to": "swarm"},
            "cache can only be handed over to K3s",
        ),
        (REDIS, {"msg": "the Swarm has no quorum"}, {}, "the Swarm has no quorum"),
    ],
)
def test_what_is_refused(stage, store, running, variables, said):
    if running:
        stage.say("swarm_stack_info", running)
    status, calls, text = stage.play(store, **variables)
    assert (status, calls) == (2, [])
    assert said in " ".join(text.split())


@pytest.mark.parametrize(
    ("to", "options", "policy"),
    [
        ("k3s", ["--check"], {"restart_condition": "none", "running": 0, "tasks": []}),
        ("k3s", [], {"restart_max_attempts": 1}),
        ("swarm", [], {"restart_condition": "on-failure"}),
    ],
)
def test_an_instance_that_would_not_come_back_from_its_fence_is_refused(stage, to, options, policy):
    stage.say("k8s_info", cluster(["db", "bouncer"] if to == "swarm" else []))
    stage.say("swarm_stack_info", swarm("db", "bouncer", db=policy, bouncer={"restart_condition": "none"}))
    status, calls, said = stage.play(POSTGRES, options=options, data_handover_to=to)
    assert (status, calls) == (2, [])
    mend = "docker service update --restart-condition any --restart-max-attempts 0 shop_db"
    line = f"the restart policy of shop_db does not have the Swarm start every task again: {mend} (which starts its task anew), and in the stack file"
    assert line in " ".join(said.split())
