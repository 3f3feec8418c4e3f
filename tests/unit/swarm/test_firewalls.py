"""Rules of ufw and firewalld that open a Swarm's ports and nothing else."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import firewalls
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.ports import of_the_swarm

PORTS = of_the_swarm(4789)


@pytest.mark.parametrize(
    "rule",
    [
        "allow 2377/tcp",
        "allow in 7946/udp",
        "allow 7946",
        "limit 2377/tcp",
        "allow 2377,7946/tcp",
        "allow in on eth1 4789/udp",
        "allow in on eth1 to any port 4789 proto udp",
        "allow from 10.0.0.0/24 to any port 2377 proto tcp",
        "allow proto tcp from 10.0.0.0/24 to 10.0.0.1 port 2377,7946",
        "allow 2377/tcp comment 'the Swarm, 8080/tcp'",
    ],
)
def test_a_rule_of_ufw_for_the_swarm_alone(rule: str) -> None:
    found = firewalls.in_ufw(f"Added user rules (see 'ufw status' for running firewall):\nufw {rule}\n", PORTS)
    assert found == [{"tool": "ufw", "rule": rule}]


@pytest.mark.parametrize(
    "rule",
    [
        "allow 22/tcp",
        "allow 2377/udp",
        "allow 2377,8080/tcp",
        "allow 2377:9000/tcp",
        "allow 1:65535/tcp",
        "deny 2377/tcp",
        "allow out 2377/tcp",
        "allow out to any port 2377 proto tcp",
        "allow from any port 2377 to any port 22",
        "allow from any port 2377",
        "allow from 10.0.0.0/24",
        "allow OpenSSH",
        "route allow in on eth0 to any port 2377 proto tcp",
    ],
)
def test_another_rule_of_ufw(rule: str) -> None:
    assert firewalls.in_ufw(f"(None)\nufw {rule}\n", PORTS) == []


ZONES = """\
dmz
  target: default
  services: ssh
  ports: 8080/tcp

public (active)
  target: default
  interfaces: eth0
  services: dhcpv6-client docker-swarm ssh
  ports: 2377/tcp 7946-7946/udp 7940-7950/tcp 2377/udp
  protocols: esp
  source-ports: 2377/tcp
  rich rules:
\trule family="ipv4" source address="10.0.0.0/24" port port="4789" protocol="udp" accept
\trule family="ipv4" source address="10.0.0.0/24" port port="4789" protocol="udp" drop
\trule family="ipv4" source address="10.0.0.0/24" accept
"""


def test_rules_of_firewalld() -> None:
    rich = 'rule family="ipv4" source address="10.0.0.0/24" port port="4789" protocol="udp" accept'
    found = firewalls.in_firewalld(ZONES, PORTS, True)
    assert [(one["zone"], one["kind"], one["value"]) for one in found] == [
        ("public", "service", "docker-swarm"),
        ("public", "port", "2377/tcp"),
        ("public", "port", "7946-7946/udp"),
        ("public", "rich-rule", rich),
    ]
    assert all(one["permanent"] for one in found)
    # Somebody else's VXLAN has the port by now.
    without = PORTS - {(4789, "udp")}
    assert [one["kind"] for one in firewalls.in_firewalld(ZONES, without, False)] == ["port", "port"]


def test_a_rich_rule_with_a_priority_is_one_of_the_swarm_too() -> None:
    rule = 'rule priority="-5" family="ipv4" source address="10.0.0.0/24" port port="2377" protocol="tcp" accept'
    (found,) = firewalls.in_firewalld(f"public (active)\n  rich rules: \n\t{rule}\n", PORTS, False)
    assert firewalls.command(found, True) == ["firewall-cmd", "--zone=public", f"--add-rich-rule={rule}"]


def test_the_words_to_take_a_rule_out_and_back() -> None:
    rule = {"tool": "ufw", "rule": "allow 2377/tcp comment 'of the Swarm'"}
    assert firewalls.command(rule, False) == ["ufw", "--force", "delete", "allow", "2377/tcp"]
    assert firewalls.command(rule, True) == ["ufw", "allow", "2377/tcp", "comment", "of the Swarm"]
    rule = {"tool": "firewalld", "zone": "public", "kind": "port", "value": "2377/tcp", "permanent": True}
    assert firewalls.command(rule, False) == ["firewall-cmd", "--permanent", "--zone=public", "--remove-port=2377/tcp"]
    rule["permanent"] = False
    assert firewalls.command(rule, True) == ["firewall-cmd", "--zone=public", "--add-port=2377/tcp"]
    assert firewalls.text(rule) == "firewalld public port 2377/tcp"
