from __future__ import annotations

import base64

import pytest
from ansible_collections.sophia.replatform.plugins.filter.images import FilterModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.registry import challenge, credentials, manifests
from ansible_collections.sophia.replatform.plugins.module_utils.registry.credentials import Credentials
from ansible_collections.sophia.replatform.plugins.module_utils.registry.manifests import Platform, platform
from ansible_collections.sophia.replatform.plugins.module_utils.registry.reference import Reference, parse
from hypothesis import given
from hypothesis import strategies as st

DIGEST = "sha256:" + "0123456789abcdef" * 4


# What docker makes of the same words (distribution/reference, reference_test.go and normalize_test.go).
@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("redis", Reference("docker.io", "library/redis", "latest")),
        ("redis:7.2-alpine", Reference("docker.io", "library/redis", "7.2-alpine")),
        ("shop/backend", Reference("docker.io", "shop/backend", "latest")),
        ("docker.io/redis", Reference("docker.io", "library/redis", "latest")),
        ("index.docker.io/library/redis:7", Reference("docker.io", "library/redis", "7")),
        ("localhost/backend", Reference("localhost", "backend", "latest")),
        ("localhost:5000/backend:1", Reference("localhost:5000", "backend", "1")),
        ("172.31.77.2:5000/sophia/backend:1.0", Reference("172.31.77.2:5000", "sophia/backend", "1.0")),
        ("[::1]:5000/backend:1", Reference("[::1]:5000", "backend", "1")),
        ("Registry/backend:1", Reference("Registry", "backend", "1")),
        (f"quay.io/a/b/c@{DIGEST}", Reference("quay.io", "a/b/c", "", DIGEST)),
        (f"quay.io/a:1@{DIGEST}", Reference("quay.io", "a", "1", DIGEST)),
    ],
)
def test_a_name_is_read_as_docker_reads_it(image, reference):
    assert parse(image) == reference


@pytest.mark.parametrize(
    "image",
    [
        "",
        ":1",
        "Shop",
        "shop/Backend",
        "a b",
        "redis:",
        "redis@",
        "redis@sha256:12",
        "redis:1:2",
        "a//b",
        "-a",
        "quay.io/",
    ],
)
def test_what_is_no_name_is_refused(image):
    with pytest.raises(ReplatformError, match="is no name of an image"):
        parse(image)


def test_the_digest_is_asked_for_and_the_hub_by_its_own_address():
    assert parse(f"quay.io/a:1@{DIGEST}").version == DIGEST
    assert parse("redis").api_host == "registry-1.docker.io"
    assert parse("quay.io/a").api_host == "quay.io"


@given(st.text(max_size=30))
def test_any_text_is_a_name_or_refused(image):
    try:
        found = parse(image)
    except ReplatformError:
        return
    again = f"{found.registry}/{found.repository}" + (f":{found.tag}" if found.tag else "")
    assert parse(again + (f"@{found.digest}" if found.digest else "")) == found


def test_docker_s_config():
    auth = base64.b64encode(b"me:pass:word").decode()
    config = {
        "auths": {
            "https://index.docker.io/v1/": {"auth": auth},
            "registry.example.com:5000": {"username": "you", "password": "word"},
            "https://ghcr.io/v2/": {"identitytoken": "it", "auth": base64.b64encode(b"00000000:").decode()},
            "empty.example.com": {},
        },
        "credHelpers": {"helped.example.com": "pass"},
        "credsStore": "secretservice",
    }
    found, helped = credentials.collect(config, [{"registry": "ghcr.io", "username": "a", "password": "b"}])
    assert found == {
        "docker.io": Credentials("me", "pass:word"),
        "registry.example.com:5000": Credentials("you", "word"),
        "ghcr.io": Credentials("a", "b"),
    }
    assert helped == {"helped.example.com", "empty.example.com"}
    assert credentials.collect(config)[0]["ghcr.io"] == Credentials(identity_token="it")
    assert credentials.collect({}) == ({}, frozenset())


@pytest.mark.parametrize(
    "auth", ["not base64!", base64.b64encode(b"nocolon").decode(), base64.b64encode(b"\xff:").decode()]
)
def test_an_entry_that_cannot_be_read_is_named_without_its_content(auth):
    with pytest.raises(ReplatformError, match="the entry 'auth' of ghcr.io is not") as caught:
        credentials.collect({"auths": {"ghcr.io": {"auth": auth}}})
    assert auth not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "parsed"),
    [
        (
            ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"'],
            (
                "bearer",
                {
                    "realm": "https://auth.docker.io/token",
                    "service": "registry.docker.io",
                    "scope": "repository:a/b:pull",
                },
            ),
        ),
        (
            ['Bearer realm="r",scope="repository:a:pull,push"'],
            ("bearer", {"realm": "r", "scope": "repository:a:pull,push"}),
        ),
        (['BASIC realm="Registry \\"one\\""'], ("basic", {"realm": 'Registry "one"'})),
        (["Negotiate", "bearer realm=r, service=s"], ("bearer", {"realm": "r", "service": "s"})),
        (["Basic"], ("basic", {})),
        (["Digest realm=x"], ("", {})),
        ([], ("", {})),
    ],
)
def test_a_challenge(headers, parsed):
    assert challenge.parse(headers) == parsed


@given(st.lists(st.text()))
def test_any_header_is_read(headers):
    challenge.parse(headers)


def test_platforms():
    assert platform("linux/arm/v7") == Platform("arm", "v7")
    assert platform("arm64").runs(Platform("arm64", "v8"))
    assert not platform("arm/v6").runs(Platform("arm", "v7"))
    assert not platform("amd64").runs(Platform("arm64"))
    assert manifests.config_platform({"os": "windows", "architecture": "amd64"}) is None
    entries = [
        {"digest": "a", "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}},
        {"digest": "b", "platform": {"os": "unknown", "architecture": "unknown"}},
        {"digest": "c", "platform": {"os": "windows", "architecture": "amd64"}},
        {"digest": "d"},
    ]
    assert manifests.children({"manifests": entries}) == [(Platform("arm", "v7"), "a")]


def test_layers_that_are_elsewhere_are_not_asked_for():
    layers = [{"digest": "a"}, {"digest": "b", "urls": ["https://example.com/b"]}, {"digest": "a"}]
    assert manifests.parts({"config": {"digest": "c"}, "layers": layers}) == ["c", "a"]


def plan(*services):
    nodes = {"node-1": "amd64", "Node-2": "arm64", "node-3": "amd64"}
    values = {"services": {f"s{i}": {"image": "a:1", **service} for i, service in enumerate(services)}}
    found = FilterModule().filters()["image_plan"](values, nodes)
    return [(one["name"], one["architectures"], one["services"]) for one in found]


def where(key, operator, *values):
    return {"nodeExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


def test_an_image_may_run_where_its_services_may():
    assert plan({}) == [("a:1", ["amd64", "arm64"], ["s0"])]
    assert plan(where("kubernetes.io/hostname", "In", "node-2")) == [("a:1", ["arm64"], ["s0"])]
    assert plan(where("kubernetes.io/hostname", "NotIn", "node-2")) == [("a:1", ["amd64"], ["s0"])]
    assert plan(where("kubernetes.io/arch", "In", "amd64")) == [("a:1", ["amd64"], ["s0"])]
    both = where("kubernetes.io/arch", "In", "amd64"), where("kubernetes.io/hostname", "In", "node-2")
    assert plan(*both) == [("a:1", ["amd64", "arm64"], ["s0", "s1"])]


def test_a_label_leaves_no_node_out_and_a_service_with_no_place_counts_everywhere():
    assert plan(where("gpu", "In", "yes"))[0][1] == ["amd64", "arm64"]
    assert plan(where("kubernetes.io/hostname", "In", "gone"))[0][1] == ["amd64", "arm64"]
    assert plan({"architectures": ["arm64"]})[0][1] == ["arm64"]
    assert plan({"architectures": ["arm64"]}, {})[0][1] == ["amd64", "arm64"]
    assert plan({}, {"image": "b:2"})[1] == ("b:2", ["amd64", "arm64"], ["s1"])
    assert plan() == []
