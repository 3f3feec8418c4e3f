"""After both firewalls: nothing of them is left on the host, Docker's rules are there, and the lab's Swarm has its replicas."""

from __future__ import annotations

import typing as t

import testinfra

MANAGER = "docker://replatform-lab-sophia-production-instance"
testinfra_hosts = ["docker://replatform-lab-sophia-left"]


def test_no_firewall_is_left(host: t.Any) -> None:
    rules = host.check_output("iptables-save; nft list ruleset")
    assert "ufw" not in rules
    assert "firewalld" not in rules
    assert not host.package("firewalld").is_installed
    assert not host.package("ufw").is_installed


def test_docker_works(host: t.Any) -> None:
    assert "-N DOCKER" in host.check_output("iptables -S")
    assert host.check_output("docker info --format '{{.Swarm.LocalNodeState}}'") == "inactive"


def test_the_note_is_forgotten(host: t.Any) -> None:
    assert not host.file("/root/ports.json").exists


def test_the_swarm_of_the_lab_is_as_it_was() -> None:
    lines = testinfra.get_host(MANAGER).check_output("docker stack services sophia --format '{{.Replicas}}'").splitlines()
    replicas = [line.split()[0].split("/") for line in lines]
    assert replicas
    assert all(running == wanted for running, wanted in replicas)
