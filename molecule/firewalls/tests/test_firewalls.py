"""After both firewalls: the further host is gone, and the lab's Swarm is as it was."""

from __future__ import annotations

import typing as t

import testinfra

testinfra_hosts = ["docker://replatform-lab-sophia-production-instance"]


def test_the_further_host_is_gone() -> None:
    here = testinfra.get_host("local://")
    assert here.check_output("docker ps --all --quiet --filter name=replatform-lab-sophia-left") == ""
    assert here.check_output("docker volume ls --quiet --filter name=replatform-lab-sophia-left") == ""


def test_the_swarm_of_the_lab_is_as_it_was(host: t.Any) -> None:
    assert host.check_output("docker node ls --format '{{.Status}}'").split() == ["Ready"] * 5
    replicas = host.check_output("docker stack services sophia --format '{{.Replicas}}'").splitlines()
    assert replicas
    for line in replicas:
        running, wanted = line.split()[0].split("/")
        assert running == wanted
