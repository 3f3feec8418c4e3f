"""What is kept under the token, and what has to be equal on all servers."""

from __future__ import annotations

import base64
import stat

import pytest
from k3s_standin import bootstrap, logs, passwords, pki
from k3s_standin.settings import resolve


class Store:
    def __init__(self, **stored):
        self.stored = dict(stored)

    def list(self, prefix):
        return {key: value for key, value in self.stored.items() if key.startswith(prefix)}

    def put(self, key, value):
        self.stored[key] = value


def server(folder, **values):
    return resolve("server", {"node-ip": ["172.31.77.11"], "data-dir": str(folder), **values})


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    made = server(tmp_path_factory.mktemp("first"))
    pki.server_certificates(made.server_dir / "tls", "one", ["localhost"], ["localhost"])
    passwords.keep(made, "S", "A")
    return made


def test_another_server_gets_every_authority_and_key_and_keeps_them_private(settings, tmp_path):
    other = server(tmp_path)
    assert set(bootstrap.write(other, bootstrap.collect(settings))) == set(bootstrap.FILES)
    for name in bootstrap.FILES:
        file = other.server_dir / name
        assert file.read_bytes() == (settings.server_dir / name).read_bytes()
        assert stat.S_IMODE(file.stat().st_mode) == (0o644 if name.endswith(".crt") else 0o600)
    assert bootstrap.write(other, bootstrap.collect(settings)) == []


def test_no_other_file_is_written_whoever_sends_it(settings, tmp_path):
    files = {**bootstrap.collect(settings), "../../evil": base64.b64encode(b"x").decode()}
    bootstrap.write(server(tmp_path / "s"), files)
    assert not list(tmp_path.rglob("evil"))


def test_the_token_opens_what_it_closed_and_no_other_does(settings):
    files = bootstrap.collect(settings)
    content = bootstrap.encrypt("S", files)
    assert bootstrap.decrypt("S", content) == files
    assert b"PRIVATE" not in content and base64.b64encode(b"PRIVATE") not in content
    with pytest.raises(ValueError, match="cannot be decrypted"):
        bootstrap.decrypt("s", content)


def test_the_first_start_keeps_its_token_in_the_datastore_and_another_token_is_refused(settings):
    store = Store()
    bootstrap.agree(store, settings, ("S", "A"), "S")
    assert list(store.stored) == [bootstrap.storage_key("S")]
    bootstrap.agree(store, settings, ("S", "A"), "S")
    with pytest.raises(logs.Fatal, match="bootstrap data already found and encrypted with different token"):
        bootstrap.agree(store, settings, ("T", "A"), "S")


def test_data_of_an_older_stand_in_takes_only_the_token_that_was_kept(settings):
    with pytest.raises(logs.Fatal, match="different token"):
        bootstrap.agree(Store(), settings, ("T", "A"), "S")
    store = Store()
    bootstrap.agree(store, settings, ("S", "A"), "S")
    assert store.stored


def test_a_token_that_another_server_has_rotated_to_is_taken(settings):
    store = Store()
    bootstrap.save(store, settings, "new", "A")
    bootstrap.agree(store, settings, ("new", "A"), "S")


@pytest.mark.parametrize(
    "values, wanted",
    [
        ({}, []),
        ({"cluster-cidr": "10.99.0.0/16"}, ["cluster-cidr"]),
        ({"service-cidr": "10.98.0.0/16"}, ["cluster-dns", "service-cidr"]),
        ({"disable": ["servicelb", "traefik"]}, ["disable-servicelb"]),
        ({"disable": ["traefik"], "tls-san": ["x"], "node-label": ["a=b"]}, []),
        (
            {"flannel-backend": "wireguard-native", "flannel-external-ip": True},
            ["flannel-backend", "flannel-external-ip"],
        ),
        ({"secrets-encryption": True}, ["secrets-encryption"]),
    ],
)
def test_critical_settings_are_named(tmp_path, values, wanted):
    theirs = bootstrap.critical(server(tmp_path))
    assert bootstrap.mismatched(bootstrap.critical(server(tmp_path, **values)), theirs) == wanted


def test_tokens_are_chosen_kept_and_told(tmp_path):
    first = server(tmp_path)
    pki.authority(first.server_dir / "tls", "server-ca")
    secret, agents = passwords.choose(first)
    assert secret == agents and len(secret) == 32
    passwords.keep(first, secret, agents)
    assert passwords.choose(first) == (secret, secret) and passwords.known(first) == secret
    assert (first.server_dir / "node-token").read_text().endswith(f"::server:{secret}\n")
    assert passwords.choose(server(tmp_path, token="T", **{"agent-token": "A"})) == ("T", "A")
    with pytest.raises(logs.Fatal, match="failed to validate token"):
        passwords.choose(server(tmp_path, token="K10abc"))
