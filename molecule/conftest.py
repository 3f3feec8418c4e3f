"""What the scenarios on the lab with three servers look at."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import testinfra
import yaml

PROJECT = pathlib.Path(__file__).parents[1]
GROUPS = yaml.safe_load((PROJECT / "inventories/lab-ha/hosts.yml").read_text())["all"]["children"]
STACK = yaml.safe_load((PROJECT / "lab/services/docker-stack.yml").read_text())
STATE = pathlib.Path("/var/lib/replatform")


class Fleet:
    """The hosts of inventories/lab-ha, and the cluster as its servers see it."""

    servers: t.ClassVar[list[str]] = list(GROUPS["k3s_server"]["hosts"])
    agents: t.ClassVar[list[str]] = list(GROUPS["k3s_agent"]["hosts"])
    swarm_services: t.ClassVar[int] = len(STACK["services"])
    artifacts = PROJECT / "artifacts/lab-ha"

    @property
    def hosts(self) -> list[str]:
        """Servers first."""
        return self.servers + self.agents

    def on(self, name: str) -> t.Any:
        """A host as testinfra sees it."""
        return testinfra.get_host(f"docker://replatform-lab-{name}")

    def kubectl(self, *arguments: str, through: str = "") -> t.Any:
        """The parsed answer of a server, the first one if none is named."""
        words = " ".join(f"'{word}'" for word in arguments)
        return json.loads(self.on(through or self.servers[0]).check_output(f"k3s kubectl {words} --output json"))

    def nodes(self) -> dict[str, dict[str, t.Any]]:
        """The Node objects by name."""
        return {node["metadata"]["name"]: node for node in self.kubectl("get", "nodes")["items"]}

    def condition(self, kind: str) -> dict[str, str]:
        """A condition's status, of each node that has it."""
        return {
            name: condition["status"]
            for name, node in self.nodes().items()
            for condition in node["status"]["conditions"]
            if condition["type"] == kind
        }

    def versions(self) -> set[str]:
        """Which releases the kubelets run."""
        return {node["status"]["nodeInfo"]["kubeletVersion"] for node in self.nodes().values()}

    def swarm_replicas(self) -> list[str]:
        """Of each service of the stack, how many tasks run and how many are wanted: C(2/2)."""
        lines = self.on(self.servers[0]).check_output("docker stack services sophia --format '{{.Replicas}}'")
        return [line.split()[0] for line in lines.splitlines()]

    def journal(self) -> list[dict[str, t.Any]]:
        """The steps that the servers have recorded, in the order of their times."""
        lines: list[str] = []
        for name in self.servers:
            file = self.on(name).file(str(STATE / "journal.jsonl"))
            lines += file.content_string.splitlines() if file.exists else []
        return sorted((json.loads(line) for line in lines), key=lambda entry: str(entry["time"]))


@pytest.fixture(scope="session", name="fleet")
def fleet_fixture() -> Fleet:
    """The lab with three servers."""
    return Fleet()
