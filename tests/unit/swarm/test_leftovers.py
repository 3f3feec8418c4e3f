"""What a Swarm leaves on a host: with the kernel's real iptables in a network namespace, and stand-ins for the rest."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import perform
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import leftovers, leftovers_host, ports
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.leftovers_host import Leftovers, Wanted

from ..edge import netns

pytestmark = pytest.mark.slow

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
UFW = """#!/usr/bin/env python3
import pathlib, shlex, sys
file = pathlib.Path({file!r})
rules, words = file.read_text().splitlines(), [one for one in sys.argv[1:] if one != "--force"]
def bare(rule):
    return shlex.split(rule.partition(" comment ")[0])
if words == ["show", "added"]:
    print("Added user rules (see 'ufw status' for running firewall):", *("ufw " + one for one in rules), sep="\\n")
elif words[0] == "delete":
    [gone] = [one for one in rules if bare(one) == words[1:]]
    file.write_text("".join(one + "\\n" for one in rules if one != gone))
else:
    file.write_text("".join(one + "\\n" for one in [*rules, shlex.join(words)]))
"""
# A Docker that lets go of its ports when it is started again, if it does.
SYSTEMCTL = """#!/bin/sh
case $1 in
  is-active) echo active ;;
  restart) echo "$2" >>{restarted}; {lets_go} ;;
esac
"""
HELD = 'tcp LISTEN 0 4096 *:7946 *:* users:(("dockerd",pid=7,fd=3))'
# As a Swarm with a published port leaves them when its rules for the port are gone (see tests/unit/edge/netns.py), beside another's.
NAT = """*nat
:DOCKER - [0:0]
:DOCKER-INGRESS - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER-INGRESS
-A POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE
-A POSTROUTING -o docker_gwbridge -m addrtype --src-type LOCAL -j MASQUERADE
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 9000 -j DNAT --to-destination 172.17.0.2:80
-A DOCKER-INGRESS -p tcp -m tcp --dport 8001 -j DNAT --to-destination 172.31.7.2:8001
-A DOCKER-INGRESS -j RETURN
COMMIT
*filter
:DOCKER-FORWARD - [0:0]
:DOCKER-INGRESS - [0:0]
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -j DOCKER-INGRESS
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-INGRESS -j RETURN
COMMIT
"""
BRIDGE = {
    "Name": ports.BRIDGE,
    "Id": "b1",
    "Driver": "bridge",
    "Options": {"com.docker.network.bridge.name": ports.BRIDGE, "com.docker.network.bridge.enable_icc": "false"},
    "IPAM": {"Driver": "default", "Options": None, "Config": [{"Subnet": "172.20.0.0/20", "Gateway": "172.20.0.1"}]},
    "Labels": {},
    "Containers": {"ingress-sbox": {"Name": "gateway_ingress-sbox"}},
}
RULES = [
    "allow 22/tcp",
    "allow 2377/tcp comment 'the Swarm'",
    "allow from 10.0.0.0/24 to any port 7946",
    "allow 8001/tcp",
]


class Engine:
    """An Engine that has left its Swarm, with the bridge that is left of it."""

    def __init__(self) -> None:
        self.active = False
        self.bridge: t.Any = json.loads(json.dumps(BRIDGE))
        self.found: list[dict[str, t.Any]] = []
        self.inspected: dict[str, dict[str, t.Any]] = {}

    def info(self) -> dict[str, t.Any]:
        return {"Swarm": {"LocalNodeState": "active" if self.active else "inactive"}}

    def networks(self, names: list[str]) -> list[t.Any]:
        return [self.bridge] if self.bridge and self.bridge["Name"] in names else []

    def inspect_network(self, _name: str) -> t.Any:
        return self.bridge

    def containers(self, all: bool) -> list[t.Any]:
        return self.found if all else []

    def inspect_container(self, key: str) -> dict[str, t.Any]:
        return self.inspected[key]

    def disconnect_container_from_network(self, name: str, _network: str, force: bool) -> None:
        assert name == "gateway_ingress-sbox"
        assert force
        self.bridge["Containers"] = {}

    def remove_network(self, _name: str) -> None:
        assert not self.bridge["Containers"]
        self.bridge = None

    def _url(self, path: str) -> str:
        return path

    def _post_json(self, _url: str, data: t.Any) -> t.Any:
        self.bridge = {**data, "Containers": {}}
        return data

    def _result(self, answer: t.Any, _json: bool) -> t.Any:
        return answer


class Stage:
    """A host in a network namespace."""

    def __init__(self, folder: pathlib.Path, namespace: netns.Namespace) -> None:
        self.folder, self.namespace, self.engine = folder, namespace, Engine()
        self.ufw, self.listeners = folder / "rules", folder / "listeners"
        self.ufw.write_text("".join(f"{rule}\n" for rule in RULES))
        self.say()
        self.has("ufw", UFW.format(file=str(self.ufw)))
        self.has("ss", f"#!/bin/sh\ncat {self.listeners}\n")
        self.has("systemctl", "#!/bin/sh\nexit 3\n")
        namespace.run("iptables-nft-restore", given=NAT)

    def has(self, program: str, text: str) -> None:
        (self.folder / program).write_text(text)
        (self.folder / program).chmod(0o755)

    def hold(self, lets_go: bool = True) -> None:
        """Docker holds a port of the Swarm that this host has left."""
        self.say(HELD)
        end = f": >{self.listeners}" if lets_go else ":"
        self.has("systemctl", SYSTEMCTL.format(restarted=self.folder / "restarted", lets_go=end))

    def restarted(self) -> list[str]:
        file = self.folder / "restarted"
        return file.read_text().splitlines() if file.exists() else []

    def say(self, *listeners: str) -> None:
        self.listeners.write_text("".join(f"{one}\n" for one in listeners))

    def find(self, program: str) -> str | None:
        if program == "iptables":
            program = "iptables-nft"
        mine = self.folder / program
        return str(mine) if mine.exists() else shutil.which(program, path="/usr/sbin:/usr/bin")

    def run(self, opens: bool = False, check: bool = False, deadline: int = 30, **more: t.Any) -> dict[str, t.Any]:
        published = frozenset([(8001, "tcp"), (9000, "tcp")])
        wanted = Wanted(opens, str(self.folder / "note"), published, foreseen=check, **more)
        operation = Leftovers(self.engine, wanted, self.find, str(self.folder / "ingress_sbox"))
        params = {"journal": None, "phase": "cutover", "deadline": deadline}
        result = self.namespace.within(lambda: perform(operation, "swarm_ports", "", params, check))
        return {**result, "left": operation.left}

    def rules(self) -> list[str]:
        return self.ufw.read_text().splitlines()

    def tables(self) -> str:
        return "".join(self.namespace.run("iptables-nft", "-t", table, "-S") for table in ("nat", "filter"))


@pytest.fixture(name="stage")
def stage_fixture(tmp_path: pathlib.Path) -> t.Iterator[Stage]:
    netns.require()
    namespace = netns.Namespace("left")
    yield Stage(tmp_path, namespace)
    namespace.end()


def test_what_docker_and_the_firewall_have_of_the_swarm_goes_and_nothing_else(stage: Stage) -> None:
    before = stage.tables()
    foreseen = stage.run(check=True)
    assert (stage.tables(), stage.rules()) == (before, RULES)
    assert not (stage.folder / "note").exists()
    done = stage.run()
    assert foreseen["diff"] == done["diff"]
    assert stage.rules() == ["allow 22/tcp", "allow 8001/tcp"]
    assert stage.engine.bridge is None
    lines = before.splitlines()
    kept = [one for one in lines if "INGRESS" not in one and "docker_gwbridge" not in one]
    assert stage.tables().splitlines() == kept
    assert len(kept) < len(lines)
    assert done["left"] == [
        "port 9000/tcp is led to a container by Docker",
        "ufw allow 8001/tcp opens a port that the stack published",
    ]
    assert (stage.folder / "note").stat().st_mode & 0o777 == 0o600
    assert not stage.run()["changed"]


def test_the_way_back_opens_what_was_closed_and_forgets_it(stage: Stage) -> None:
    stage.run()
    foreseen = stage.run(opens=True, check=True)
    assert stage.engine.bridge is None
    done = stage.run(opens=True)
    assert foreseen["diff"] == done["diff"]
    assert sorted(stage.rules()) == sorted(RULES)
    assert stage.engine.bridge["IPAM"] == BRIDGE["IPAM"]
    assert stage.engine.bridge["Options"] == BRIDGE["Options"]
    assert not stage.run(opens=True)["changed"]
    assert stage.run()["changed"]


@pytest.mark.parametrize("opens", [False, *([True] if SOAK else [])])
def test_killed_before_or_after_any_step_it_goes_on(stage: Stage, monkeypatch: pytest.MonkeyPatch, opens: bool) -> None:
    if opens:
        stage.run()
    act = Leftovers.act
    for after in (False, True) * (9 if not opens else 4):
        with monkeypatch.context() as patch:

            def killed(self: Leftovers, step: t.Any, after: bool = after) -> None:
                if after:
                    act(self, step)
                raise KeyboardInterrupt

            patch.setattr(Leftovers, "act", killed)
            try:
                stage.run(opens=opens)
            except KeyboardInterrupt:
                continue
            break
    stage.run(opens=opens)
    assert not stage.run(opens=opens)["changed"]
    if not opens:
        stage.run(opens=True)
    assert sorted(stage.rules()) == sorted(RULES)
    assert stage.engine.bridge["IPAM"] == BRIDGE["IPAM"]


def test_a_host_that_is_in_a_swarm_is_refused_and_foreseen_in_check_mode(stage: Stage) -> None:
    stage.engine.active = True
    stage.engine.bridge["Containers"]["t1"] = {"Name": "shop_web.1"}
    stage.engine.found = [{"Id": "t1", "Labels": {"com.docker.swarm.task.id": "t"}}]
    stage.say('tcp LISTEN 0 4096 *:2377 *:* users:(("dockerd",pid=7,fd=3))', "udp UNCONN 0 0 0.0.0.0:4789 0.0.0.0:*")
    with pytest.raises(RefusedError, match="this host is in a Swarm, whose ports stay open"):
        stage.run()
    foreseen = [step["name"] for step in stage.run(check=True)["steps"]]
    assert foreseen.count("close_rule") == 2
    assert "remove_network" in foreseen
    assert foreseen.count("remove_chain") == 2
    assert stage.rules() == RULES


def test_a_network_that_is_used_stays_and_is_named(stage: Stage) -> None:
    stage.engine.found = [{"Id": "c1", "Names": ["/tool"], "NetworkSettings": {"Networks": {ports.BRIDGE: {}}}}]
    done = stage.run()
    assert stage.engine.bridge
    assert "network docker_gwbridge is used by tool" in done["left"]
    assert "docker_gwbridge" in stage.tables()
    assert "DOCKER-INGRESS" not in stage.tables()


def test_who_listens_is_named_and_the_rule_for_it_stays(stage: Stage) -> None:
    stage.say(
        'tcp LISTEN 0 511 0.0.0.0:8001 0.0.0.0:* users:(("nginx",pid=12,fd=6))',
        'tcp LISTEN 0 511 [::]:2377 [::]:* users:(("other",pid=13,fd=6))',
        'tcp LISTEN 0 4096 *:9000 *:* users:(("traefik",pid=14,fd=6))',
        'tcp LISTEN 0 4096 *:22 *:* users:(("sshd",pid=1,fd=6))',
    )
    left = stage.run()["left"]
    assert left[:2] == ["port 2377/tcp is held by other (pid 13)", "port 8001/tcp is held by nginx (pid 12)"]
    assert not any("traefik" in one or "sshd" in one for one in left)
    assert RULES[1] in stage.rules()
    assert RULES[2] not in stage.rules()


def test_rules_of_firewalls_are_left_by_choice(stage: Stage) -> None:
    assert "close_rule" not in [step["name"] for step in stage.run(firewall=False)["steps"]]
    assert stage.rules() == RULES


@pytest.fixture(name="held")
def held_fixture(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A host of which nothing is left of the Swarm but a port."""
    stage.run()
    monkeypatch.setattr(leftovers_host, "SLICE_S", 0.1)
    stage.hold()
    return stage


def container(state: str, policy: str) -> dict[str, t.Any]:
    return {"Name": "/tool", "State": {"Status": state}, "HostConfig": {"RestartPolicy": {"Name": policy}}}


def names(result: t.Mapping[str, t.Any]) -> list[str]:
    return [step["name"] for step in result["steps"]]


def test_a_docker_that_lets_go_is_only_waited_for(held: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers_host, "wait_while", lambda holds, _s: (held.say(), {"waited_s": 1.0})[1])
    done = held.run()
    assert names(done) == ["wait_for_ports"]
    assert not done["changed"]
    assert held.restarted() == []


@pytest.mark.parametrize("opens", [False, True])
def test_a_docker_that_holds_on_is_started_again_once_where_nothing_runs_on_it(held: Stage, opens: bool) -> None:
    held.engine.found = [{"Id": "c1"}]
    held.engine.inspected = {"c1": container("exited", "no")}
    foreseen = held.run(opens=opens, check=True)
    assert held.restarted() == []
    done = held.run(opens=opens)
    assert names(done)[:2] == ["wait_for_ports", "restart_engine"]
    assert held.restarted() == ["docker.service"]
    assert names(foreseen) == names(done)
    assert not held.run(opens=opens)["changed"]


@pytest.mark.parametrize("opens", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_the_start_of_docker_it_goes_on(
    held: Stage, monkeypatch: pytest.MonkeyPatch, after: bool, opens: bool
) -> None:
    act = Leftovers.act

    def killed(self: Leftovers, step: t.Any) -> t.Any:
        done = act(self, step) if after or step.name != "restart_engine" else None
        if step.name == "restart_engine":
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Leftovers, "act", killed)
        held.run(opens=opens)
    held.run(opens=opens)
    assert held.restarted() == ["docker.service"]
    assert not held.run(opens=opens)["changed"]


@pytest.mark.parametrize(("state", "policy"), [("running", "no"), ("paused", ""), ("exited", "always")])
def test_docker_is_left_to_a_person_where_it_would_interrupt_a_container(held: Stage, state: str, policy: str) -> None:
    held.engine.found = [{"Id": "c1"}]
    held.engine.inspected = {"c1": container(state, policy)}
    said = r"held: 7946/tcp by dockerd \(pid 7\), mend: systemctl restart docker, interrupts: tool"
    with pytest.raises(ReplatformError, match=said):
        held.run(deadline=10)
    assert held.restarted() == []


def test_docker_is_not_started_again_and_again(held: Stage) -> None:
    held.hold(lets_go=False)
    with pytest.raises(ReplatformError, match="'wait_for_ports' is still to be done .*mend: systemctl restart docker"):
        held.run(deadline=10)
    assert held.restarted() == ["docker.service"]


def test_a_docker_that_is_no_unit_is_left_to_a_person(held: Stage) -> None:
    held.has("systemctl", "#!/bin/sh\nexit 3\n")
    with pytest.raises(ReplatformError, match=r"held: 7946/tcp by dockerd \(pid 7\), mend: systemctl restart docker\)"):
        held.run(deadline=10)


def test_a_namespace_that_nobody_uses_goes(stage: Stage) -> None:
    file = stage.folder / "ingress_sbox"
    file.touch()
    assert "remove_namespace" not in [step["name"] for step in stage.run()["steps"]]
    other = netns.Namespace("sbox")
    subprocess.run(["mount", "--bind", f"/run/netns/{other.name}", str(file)], check=True)
    try:
        assert [step["name"] for step in stage.run()["steps"]] == ["remove_namespace"]
        assert not file.exists()
    finally:
        subprocess.run(["umount", "--quiet", str(file)], check=False)
        other.end()


def test_a_command_that_fails_says_which(stage: Stage) -> None:
    (stage.folder / "ufw").write_text(
        f'#!/bin/sh\n[ "$1" = show ] && echo ufw {RULES[2]} || {{ echo no >&2; exit 1; }}\n'
    )
    with pytest.raises(ReplatformError, match="ufw --force delete allow from .* failed: no"):
        stage.run()


def test_the_ports_of_a_swarm_that_was_kept() -> None:
    published = [
        {"PublishedPort": 8001, "Protocol": "tcp"},
        {"PublishedPort": 53, "Protocol": "udp"},
        {"TargetPort": 1},
    ]
    kept = {"cluster": {"data_path_port": 5789}, "specs": {"web": {"EndpointSpec": {"Ports": published}}, "db": {}}}
    two = [{"port": 53, "protocol": "udp"}, {"port": 8001, "protocol": "tcp"}]
    assert ports.kept_ports(kept) == {"data_path_port": 5789, "published": two}
    assert ports.kept_ports({}) == {"data_path_port": 4789, "published": []}


def test_a_vxlan_of_another_is_its_own() -> None:
    links = [{"ifname": "vxlan.calico", "linkinfo": {"info_kind": "vxlan", "info_data": {"port": 4789}}}, {}]
    assert ports.vxlan_ports(links) == {4789}


def test_a_note_of_before_is_not_lost() -> None:
    old, new = ({"tool": "ufw", "rule": f"allow {port}/tcp"} for port in (2377, 7946))
    world = {"noted": {"rules": [old], "network": {"Driver": "bridge"}}, "rules": [new], "network": None}
    assert leftovers.with_note(world) == {"rules": [old, new], "network": {"Driver": "bridge"}}
