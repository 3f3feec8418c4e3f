"""The retirement against a Swarm that answers like the real one, cut off before and after every write, and run again."""

from __future__ import annotations

import itertools

import pytest
import swarm_raw as raw
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, giving_up, operations

PARAMS = {"journal": None, "phase": "cutover", "deadline": 60}


class Killed(BaseException):
    """The run ended here; nothing may catch it."""


class Fleet:
    """Five Engines, three of them managers, n1 the leader; dies at the write number O(die_at), before or after it."""

    def __init__(self, die_at=None, after=False):
        self.nodes = {f"n{i}": raw.node(f"n{i}", "manager" if i < 4 else "worker", leader=i == 1) for i in range(1, 6)}
        self.member = {name: True for name in self.nodes}
        self.services = [raw.service("web", replicas=2), raw.service("db")]
        # What a killed run of swarm_secret_copy has left.
        left = {"Name": "copy-x", "Labels": {"replatform.sophia.ai/secret-copy": "x"}}
        self.services.append({"ID": "id-x", "Spec": left})
        self.tasks = [raw.task("web", "n2", slot=1), raw.task("web", "n4", slot=2), raw.task("db", "n5")]
        self.things = {"network": [{"Id": "net", "Name": "shop_net"}], "secret": [], "config": []}
        self.writes = 0
        self.die_at = die_at
        self.after = after

    def write(self, change):
        number, self.writes = self.writes, self.writes + 1
        if number == self.die_at and not self.after:
            raise Killed
        change()
        self.check()
        if number == self.die_at:
            raise Killed

    def check(self):
        """What must hold at every moment: somebody leads while anybody is a member, and no member is off the list."""
        members = {name for name, is_member in self.member.items() if is_member}
        if members:
            assert self.member["n1"]
            assert members <= set(self.nodes)

    def engine(self, name):
        return Engine(self, name)


class Engine:
    """The API of one Engine, as the Docker SDK gives it."""

    def __init__(self, fleet, name):
        self.fleet = fleet
        self.name = name

    def info(self):
        member = self.fleet.member[self.name]
        spec = self.fleet.nodes.get(self.name, {}).get("Spec", {})
        return raw.info("active" if member else "inactive", member and spec.get("Role") == "manager", self.name)

    def nodes(self):
        for name, node in self.fleet.nodes.items():
            node["Status"]["State"] = "ready" if self.fleet.member[name] else "down"
        return list(self.fleet.nodes.values())

    def services(self):
        return list(self.fleet.services)

    def tasks(self):
        running = {service["ID"] for service in self.fleet.services}
        drained = {name for name, node in self.fleet.nodes.items() if node["Spec"]["Availability"] == "drain"}
        self.fleet.tasks = [
            task for task in self.fleet.tasks if task["ServiceID"] in running and task["NodeID"] not in drained
        ]
        return list(self.fleet.tasks)

    def containers(self, **_filters):
        return [task for task in self.tasks() if task["NodeID"] == self.name and self.fleet.member[self.name]]

    def networks(self, **_filters):
        return list(self.fleet.things["network"])

    def secrets(self, **_filters):
        return []

    def configs(self, **_filters):
        return []

    def remove_service(self, identity):
        self.fleet.write(lambda: self._drop(self.fleet.services, "ID", identity))

    def remove_network(self, identity):
        self.fleet.write(lambda: self._drop(self.fleet.things["network"], "Id", identity))

    def update_node(self, identity, version, spec):
        assert version == self.fleet.nodes[identity]["Version"]["Index"]
        assert "Labels" in spec

        def change():
            node = self.fleet.nodes[identity]
            node["Spec"] = spec
            if spec["Role"] == "worker":
                node.pop("ManagerStatus", None)

        self.fleet.write(change)

    def remove_node(self, identity):
        assert not self.fleet.member[identity], "the API refuses to remove a node that is ready"
        self.fleet.write(lambda: self.fleet.nodes.pop(identity))

    def leave_swarm(self, force):
        assert force == (self.fleet.nodes[self.name]["Spec"]["Role"] == "manager")
        self.fleet.write(lambda: self.fleet.member.update({self.name: False}))

    @staticmethod
    def _drop(things, key, identity):
        things[:] = [thing for thing in things if thing[key] != identity]


def perform(op):
    if isinstance(op, operations.Drain):
        return giving_up.perform(op, PARAMS, False)["changed"]
    return operation.perform(op, "test", "", PARAMS, False)["changed"]


def retire(fleet):
    """What role swarm_retirement does, in its order; true when anything was changed."""
    keeper = fleet.engine("n1")
    changed = []
    if fleet.member["n1"]:
        changed.append(perform(operations.Removal(keeper, "shop", {"shop_web", "shop_db"}, last=True)))
    others = [node["ID"] for node in keeper.nodes() if node["ID"] != "n1"] if fleet.member["n1"] else []
    others.sort(key=lambda name: fleet.nodes[name]["Spec"]["Role"], reverse=True)
    up = [name for name in others if fleet.member[name]]
    for state, names in (("drained", up), ("demoted", up)):
        changed += [perform(operations.Drain(keeper, drain.Wanted(name, state))) for name in names]
    changed += [perform(operations.Leave(fleet.engine(name), False)) for name in fleet.member if name != "n1"]
    changed += [perform(operations.Drain(keeper, drain.Wanted(name, "removed"))) for name in others]
    changed.append(perform(operations.Leave(keeper, True)))
    return any(changed)


def writes_of_a_whole_retirement():
    fleet = Fleet()
    retire(fleet)
    return fleet.writes


def test_a_whole_retirement_and_a_second_one():
    fleet = Fleet()
    assert retire(fleet)
    assert not any(fleet.member.values())
    assert fleet.services == [] and fleet.things["network"] == []
    assert not retire(fleet)


@pytest.mark.parametrize(
    ("die_at", "after"), list(itertools.product(range(writes_of_a_whole_retirement()), (False, True)))
)
def test_cut_off_at_any_write_the_next_run_finishes(die_at, after):
    fleet = Fleet(die_at, after)
    with pytest.raises(Killed):
        retire(fleet)
    retire(fleet)
    assert not any(fleet.member.values())
    assert set(fleet.nodes) == {"n1"}
    assert fleet.services == [] and fleet.things["network"] == []


def test_with_a_service_of_another_stack_nothing_begins_and_one_that_came_later_keeps_its_swarm():
    fleet = Fleet()
    fleet.services.append(raw.service("portainer", stack="ops"))
    with pytest.raises(RefusedError, match="ops_portainer .stack ops. would be lost"):
        retire(fleet)
    assert fleet.writes == 0
    for name in ("n2", "n3", "n4", "n5"):
        del fleet.nodes[name]
    with pytest.raises(RefusedError, match="shop_db .stack shop., shop_web .stack shop. would be lost"):
        perform(operations.Leave(fleet.engine("n1"), True))
    assert fleet.writes == 0


def test_a_write_that_lost_a_race_is_read_again_and_repeated(monkeypatch):
    fleet = Fleet()
    engine = fleet.engine("n1")
    answers = [ReplatformError("could not drain: rpc error: code = Unknown desc = update out of sequence"), None]
    monkeypatch.setattr(operations, "wait_while", lambda *args: {"waited_s": 0})

    class Racing(operations.Drain):
        def write(self, step):
            answer = answers.pop(0)
            if answer:
                raise answer
            super().write(step)

    wanted = drain.Wanted("n3", "drained")
    result = operation.perform(Racing(engine, wanted), "test", "n3", PARAMS, False)
    assert [step["name"] for step in result["steps"]] == ["drain", "drain"]
    assert "out of sequence" in result["steps"][0]["again"]


def test_any_other_fault_ends_the_run():
    class Failing(operations.Drain):
        def write(self, step):
            raise ReplatformError("could not drain: no space left on device")

    with pytest.raises(ReplatformError, match="no space left"):
        perform(Failing(Fleet().engine("n1"), drain.Wanted("n3", "drained")))
