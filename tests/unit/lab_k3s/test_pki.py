from __future__ import annotations

import stat
import subprocess

import pytest
from k3s_standin import pki


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    pki.server_certificates(folder, "one", ["localhost", "172.31.77.11"], ["localhost", "127.0.0.1"])
    return folder


def openssl(*words):
    return subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "ca, name",
    [
        ("server-ca", "serving-kube-apiserver"),
        ("client-ca", "client-admin"),
        ("request-header-ca", "client-auth-proxy"),
        ("etcd/server-ca", "etcd/client"),
    ],
)
def test_each_certificate_is_its_authoritys(tls, ca, name):
    result = openssl("verify", "-x509_strict", "-CAfile", tls / f"{ca}.crt", tls / f"{name}.crt")
    assert result.returncode == 0, result.stderr


def test_a_client_is_no_proxy(tls):
    assert openssl("verify", "-CAfile", tls / "request-header-ca.crt", tls / "client-admin.crt").returncode != 0


def test_the_admin_is_of_the_masters(tls):
    subject = openssl("x509", "-noout", "-subject", "-in", tls / "client-admin.crt").stdout
    assert "O = system:masters" in subject and "CN = system:admin" in subject


def test_keys_are_private(tls):
    modes = {stat.S_IMODE(file.stat().st_mode) for pattern in ("*.key", "*.pem") for file in tls.rglob(pattern)}
    assert modes == {0o600}


def test_a_second_start_keeps_everything_and_a_new_name_renews_one_certificate(tls):
    before = {file: file.read_bytes() for file in tls.rglob("*") if file.is_file()}
    pki.server_certificates(tls, "one", ["localhost", "172.31.77.11"], ["localhost", "127.0.0.1"])
    assert all(file.read_bytes() == content for file, content in before.items())
    pki.server_certificates(tls, "one", ["localhost", "172.31.77.11", "k3s.lab"], ["localhost", "127.0.0.1"])
    changed = {file.name for file, content in before.items() if file.read_bytes() != content}
    assert changed == {f"serving-kube-apiserver.{kind}" for kind in ("crt", "key", "pem")}
    assert "DNS:k3s.lab" in openssl("x509", "-noout", "-text", "-in", tls / "serving-kube-apiserver.crt").stdout
