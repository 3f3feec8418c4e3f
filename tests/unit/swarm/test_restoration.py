"""A stack is made again from what its retirement kept, in a Swarm with other IDs, cut off before and after every write."""

from __future__ import annotations

import base64
import copy
import json

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.stack import observed
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import gpu, kept, operations, spare, specs, state

PARAMS = {"journal": None, "phase": "cutover", "deadline": 60}
STACK = {"com.docker.stack.namespace": "shop"}
VALUES = {"password": b"\x00pass\xff"}
POOL = {"Subnet": "10.0.7.0/24", "Gateway": "10.0.7.1"}


class Killed(BaseException):
    """The run ended here; nothing may catch it."""


def stack_services():
    web, db, logs = raw.service("web", replicas=2), raw.service("db"), raw.service("logs", replicas=None)
    for service in (web, db, logs):
        service["Spec"]["TaskTemplate"]["Networks"] = [{"Target": "net-then", "Aliases": ["it"]}]
    db["Spec"]["TaskTemplate"]["ContainerSpec"] |= {
        "Secrets": [{"SecretID": "sec-then", "SecretName": "password", "File": {"Name": "password"}}],
        "Configs": [{"ConfigID": "con-then", "ConfigName": "shop_settings"}],
    }
    db["Spec"]["TaskTemplate"]["Placement"] = {"Constraints": ["node.id==n2", "node.labels.disk==ssd"]}
    return [web, db, logs]


def world_then(services):
    return {
        "info": raw.info(),
        "nodes": [raw.node("n1", "manager", leader=True), raw.node("n2")],
        "services": services,
        "tasks": [],
    }


def objects_then():
    overlay = {"Scope": "swarm", "Driver": "overlay", "Attachable": True}
    allocated = {"com.docker.network.driver.overlay.vxlanid_list": "4097", "encrypted": ""}
    front = {"Id": "net-then", "Name": "shop_front", "Labels": STACK, "Options": allocated, "IPAM": {"Config": [POOL]}}
    text = base64.b64encode(b"greeting = hello").decode()
    return {
        "networks": [overlay | front, overlay | {"Id": "ing", "Name": "ingress"}],
        "secrets": [
            {"ID": "sec-then", "Spec": {"Name": "password", "Labels": {"team": "db"}}},
            {"ID": "sec-else", "Spec": {"Name": "somebody_elses"}},
        ],
        "configs": [{"ID": "con-then", "Spec": {"Name": "shop_settings", "Labels": STACK, "Data": text}}],
    }


def what_was_kept(services=None):
    """As role swarm_retirement writes it, and as it is read again."""
    then = world_then(services or stack_services())
    whole = observed.add_specs(state.stack_info(then, "shop"), then, objects_then(), "shop")
    written = {
        "nodes": whole["nodes"],
        "objects": whole["objects"],
        "specs": {one["full_name"]: one["spec"] for one in whole["services"]},
    }
    return json.loads(json.dumps(written))


class Engine:
    """A manager of a Swarm made anew, whose IDs are all others; dies at the write number O(die_at), before or after it."""

    def __init__(self, die_at=None, after=False):
        self.nodes_ = [raw.node("m1", "manager", leader=True), raw.node("m2")]
        for node, then in zip(self.nodes_, ("n1", "n2")):
            node["Description"]["Hostname"] = f"host-{then}"
        self.things = {
            "network": [{"Id": "bridge", "Name": "bridge", "Scope": "local"}],
            "secret": [],
            "config": [],
            "service": [],
        }
        self.made = {}
        self.writes = 0
        self.die_at, self.after = die_at, after

    def info(self):
        return raw.info(node_id="m1")

    def nodes(self):
        return copy.deepcopy(self.nodes_)

    def services(self):
        return copy.deepcopy(self.things["service"])

    def networks(self):
        return copy.deepcopy(self.things["network"])

    def secrets(self):
        return copy.deepcopy(self.things["secret"])

    def configs(self):
        return copy.deepcopy(self.things["config"])

    def tasks(self):
        found = []
        for service in self.things["service"]:
            how = service["Spec"]["Mode"]
            slots = how["Replicated"]["Replicas"] if "Replicated" in how else len(self.nodes_)
            for slot in range(slots):
                found.append(raw.task(service["Spec"]["Name"], "m1", slot=slot) | {"ServiceID": service["ID"]})
        return found

    def create_network(self, name, driver, options, ipam, internal, attachable, enable_ipv6, labels, scope):
        assert (driver, scope, internal, attachable) == ("overlay", "swarm", False, True)
        self.ipv6 = enable_ipv6
        pools = [{key: pool[key] for key in ("Subnet", "Gateway")} for pool in ipam["Config"]]
        self._write("network", {"Id": f"now-{name}", "Name": name, "Scope": "swarm"}, (options, pools, labels))

    def create_secret(self, name, data, labels):
        self._create("secret", {"Name": name, "Data": base64.b64encode(data), "Labels": labels})

    def _create(self, kind, data):
        name, content = data["Name"], base64.b64decode(data["Data"])
        how = (content, data["Labels"], *([data["Templating"]] if "Templating" in data else []))
        self._write(kind, {"ID": f"now-{name}", "Spec": {"Name": name}}, how)

    def _url(self, path, *named):
        return path.format(*named)

    def _post_json(self, url, data, headers=None, params=None):
        for kind in ("secret", "config"):
            if url == f"/{kind}s/create":
                return self._create(kind, data)
        if url != "/services/create":
            return self._update(url, data, params)
        networks = {one["Id"] for one in self.things["network"]}
        assert {one["Target"] for one in data["TaskTemplate"].get("Networks", [])} <= networks | {"host"}
        assert not headers
        self._write("service", {"ID": f"now-{data['Name']}", "Version": {"Index": 1}, "Spec": data}, None)

    def _update(self, url, spec, params):
        (service,) = [one for one in self.things["service"] if url == f"/services/{one['ID']}/update"]
        assert params == {"version": service["Version"]["Index"], "registryAuthFrom": "spec"}
        self._dying(lambda: service.update(Spec=copy.deepcopy(spec), Version={"Index": params["version"] + 1}))

    def _result(self, _answer, _json):
        return {}

    def _write(self, kind, thing, how):
        name = thing.get("Name") or thing["Spec"]["Name"]

        def make():
            assert name not in {one.get("Name") or one["Spec"]["Name"] for one in self.things[kind]}, "made twice"
            self.things[kind].append(copy.deepcopy(thing))
            self.made[name] = how

        self._dying(make)

    def _dying(self, write):
        number, self.writes = self.writes, self.writes + 1
        if number == self.die_at and not self.after:
            raise Killed
        write()
        if number == self.die_at:
            raise Killed


@pytest.fixture(autouse=True)
def no_login(monkeypatch):
    auth = operations.create_service.__globals__["docker"].auth
    monkeypatch.setattr(auth, "get_config_header", lambda _client, _registry: None)


def restore(engine, what=None, values=None, check_mode=False):
    values = VALUES if values is None else values
    one = operations.Restoration(engine, "shop", what or what_was_kept(), values)
    return operation.perform(one, "swarm_stack", "shop", PARAMS, check_mode)


def test_everything_is_made_once_in_order_and_as_it_was():
    engine = Engine()
    result = restore(engine)
    assert [step["name"] for step in result["steps"]] == [
        "create_network",
        "create_secret",
        "create_config",
        *["create_service"] * 3,
    ]
    assert engine.made["shop_front"] == ({"encrypted": ""}, [POOL], STACK)
    assert engine.made["password"] == (VALUES["password"], {"team": "db", "replatform.sophia.ai/swarm-ids": "sec-then"})
    assert engine.made["shop_settings"] == (b"greeting = hello", STACK | {"replatform.sophia.ai/swarm-ids": "con-then"})
    assert "somebody_elses" not in engine.made and "ingress" not in engine.made
    database = {one["Spec"]["Name"]: one["Spec"] for one in engine.services()}["shop_db"]
    was = {one["Spec"]["Name"]: one["Spec"] for one in stack_services()}["shop_db"]
    was["TaskTemplate"]["Networks"][0]["Target"] = "now-shop_front"
    was["TaskTemplate"]["ContainerSpec"]["Secrets"][0]["SecretID"] = "now-password"
    was["TaskTemplate"]["ContainerSpec"]["Configs"][0]["ConfigID"] = "now-shop_settings"
    was["TaskTemplate"]["Placement"]["Constraints"] = ["node.id==m2", "node.labels.disk==ssd"]
    assert database == was


def test_what_is_made_again_once_more_keeps_every_id_that_it_had():
    what, engine = what_was_kept(), Engine()
    what["objects"]["secrets"][0]["labels"]["replatform.sophia.ai/swarm-ids"] = "first"
    restore(engine, what)
    assert engine.made["password"][1]["replatform.sophia.ai/swarm-ids"] == "first sec-then"


def test_the_second_time_nothing_is_changed():
    engine = Engine()
    restore(engine)
    writes = engine.writes
    assert restore(engine)["changed"] is False
    assert engine.writes == writes


def test_check_mode_says_the_same_steps_and_writes_nothing():
    engine, other = Engine(), Engine()
    foreseen = restore(engine, check_mode=True)
    named = [(one["name"], one) for one in restore(other)["steps"]]
    assert [(one["name"], one) for one in foreseen["steps"] if one["name"].startswith("create_")] == named
    assert engine.writes == 0


def test_check_mode_foresees_the_steps_before_there_is_a_swarm():
    engine = Engine()
    engine.info = lambda: raw.info("inactive", manager=False)
    one = operations.Restoration(engine, "shop", what_was_kept(), VALUES, foresee=True)
    foreseen = operation.perform(one, "swarm_stack", "shop", PARAMS, True)
    assert [(step["name"], step) for step in foreseen["steps"]] == [
        (step["name"], step) for step in restore(Engine(), check_mode=True)["steps"]
    ]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("die_at", range(6))
def test_killed_at_every_write_and_run_again(die_at, after):
    whole, engine = Engine(), Engine(die_at, after)
    restore(whole)
    with pytest.raises(Killed):
        restore(engine)
    engine.die_at = None
    restore(engine)
    assert engine.things == whole.things
    assert engine.made == whole.made


def test_what_a_drain_and_a_spare_task_had_written_is_not_made_again():
    services = stack_services()
    clean = {one["Spec"]["Name"]: copy.deepcopy(one["Spec"]) for one in services}
    services[0]["Spec"] = spare.spec_after("add_spare", services[0]["Spec"])
    services[1]["Spec"] = specs.pin(services[1]["Spec"], "n9")
    engine = Engine()
    restore(engine, what_was_kept(services))
    made = {one["Spec"]["Name"]: one["Spec"] for one in engine.services()}
    for name in clean:
        assert made[name]["Labels"] == clean[name]["Labels"]
        assert made[name]["Mode"] == clean[name]["Mode"]
    assert made["shop_db"]["TaskTemplate"]["Placement"]["Constraints"] == ["node.id==m2", "node.labels.disk==ssd"]


def test_a_job_is_left_out_and_said():
    services = stack_services()
    services[0]["Spec"]["Mode"] = {"ReplicatedJob": {"TotalCompletions": 1}}
    engine = Engine()
    assert "shop_web would run again and were left out" in restore(engine, what_was_kept(services))["reason"]
    assert len(engine.services()) == 2


def once(service, condition="none"):
    service["Spec"]["TaskTemplate"]["RestartPolicy"] = {"Condition": condition}
    return service


def test_a_service_that_runs_once_is_a_job_too():
    services, engine = stack_services(), Engine()
    once(services[0])
    assert "shop_web would run again and were left out" in restore(engine, what_was_kept(services))["reason"]
    assert {one["Spec"]["Name"] for one in engine.services()} == {"shop_db", "shop_logs"}


def clocked(mode=None):
    services = stack_services()
    once(services[0])["Spec"]["Labels"] = {**STACK, "swarm.cronjob.enable": "true"}
    services[0]["Spec"]["Mode"] = mode or {"Replicated": {"Replicas": 1}}
    return what_was_kept(services)


def test_what_a_scheduler_begins_is_there_again_and_has_no_task_until_then():
    engine = Engine()
    said = restore(engine, clocked())["reason"]
    assert said == "3 services are as they were kept; shop_web have no task until their scheduler begins them"
    web = engine.things["service"][2]
    assert web["Spec"]["Mode"] == {"Replicated": {"Replicas": 0}}
    # It was begun since, and has failed.
    web["Spec"]["Mode"] = {"Replicated": {"Replicas": 1}}
    web["Spec"]["TaskTemplate"]["ForceUpdate"] = 11
    running = Engine.tasks(engine)[:-1]
    engine.tasks = lambda: [*running, raw.task("", "m1", "failed", "shutdown") | {"ServiceID": web["ID"]}]
    assert restore(engine, clocked())["steps"] == []


@pytest.mark.parametrize("mode", [{"Global": {}}, {"GlobalJob": {}}, {"ReplicatedJob": {"TotalCompletions": 1}}])
def test_what_a_scheduler_begins_and_can_not_be_made_without_a_task_is_left_out(mode):
    engine = Engine()
    assert "shop_web would run again and were left out" in restore(engine, clocked(mode))["reason"]


def test_what_serves_on_while_a_scheduler_begins_it_anew_has_its_tasks():
    services, engine = stack_services(), Engine()
    services[0]["Spec"]["Labels"]["swarm.cronjob.enable"] = "true"
    restore(engine, what_was_kept(services))
    assert engine.things["service"][2]["Spec"]["Mode"] == {"Replicated": {"Replicas": 2}}


def ended(engine, *tasks):
    """The tasks of shop_web, as (slot, state, when they were made)."""
    others = [task for task in Engine.tasks(engine) if task["ServiceID"] != "now-shop_web"]
    more = {"ServiceID": "now-shop_web"}
    web = [
        raw.task("", "m1", state, "running" if state == "running" else "shutdown", slot=slot)
        | {**more, "CreatedAt": f"2026-01-01T00:00:0{second}Z"}
        for slot, state, second in tasks
    ]
    return [*others, *web]


def waited(condition, *tasks):
    services, engine = stack_services(), Engine()
    once(services[0], condition)
    what = what_was_kept(services)
    restore(engine, what)
    found = ended(engine, *tasks)
    engine.tasks = lambda: found
    return [step["name"] for step in restore(engine, what, check_mode=True)["steps"]] == ["wait_for_service"]


def test_what_has_done_its_work_is_not_waited_for():
    assert not waited("on-failure", (1, "complete", 2), (1, "failed", 1), (2, "running", 1))
    assert waited("on-failure", (1, "complete", 1), (1, "failed", 2), (2, "running", 1))
    assert waited("on-failure", (1, "complete", 1), (1, "complete", 2))
    assert waited("any", (1, "complete", 1), (2, "running", 1))


def test_templates_are_made_as_such_and_a_network_with_its_ipv6():
    what, engine = what_was_kept(), Engine()
    for kind in ("secrets", "configs"):
        what["objects"][kind][0]["templating"] = {"Name": "golang"}
    what["objects"]["networks"][1]["ipv6"] = True
    restore(engine, what)
    assert engine.made["password"][2] == engine.made["shop_settings"][2] == {"Name": "golang"}
    assert engine.ipv6 is True


def test_a_file_without_what_is_kept_since_is_made_as_before():
    what, engine, whole = what_was_kept(), Engine(), Engine()
    restore(whole)
    for kind, field in (("secrets", "templating"), ("configs", "templating"), ("networks", "ipv6")):
        for thing in what["objects"][kind]:
            del thing[field]
    restore(engine, what)
    assert (engine.things, engine.made, engine.ipv6) == (whole.things, whole.made, False)


def refused(change=lambda what, engine: None, values=None):
    what, engine = what_was_kept(), Engine()
    change(what, engine)
    before = engine.writes
    with pytest.raises(ReplatformError) as caught:
        restore(engine, what, values)
    assert engine.writes == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_secret_without_a_value_is_refused_by_name():
    said = refused(values={})
    assert said == "the values of password are not known: give them in secrets, or make them by docker secret create"


def test_a_secret_that_somebody_has_made_needs_no_value():
    engine = Engine()
    engine.create_secret("password", b"another", {})
    restore(engine, values={})
    assert engine.made["password"] == (b"another", {})


def test_a_config_that_was_no_text_is_refused_by_name():
    assert "configs shop_settings are no text" in refused(
        lambda what, _engine: what["objects"]["configs"][0].update(content=None)
    )


def test_a_network_that_was_not_kept_is_refused_and_can_be_named_in_the_file():
    def other(what, _engine):
        what["specs"]["shop_web"]["TaskTemplate"]["Networks"][0]["Target"] = "unknown"

    assert "service shop_web names the network unknown, which was not kept" in refused(other)
    what = what_was_kept()
    what["specs"]["shop_web"]["TaskTemplate"]["Networks"][0]["Target"] = "shop_front"
    engine = Engine()
    restore(engine, what)
    assert engine.things["service"][2]["Spec"]["TaskTemplate"]["Networks"][0]["Target"] == "now-shop_front"


def test_a_node_that_did_not_join_is_refused_by_name():
    assert "bound to the nodes host-n2, which are not in this Swarm" in refused(
        lambda _what, engine: engine.nodes_.pop()
    )


def test_a_service_that_is_there_and_another_is_refused_by_name():
    def another(_what, engine):
        engine.things["service"].append(
            {"ID": "x", "Version": {"Index": 1}, "Spec": raw.service("web", replicas=7)["Spec"]}
        )

    assert "shop_web are there and not as they were kept" in refused(another)


def test_a_service_that_was_given_other_tasks_or_is_being_drained_since_is_the_same():
    engine = Engine()
    restore(engine)
    web, logs = engine.things["service"][2], engine.things["service"][1]
    web["Spec"]["Mode"] = {"Replicated": {"Replicas": 7}}
    logs["Spec"] = specs.pin(logs["Spec"], "m2")
    assert restore(engine)["steps"] == []


def test_a_node_that_has_left_and_come_back_is_the_one_that_is_there():
    engine = Engine()
    engine.nodes_.append({**engine.nodes_[1], "ID": "old", "Status": {"State": "down", "Addr": ""}})
    restore(engine)
    database = {one["Spec"]["Name"]: one["Spec"] for one in engine.services()}["shop_db"]
    assert database["TaskTemplate"]["Placement"]["Constraints"][0] == "node.id==m2"


def test_a_global_service_that_no_node_takes_is_not_waited_for():
    services = stack_services()
    services[2]["Spec"]["TaskTemplate"]["Placement"] = {"Constraints": ["node.labels.gpu==yes"]}
    engine = Engine()
    engine.tasks = lambda: [task for task in Engine.tasks(engine) if task["ServiceID"] != "now-shop_logs"]
    assert "as they were kept" in restore(engine, what_was_kept(services))["reason"]


def with_a_gpu(**more):
    db = stack_services()[1]
    db["Spec"]["TaskTemplate"]["Resources"] = {
        "Reservations": {"GenericResources": [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 1}}]}
    }
    db["Spec"]["TaskTemplate"] |= more
    return what_was_kept([stack_services()[0], db])


@pytest.mark.parametrize("given_then", [False, True])
def test_a_service_is_kept_off_gpus_that_were_given_away(given_then):
    what, engine = with_a_gpu(), Engine()
    plain = copy.deepcopy(what["specs"]["shop_db"])
    if given_then:
        what["specs"]["shop_db"] = gpu.constrained(plain)
    engine.nodes_[1]["Spec"]["Labels"] = {gpu.LABEL: gpu.GIVEN}
    restore(engine, what)
    made = {one["Spec"]["Name"]: one["Spec"] for one in engine.services()}
    assert gpu.CONSTRAINT in specs.constraints(made["shop_db"]) and gpu.NOTE in made["shop_db"]["Labels"]
    assert gpu.CONSTRAINT not in specs.constraints(made["shop_web"])
    assert restore(engine, what)["steps"] == []
    back = gpu.unconstrained(made["shop_db"])
    assert back["Labels"] == plain["Labels"] and specs.constraints(back)[-1] == "node.labels.disk==ssd"


def test_a_service_that_is_there_is_kept_off_too():
    what, engine = with_a_gpu(), Engine()
    restore(engine, what)
    engine.nodes_[1]["Spec"]["Labels"] = {gpu.LABEL: gpu.GIVEN}
    told = restore(engine, what, check_mode=True)
    assert [step["name"] for step in told["steps"]] == ["constrain"] and told["steps"][0]["service"] == "shop_db"


@pytest.mark.parametrize("after", [False, True])
def test_killed_as_a_service_that_is_there_is_kept_off_and_run_again(after):
    what, engine = with_a_gpu(), Engine()
    restore(engine, what)
    plain = {one["Spec"]["Name"]: one["Spec"] for one in engine.services()}
    engine.nodes_[1]["Spec"]["Labels"] = {gpu.LABEL: gpu.GIVEN}
    engine.die_at, engine.after = engine.writes, after
    with pytest.raises(Killed):
        restore(engine, what)
    engine.die_at = None
    assert [step["name"] for step in restore(engine, what)["steps"]] == ([] if after else ["constrain"])
    now = {one["Spec"]["Name"]: one["Spec"] for one in engine.services()}
    assert now == plain | {"shop_db": gpu.constrained(plain["shop_db"])}


def test_no_service_is_kept_off_where_all_gpus_are_the_swarms():
    engine = Engine()
    restore(engine, with_a_gpu())
    assert all(gpu.CONSTRAINT not in specs.constraints(one["Spec"]) for one in engine.services())


def test_a_service_that_can_not_be_kept_off_is_named_before_anything_is_made():
    what, engine = with_a_gpu(), Engine()
    del what["specs"]["shop_db"]["TaskTemplate"]["Placement"]
    engine.nodes_[1]["Spec"]["Labels"] = {gpu.LABEL: gpu.GIVEN}
    with pytest.raises(ReplatformError, match="shop_db can't be kept off"):
        restore(engine, what)
    assert engine.writes == 0


def test_a_predefined_network_goes_by_its_name_and_is_the_same_afterwards():
    what, engine = what_was_kept(), Engine()
    what["specs"]["shop_logs"]["TaskTemplate"]["Networks"] = [{"Target": "host"}]
    restore(engine, what)
    made = engine.things["service"][1]["Spec"]
    assert made["TaskTemplate"]["Networks"] == [{"Target": "host"}]
    made["TaskTemplate"]["Networks"] = [{"Target": "an ID that nobody lists"}]
    assert restore(engine, what)["steps"] == []


def test_check_mode_foresees_the_nodes_that_have_not_joined_yet():
    engine = Engine()
    engine.nodes_.pop()
    one = operations.Restoration(engine, "shop", what_was_kept(), VALUES, foresee=True)
    assert operation.perform(one, "swarm_stack", "shop", PARAMS, True)["changed"]


def test_no_manager_is_refused():
    assert "is no manager of a Swarm" in refused(
        lambda _what, engine: setattr(engine, "info", lambda: raw.info("inactive", manager=False))
    )


def test_tasks_that_do_not_start_are_told_with_their_error():
    engine = Engine()
    failing = raw.task("web", "m1", "rejected") | {"ServiceID": "now-shop_web"}
    failing["Status"]["Err"] = "No such image: web:1.0"
    engine.tasks = lambda: [failing, *(task for task in Engine.tasks(engine) if task["ServiceID"] != "now-shop_web")]
    one = operations.Restoration(engine, "shop", what_was_kept(), VALUES)
    with pytest.raises(
        ReplatformError, match="service: shop_web, running: 0, wanted: 2, error: No such image: web:1.0"
    ):
        operation.perform(one, "swarm_stack", "shop", {**PARAMS, "deadline": 1}, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "is not what a retirement has kept"),
        ('{"nodes": [], "specs": {}, "objects": {"networks": []}}', "is not what a retirement has kept"),
    ],
)
def test_a_file_that_is_another_is_refused(tmp_path, text, said):
    (tmp_path / "kept.json").write_text(text)
    with pytest.raises(ReplatformError, match=said):
        kept.read(str(tmp_path / "kept.json"))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ReplatformError, match="can't be read: No such file or directory"):
        kept.read(str(tmp_path / "none.json"))


def test_a_value_that_is_no_base64_is_refused_without_telling_it():
    with pytest.raises(ReplatformError) as caught:
        kept.values({"password": "hunter2!"})
    assert str(caught.value) == "secrets: the value of password is not base64"


def test_values_are_bytes():
    assert kept.values({"password": base64.b64encode(VALUES["password"]).decode()}) == VALUES
