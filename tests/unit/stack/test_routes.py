from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options

WITH = Options(workload_keys=True)
ROUTER = {
    "traefik.enable": "true",
    "traefik.http.routers.Web_1.rule": "Host(`a.example`)",
    "traefik.http.routers.Web_1.entryPoints": "web, websecure",
    "traefik.http.services.web.loadbalancer.server.port": "8080",
}


def routed(converted, labels, **keys):
    return converted({"deploy": {"labels": {**ROUTER, **labels}}, **keys}, options=WITH)


def test_a_router_is_a_route(converted):
    app = routed(converted, {"traefik.http.routers.Web_1.priority": "9", "traefik.http.routers.Web_1.tls": "true"})
    assert app.values["routes"] == [
        {
            "name": "web-1",
            "rule": "Host(`a.example`)",
            "port": 8080,
            "entryPoints": ["web", "websecure"],
            "priority": 9,
            "tls": True,
        }
    ]
    assert app.verdicts["deploy.labels[traefik.http.routers.Web_1]"] == "mapped"
    assert app.verdicts["deploy.labels"] == "mapped"
    assert [item["port"] for item in app.values["ports"]] == [8080]
    assert "annotations" not in app.values


def test_without_the_keys_of_the_workload_routes_are_reported(converted):
    app = converted({"deploy": {"labels": ROUTER}})
    assert "routes" not in app.values
    assert app.verdicts["deploy.labels"] == "reported"


def test_the_only_port_is_the_routers_wherever_it_is_written(converted):
    labels = {key: value for key, value in ROUTER.items() if "services" not in key}
    keys = {"deploy": {"labels": labels}, "ports": ["80:3000"]}
    assert converted(keys, options=WITH).values["routes"][0]["port"] == 3000
    app = converted({"deploy": {"labels": labels}}, options=WITH)
    assert app.verdicts["deploy.labels[traefik.http.routers.Web_1]"] == "refused"


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ("Host(`a`, `b`)", "(Host(`a`) || Host(`b`))"),
        ("Host(`a`) && PathPrefix(`/x`,`/y`)", "Host(`a`) && (PathPrefix(`/x`) || PathPrefix(`/y`))"),
        ("Host(`a`) || Host(`b`)", "Host(`a`) || Host(`b`)"),
        ("Headers(`a`, `b`)", "Headers(`a`, `b`)"),
    ],
)
def test_rules_of_version_2_are_those_of_version_3(converted, rule, wanted):
    assert routed(converted, {"traefik.http.routers.Web_1.rule": rule}).values["routes"][0]["rule"] == wanted


def test_middlewares(converted):
    app = routed(
        converted,
        {
            "traefik.http.routers.Web_1.middlewares": "strip_it@swarm,secure@docker",
            "traefik.http.middlewares.strip_it.stripprefix.prefixes": "/a, /b",
            "traefik.http.middlewares.secure.headers.stsSeconds": "60",
            "traefik.http.middlewares.secure.headers.framedeny": "true",
            "traefik.http.middlewares.secure.headers.contenttypenosniff": "false",
            "traefik.http.middlewares.secure.headers.customrequestheaders.X-From": "edge",
            "traefik.http.middlewares.squeeze.compress": "true",
        },
    )
    assert app.values["routes"][0]["middlewares"] == ["strip-it", "secure"]
    assert app.conversion.values["middlewares"] == {
        "secure": {
            "headers": {
                "stsSeconds": 60,
                "frameDeny": True,
                "contentTypeNosniff": False,
                "customRequestHeaders": {"X-From": "edge"},
            }
        },
        "squeeze": {"compress": {}},
        "strip-it": {"stripPrefix": {"prefixes": ["/a", "/b"]}},
    }


@pytest.mark.parametrize(
    ("label", "value", "verdict"),
    [
        ("traefik.docker.network", "front", "reported"),
        ("traefik.swarm.lbswarm", "true", "reported"),
        ("traefik.http.routers.Web_1.tls.certresolver", "le", "reported"),
        ("traefik.http.routers.Web_1.tls.domains[0].main", "a.example", "reported"),
        ("traefik.http.services.web.loadbalancer.healthcheck.path", "/", "reported"),
        ("traefik.http.services.web.loadbalancer.passhostheader", "true", "mapped"),
        ("traefik.http.services.web.loadbalancer.passhostheader", "false", "refused"),
        ("traefik.http.services.web.loadbalancer.server.scheme", "https", "refused"),
        ("traefik.http.services.web.loadbalancer.sticky.cookie", "true", "refused"),
        ("traefik.http.middlewares.a.basicauth.users", "a:b", "reported"),
        ("traefik.http.middlewares.a.ratelimit.average", "many", "refused"),
        ("traefik.http.middlewares.a.headers.unheardof", "x", "refused"),
        ("traefik.http.routers.Web_1.unheardof", "x", "refused"),
        ("traefik.tcp.routers.a.rule", "HostSNI(`*`)", "refused"),
        ("traefik.frontend.rule", "Host:a", "refused"),
    ],
)
def test_every_label_has_a_verdict(converted, label, value, verdict):
    app = routed(converted, {label: value})
    assert app.verdicts[f"deploy.labels[{label}]"] == verdict
    assert verdict == "mapped" or app.notes[f"deploy.labels[{label}]"]


@pytest.mark.parametrize(
    ("labels", "verdict"),
    [
        ({"traefik.http.routers.Web_1.service": "api@internal"}, "reported"),
        ({"traefik.http.routers.Web_1.service": "other@file"}, "refused"),
        ({"traefik.http.routers.Web_1.service": "unknown"}, "refused"),
        ({"traefik.http.routers.Web_1.rule": ""}, "refused"),
        ({"traefik.http.routers.Web_1.priority": "high"}, "refused"),
        ({"traefik.http.services.web.loadbalancer.server.port": "http"}, "refused"),
    ],
)
def test_a_router_that_is_no_route(converted, labels, verdict):
    app = routed(converted, labels)
    assert "routes" not in app.values
    assert app.verdicts["deploy.labels[traefik.http.routers.Web_1]"] == verdict


def test_placeholders_and_the_default_entry_points_are_said(converted):
    app = routed(converted, {"traefik.http.routers.Web_1.rule": "HostRegexp(`{sub:[a-z]+}.example`)"})
    assert app.verdicts["deploy.labels[traefik.http.routers.Web_1]"] == "approximated"
    app = routed(converted, {"traefik.http.routers.Web_1.entryPoints": ""})
    assert app.verdicts["deploy.labels[traefik.http.routers.Web_1]"] == "approximated"


def test_what_is_switched_off_makes_no_route(converted):
    app = routed(converted, {"traefik.enable": "false"})
    assert "routes" not in app.values
    assert app.verdicts["deploy.labels[routers]"] == "reported"


def test_labels_of_the_container_make_none(converted):
    app = converted({"labels": ROUTER}, options=WITH)
    assert "routes" not in app.values
    assert "under 'deploy'" in app.notes["labels"]


def test_a_route_and_a_middleware_are_one_services(converted):
    other = {
        "traefik.http.routers.web-1.rule": "Host(`b`)",
        "traefik.http.services.b.loadbalancer.server.port": "1",
        "traefik.http.middlewares.m.compress": "true",
    }
    app = {**ROUTER, "traefik.http.middlewares.m.addprefix.prefix": "/a"}
    services = {"app": {"image": "a", "deploy": {"labels": app}}, "b": {"image": "b", "deploy": {"labels": other}}}
    conversion = converted({}, top={"services": services}, options=WITH).conversion
    notes = [item.note for item in conversion.verdicts if item.verdict == "refused"]
    assert notes == [
        "route 'web-1' is that of the service 'app' too; a cluster has it once",
        "the middleware m is made by another service too, and in another way; make it once",
    ]


@pytest.mark.parametrize("name", ["ghost", "ghost@file", "ghost@swarm"])
def test_a_middleware_that_nobody_makes_is_asked_for(converted, name):
    labels = {"traefik.http.routers.Web_1.middlewares": name, "traefik.http.middlewares.ghost.basicauth.users": "a:b"}
    app = routed(converted, labels)
    assert app.values["routes"][0]["middlewares"] == ["ghost"]
    assert "middlewares" not in app.conversion.values
    assert app.verdicts["deploy.labels[web-1].middlewares"] == "approximated"
    assert "a:b" not in str(app.rows)
