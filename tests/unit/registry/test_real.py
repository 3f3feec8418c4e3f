"""The module from arguments to result, against Debian's docker-registry."""

from __future__ import annotations

import base64
import json

import local_ca
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.modules import image_platforms_info
from local_registry import DOCKER, HTPASSWD, OCI, PASSWORD, USER, Registry, Tokens


@pytest.fixture(name="start")
def start_fixture(tmp_path):
    started = []

    def start(certificate="", **settings):
        started.append(Registry(tmp_path, certificate, **settings))
        return started[-1]

    yield start
    for registry in started:
        registry.stop()


@pytest.fixture(name="ask")
def ask_fixture(capfd):
    """The module's result for images, all of them wanted on O(architectures)."""

    def ask(registry, *images, architectures=("amd64", "arm64"), **options):
        names = [f"{registry.address}/{image}" for image in images]
        arguments = {
            "images": [{"name": name, "architectures": list(architectures), "services": ["web"]} for name in names],
            "plain_http_registries": [] if registry.tls else [registry.address],
            "timeout": 20,
            **options,
        }
        with patch_module_args(arguments), pytest.raises(SystemExit):
            image_platforms_info.main()
        out = capfd.readouterr().out
        assert PASSWORD not in out
        return json.loads(out)

    return ask


@pytest.mark.parametrize("family", [OCI, DOCKER])
def test_an_image_for_every_architecture(start, ask, family):
    registry = start()
    made = [registry.image("shop/web", arch, family=family) for arch in ("amd64", "arm64")]
    digest = registry.index("shop/web", "1.0", made, family)["digest"]
    answer = ask(registry, "shop/web:1.0", f"shop/web@{digest}")
    assert answer["faults"] == []
    assert [one["platforms"] for one in answer["images"]] == [["amd64", "arm64"]] * 2
    assert {one["digest"] for one in answer["images"]} == {digest}


@pytest.mark.parametrize("family", [OCI, DOCKER])
def test_an_image_of_one_architecture_is_refused_for_the_other_in_one_line(start, ask, family):
    registry = start()
    registry.image("web", "amd64", "latest", family)
    assert ask(registry, "web", architectures=["amd64"])["faults"] == []
    (fault,) = ask(registry, "web")["faults"]
    assert fault == (
        f"{registry.address}/web: not for arm64, only for amd64:"
        " build it for them, or keep the service off such nodes (web)"
    )


def test_an_index_without_the_architecture(start, ask):
    registry = start()
    registry.index("web", "1", [registry.image("web", "amd64"), registry.image("web", "arm", variant="v7")])
    assert "not for arm64, only for amd64, arm/v7" in ask(registry, "web:1")["faults"][0]
    assert ask(registry, "web:1", architectures=["arm"])["faults"] == []
    assert "not for arm/v6" in ask(registry, "web:1", architectures=["arm/v6"])["faults"][0]


def test_what_is_not_there_is_named_and_the_others_are_still_asked(start, ask):
    registry = start()
    registry.image("web", "amd64", "1")
    answer = ask(registry, "web:2", "nope:1", "web:1", "Web:1", architectures=["amd64"])
    at = registry.address
    no_name = f"'{at}/Web:1' is no name of an image; write registry/repository:tag or @sha256:..."
    assert answer["faults"] == [
        f"{at}/web:2: {at} has no 2 of web (web)",
        f"{at}/nope:1: {at} has no 1 of nope (web)",
        f"{at}/Web:1: image: {no_name} (web)",
    ]


def test_a_layer_or_a_manifest_that_was_lost(start, ask):
    registry = start()
    amd64, arm64 = registry.image("web", "amd64"), registry.image("web", "arm64")
    registry.index("web", "1", [amd64, arm64])
    registry.lose("web", arm64["layer"])
    assert f"names {arm64['layer']} and does not have it" in ask(registry, "web:1")["faults"][0]
    assert ask(registry, "web:1", blobs=False)["faults"] == []
    assert ask(registry, "web:1", architectures=["amd64"])["faults"] == []
    registry.lose("web", arm64["digest"])
    assert f"names {arm64['digest']} and does not have it" in ask(registry, "web:1", blobs=False)["faults"][0]


def test_a_registry_that_asks_for_a_password(start, ask, tmp_path):
    path = tmp_path / "htpasswd"
    path.write_text(HTPASSWD)
    registry = start(auth={"htpasswd": {"realm": "shop", "path": str(path)}})
    registry.image("web", "amd64", "1")

    def fault(**options):
        return " ".join(ask(registry, "web:1", architectures=["amd64"], **options)["faults"])

    given = {"registry": registry.address, "username": USER, "password": PASSWORD}
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    assert fault(credentials=[given]) == ""
    assert fault(docker_config={"auths": {registry.address: {"auth": auth}}}) == ""
    assert "credentials: without any," in fault()
    assert "credentials: with those given," in fault(credentials=[{**given, "password": "other"}])
    assert "are with a helper" in fault(docker_config={"credHelpers": {registry.address: "pass"}})


def test_a_registry_that_asks_for_a_token(start, ask, tmp_path):
    tokens = Tokens(tmp_path)
    try:
        registry = start(**tokens.settings())
        scope = "pull,push"

        def pushed(repository):
            access = [{"type": "repository", "name": repository, "actions": scope.split(",")}]
            ask_before = registry.ask
            registry.ask = lambda *args, **kwargs: ask_before(
                *args, **kwargs, Authorization=f"Bearer {tokens.token('shop', access)}"
            )
            registry.image(repository, "amd64", "1")
            registry.ask = ask_before

        pushed("open/web")
        pushed("closed/web")
        given = {"registry": registry.address, "username": USER, "password": PASSWORD}
        assert ask(registry, "open/web:1", architectures=["amd64"])["faults"] == []
        assert tokens.asked == [("GET", {"service": ["shop"], "scope": ["repository:open/web:pull"]}, "")]
        assert "lets nobody pull closed/web" in ask(registry, "closed/web:1", architectures=["amd64"])["faults"][0]
        assert ask(registry, "closed/web:1", architectures=["amd64"], credentials=[given])["faults"] == []
        config = {"auths": {registry.address: {"identitytoken": "an-identity-token"}}}
        assert ask(registry, "closed/web:1", architectures=["amd64"], docker_config=config)["faults"] == []
        assert tokens.asked[-1][0] == "POST"
        wrong = [{**given, "password": "other"}]
        assert (
            "lets nobody pull open/web"
            in ask(registry, "open/web:1", architectures=["amd64"], credentials=wrong)["faults"][0]
        )
    finally:
        tokens.stop()


def test_over_tls_with_a_ca_of_its_own(start, ask, tmp_path):
    ca, certificate = local_ca.make(tmp_path)
    (tmp_path / "ca.pem").write_text(ca)
    registry = start(certificate)
    registry.image("web", "amd64", "1")
    assert ask(registry, "web:1", architectures=["amd64"], ca_path=str(tmp_path / "ca.pem"))["faults"] == []
    (fault,) = ask(registry, "web:1")["faults"]
    assert f"{registry.address} can't be reached" in fault
    assert "CERTIFICATE_VERIFY_FAILED" in fault.upper()


def test_options_that_would_say_nothing_are_refused(start, ask):
    registry = start()
    assert ask(registry, "web", architectures=[])["msg"].endswith("/web: name the architectures that may run it")
    assert ask(registry, "web", ca_path="/nope")["msg"] == "ca_path: there is no file /nope"


def test_plain_http_only_where_it_is_named(start, ask):
    registry = start()
    registry.image("web", "amd64", "1")
    (fault,) = ask(registry, "web:1", plain_http_registries=["other:5000"])["faults"]
    assert "can't be reached" in fault
    registry.stop()
    (fault,) = ask(registry, "web:1")["faults"]
    assert "can't be reached" in fault
