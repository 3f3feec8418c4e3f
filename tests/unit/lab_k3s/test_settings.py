from __future__ import annotations

import socket

import pytest
from k3s_standin import logs
from k3s_standin.server import require_free_port
from k3s_standin.settings import resolve

SERVER = {"node-ip": ["172.31.77.11"], "node-name": "One"}


def test_defaults_are_those_of_k3s():
    settings = resolve("server", SERVER)
    assert (settings.node_name, settings.port, str(settings.data)) == ("one", 6443, "/var/lib/rancher/k3s")
    assert (settings.cluster_cidr, settings.service_cidr) == ("10.42.0.0/16", "10.43.0.0/16")
    assert (settings.service_ip, settings.cluster_dns) == ("10.43.0.1", "10.43.0.10")
    assert (str(settings.kubeconfig), settings.kubeconfig_mode) == ("/etc/rancher/k3s/k3s.yaml", 0o600)


def test_the_cluster_dns_follows_the_service_network():
    assert resolve("server", {**SERVER, "service-cidr": "10.99.0.0/16"}).cluster_dns == "10.99.0.10"


@pytest.mark.parametrize(
    "role, values, said",
    [
        ("agent", {"token": "t"}, "--server is required"),
        ("agent", {"server": "https://a:6443"}, "--token is required"),
        ("agent", {"server": "http://a:6443", "token": "t"}, "is not a https:// address"),
        ("server", {**SERVER, "write-kubeconfig-mode": "0888"}, "not an octal file mode"),
        ("server", {**SERVER, "write-kubeconfig-mode": "rw"}, "not an octal file mode"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(role, values, said):
    with pytest.raises(logs.Fatal, match=said):
        resolve(role, values)


def test_a_secret_may_stand_in_a_file(tmp_path):
    (tmp_path / "token").write_text("secret\n")
    assert resolve("server", {**SERVER, "token-file": str(tmp_path / "token")}).secret("token") == "secret"
    with pytest.raises(logs.Fatal, match="open .*/missing: no such file"):
        resolve("server", {**SERVER, "token-file": str(tmp_path / "missing")}).secret("token")


def test_a_taken_port_is_named():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings = resolve("server", {**SERVER, "bind-address": "127.0.0.1", "https-listen-port": str(port)})
        with pytest.raises(logs.Fatal, match=f"listen tcp 127.0.0.1:{port}: bind: address already in use"):
            require_free_port(settings)
    require_free_port(settings)
