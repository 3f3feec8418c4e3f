from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError


def numbers(app):
    return [(item["name"], item["port"], item["protocol"]) for item in app.values.get("ports", [])]


@pytest.mark.parametrize(
    ("port", "wanted"),
    [
        ("8080:80", [("tcp-80", 80, "TCP")]),
        ("80", [("tcp-80", 80, "TCP")]),
        (80, [("tcp-80", 80, "TCP")]),
        ("53:53/udp", [("udp-53", 53, "UDP")]),
        ("127.0.0.1:8080:80", [("tcp-80", 80, "TCP")]),
        ("8000-8001:80-81", [("tcp-80", 80, "TCP"), ("tcp-81", 81, "TCP")]),
        ({"target": 80, "published": 8080, "mode": "host"}, [("tcp-80", 80, "TCP")]),
        ({"target": "80", "published": "8080"}, [("tcp-80", 80, "TCP")]),
    ],
)
def test_the_service_port_is_the_target_port(converted, port, wanted):
    assert numbers(converted({"ports": [port]})) == wanted


def test_a_published_port_is_said(converted):
    app = converted({"ports": ["8080:80"]})
    assert app.verdicts["ports[80/tcp]"] == "approximated"
    assert "8080" in app.notes["ports[80/tcp]"]
    assert app.values["preStopSeconds"] == 5


def test_a_port_on_two_published_ports_is_one_port(converted):
    assert numbers(converted({"ports": ["8080:80", "8081:80"], "expose": ["80", 90]})) == [
        ("tcp-80", 80, "TCP"),
        ("tcp-90", 90, "TCP"),
    ]


@pytest.mark.parametrize(
    "port",
    [
        "x",
        "70000:80",
        "1-3:1-2",
        "80:80/icmp",
        {"published": 80},
        {"target": 80, "mode": "both"},
        {"port": 80},
        0,
        "1:2:3:4",
    ],
)
def test_what_is_no_port(converted, port):
    with pytest.raises(StackError, match=r"^stack.yml: service 'app': ports\[0\]"):
        converted({"ports": [port]})


def test_no_ports_is_said(converted):
    app = converted({})
    assert app.verdicts["(ports)"] == "mapped"
    assert app.values["preStopSeconds"] == 0


def test_aliases_are_services(converted):
    top = {"networks": {"a": None, "b": None, "c": None}}
    keys = {"networks": {"a": {"aliases": ["db", "app"]}, "b": None, "c": {"aliases": ["db", "Not_One"]}}}
    app = converted(keys, top=top)
    assert app.values["aliases"] == ["db"]
    assert app.verdicts["networks"] == "reported"
    assert app.verdicts["networks.c.aliases"] == "refused"


def test_resolvers_hosts_and_sysctls(converted):
    app = converted(
        {
            "dns": "192.0.2.53",
            "dns_search": ["example.com"],
            "extra_hosts": ["a:192.0.2.7", "b:::1"],
            "sysctls": {"net.core.somaxconn": 1024},
        }
    )
    assert app.values["dnsConfig"] == {"nameservers": ["192.0.2.53"], "searches": ["example.com"]}
    assert app.values["hostAliases"] == [{"ip": "192.0.2.7", "hostnames": ["a"]}, {"ip": "::1", "hostnames": ["b"]}]
    assert app.values["sysctls"] == [{"name": "net.core.somaxconn", "value": "1024"}]
    assert app.verdicts["extra_hosts"] == "mapped"
    app = converted({"extra_hosts": {"a": "[2001:db8::1]", "docker": "host-gateway"}})
    assert app.values["hostAliases"] == [{"ip": "2001:db8::1", "hostnames": ["a"]}]
    assert app.verdicts["extra_hosts.docker"] == "refused"
