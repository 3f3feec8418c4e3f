# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim of RV(leftovers): reads a host and its Engine, and does each step."""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import json
import os
import shlex
import subprocess
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import engine, firewalls, leftovers, ports
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.client import api_errors
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import is_active
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import remove_if_there, replace_file

NAMESPACE = "/run/docker/netns/ingress_sbox"
_TASK = "com.docker.swarm.task.id"
_ENGINE = "dockerd"
_UNIT = "docker.service"
# What of a network makes it again.
_SPEC = ("Driver", "Options", "IPAM", "Labels", "Internal", "Attachable", "EnableIPv6")
SLICE_S = 10.0


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is asked of a host; O(note) is the file that says what was closed."""

    opens: bool
    note: str
    published: frozenset[ports.Port] = frozenset()
    data_path_port: int = 4789
    firewall: bool = True
    foreseen: bool = False


class Leftovers:
    """O(client) is one of the Engine's API, O(find) finds a program or gives nothing."""

    def __init__(
        self, client: t.Any, wanted: Wanted, find: t.Callable[[str], str | None], namespace: str = NAMESPACE
    ) -> None:
        self._client = client
        self._wanted = wanted
        self._find = find
        self._namespace = namespace
        self.left: list[str] = []
        self._tried: frozenset[str] = frozenset()

    def observe(self) -> dict[str, t.Any]:
        with api_errors("read the Engine"):
            active = is_active(self._client.info())
            network = self._network(active)
        own = ports.of_the_swarm(self._wanted.data_path_port)
        held = ports.holders(self._run("ss", "-Hlntup"), own | self._wanted.published)
        ours, strangers = self._sorted(held, active)
        tables = {
            table: self._run("iptables", "-w", "10", "-t", table, "-S").splitlines() for table in ("filter", "nat")
        }
        # Whoever else listens there may be asked.
        closable = own if self._wanted.opens else own - {port for port, _name, _text in strangers}
        self.left = self._left(strangers, tables, network, active)
        return {
            "active": active,
            "rules": self._rules(closable) if self._wanted.firewall or self._wanted.opens else [],
            "noted": self._noted(),
            "network": network,
            "tables": tables,
            "namespace": not active and self._is_unused_namespace(),
            "held": ", ".join(f"{ports.word(port)} by {text}" for port, _name, text in ours),
            "unit": _UNIT if ours and self._run("systemctl", "is-active", _UNIT) else "",
            "interrupts": engine.interrupted(self._inspected()) if ours else [],
            "tried": self._tried,
        }

    def next_step(self, world: t.Mapping[str, t.Any]) -> Decision:
        return leftovers.opening(world) if self._wanted.opens else leftovers.closing(world, self._wanted.foreseen)

    def simulate(self, world: t.Mapping[str, t.Any], step: Step) -> dict[str, t.Any]:
        return leftovers.simulate(world, step)

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        self._tried |= {step.name}
        if step.name == "wait_for_ports":
            return wait_while(lambda: bool(self.observe()["held"]), SLICE_S)
        with api_errors(step.name):
            getattr(self, f"_{step.name}")(step)
        return None

    def _note(self, _step: Step) -> None:
        replace_file(
            self._wanted.note, json.dumps(leftovers.with_note(self.observe()), indent=2, sort_keys=True) + "\n", 0o600
        )

    def _forget(self, _step: Step) -> None:
        remove_if_there(self._wanted.note)

    def _close_rule(self, step: Step) -> None:
        self._each(step, self.observe()["rules"], False)

    def _open_rule(self, step: Step) -> None:
        self._each(step, (self._noted() or leftovers.NOTHING)["rules"], True)

    def _each(self, step: Step, rules: t.Sequence[firewalls.Rule], opens: bool) -> None:
        rule = next((one for one in rules if firewalls.text(one) == step.data["rule"]), None)
        if rule:
            self._do(*firewalls.command(rule, opens))

    def _disconnect(self, step: Step) -> None:
        self._client.disconnect_container_from_network(step.data["endpoint"], ports.BRIDGE, force=True)

    def _remove_network(self, _step: Step) -> None:
        self._client.remove_network(ports.BRIDGE)

    def _create_network(self, _step: Step) -> None:
        spec = (self._noted() or leftovers.NOTHING)["network"]
        body = {"Name": ports.BRIDGE, "CheckDuplicate": True, **spec}
        self._client._result(self._client._post_json(self._client._url("/networks/create"), data=body), True)

    def _remove_rule(self, step: Step) -> None:
        words = shlex.split(step.data["rule"])
        self._do("iptables", "-w", "10", "-t", step.data["table"], "-D", *words[1:])

    def _remove_chain(self, step: Step) -> None:
        for how in ("-F", "-X"):
            self._do("iptables", "-w", "10", "-t", step.data["table"], how, step.data["chain"])

    def _remove_namespace(self, _step: Step) -> None:
        self._do("umount", "--lazy", self._namespace)
        remove_if_there(self._namespace)

    def _restart_engine(self, step: Step) -> None:
        self._do("systemctl", "restart", step.data["unit"])

    def _inspected(self) -> list[t.Any]:
        with api_errors("read its containers"):
            return [self._client.inspect_container(one["Id"]) for one in self._client.containers(all=True)]

    def _network(self, active: bool) -> dict[str, t.Any] | None:
        """The bridge of a Swarm, and by which names it is used; a stopped container that names it wants it when it begins."""
        if not any(one["Name"] == ports.BRIDGE for one in self._client.networks(names=[ports.BRIDGE])):
            return None
        network = self._client.inspect_network(ports.BRIDGE)
        containers = self._client.containers(all=True)
        tasks = {one["Id"] for one in containers if _TASK in (one.get("Labels") or {})}
        users, ingress = set(), ""
        for key, endpoint in (network.get("Containers") or {}).items():
            name = str(endpoint.get("Name") or key)
            if name in ("gateway_ingress-sbox", "ingress-sbox"):
                ingress = name
            elif not (active and key in tasks):
                users.add(name)
        for one in containers:
            if ports.BRIDGE in ((one.get("NetworkSettings") or {}).get("Networks") or {}):
                users.add(str((one.get("Names") or [one["Id"]])[0]).lstrip("/"))
        return {
            "users": sorted(users),
            "ingress": ingress,
            "spec": {key: network[key] for key in _SPEC if key in network},
        }

    def _sorted(self, held: t.Sequence[tuple[ports.Port, str, str]], active: bool) -> tuple[list[t.Any], list[t.Any]]:
        """Docker's own, and those of others. A VXLAN that the host has no interface for is in a namespace of Docker's."""
        others = ports.vxlan_ports(json.loads(self._run("ip", "-j", "-d", "link", "show", "type", "vxlan") or "[]"))
        own = ports.of_the_swarm(self._wanted.data_path_port)
        ours = [
            one
            for one in held
            if one[1] == _ENGINE or (one[1] == ports.KERNEL and one[0] in own and one[0][0] not in others)
        ]
        return ([] if active else ours), [one for one in held if one not in ours]

    def _rules(self, closable: t.Collection[ports.Port]) -> list[firewalls.Rule]:
        rules = firewalls.in_ufw(self._run("ufw", "show", "added"), closable)
        for how in ((), ("--permanent",)):
            rules += firewalls.in_firewalld(self._run("firewall-cmd", *how, "--list-all-zones"), closable, bool(how))
        return rules

    def _left(
        self, strangers: t.Sequence[t.Any], tables: t.Mapping[str, t.Any], network: t.Any, active: bool
    ) -> list[str]:
        """What is not ours to take away, in words."""
        left = [
            f"port {ports.word(port)} is held by {text}" for port, name, text in strangers if name not in ports.EXPECTED
        ]
        if not active:
            led = ports.led_on(tables["nat"], self._wanted.published)
            left += [f"port {ports.word(port)} is led to a container by Docker" for port in led]
        if network and network["users"]:
            left.append(f"network {ports.BRIDGE} is used by {', '.join(network['users'])}")
        if self._wanted.firewall:
            rules = self._rules(self._wanted.published - ports.of_the_swarm(self._wanted.data_path_port))
            left += [
                f"{firewalls.text(rule)} opens a port that the stack published"
                for rule in rules
                if rule.get("kind") != "service"
            ]
        if not self._find("ss"):
            left.append("nobody can say who listens: the program ss is not there")
        return left

    def _noted(self) -> dict[str, t.Any] | None:
        try:
            with open(self._wanted.note, encoding="utf-8") as file:
                return t.cast("dict[str, t.Any]", json.load(file))
        except FileNotFoundError:
            return None

    def _is_unused_namespace(self) -> bool:
        """Whether that of the ingress is still mounted, with no process in it; Docker's own name for one that is gone is an empty file."""
        try:
            there, mine = os.stat(self._namespace), os.stat("/proc/self/ns/net")
        except FileNotFoundError:
            return False
        if there.st_dev != mine.st_dev:
            return False
        for process in glob.glob("/proc/[0-9]*/ns/net"):
            with contextlib.suppress(OSError):
                if os.stat(process).st_ino == there.st_ino:
                    return False
        return True

    def _run(self, program: str, *words: str) -> str:
        """What a program says; empty where it is not there, or has nothing to say."""
        found = self._find(program)
        if not found:
            return ""
        done = subprocess.run(
            [found, *words], capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"}
        )
        return done.stdout if done.returncode == 0 else ""

    def _do(self, program: str, *words: str) -> None:
        found = self._find(program)
        done = subprocess.run([str(found), *words], capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join((done.stderr or done.stdout).split()) or f"exit status {done.returncode}"
            raise ReplatformError(f"{shlex.join([program, *words])} failed: {said}")
