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
        ("ClientIP(`10.0.0.0/8`, `::1`)", "(ClientIP(`10.0.0.0/8`) || ClientIP(`::1`))"),
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
        ("traefik.http.services.web.loadbalancer.passhostheader", "false", "mapped"),
        ("traefik.http.services.web.loadbalancer.passhostheader", "never", "refused"),
        ("traefik.http.services.web.loadbalancer.server.scheme", "https", "mapped"),
        ("traefik.http.services.web.loadbalancer.server.scheme", "ftp", "refused"),
        ("traefik.http.services.web.loadbalancer.serverstransport", "own@file", "refused"),
        ("traefik.http.services.web.loadbalancer.sticky", "true", "refused"),
        ("traefik.http.services.web.loadbalancer.sticky.cookie", "true", "mapped"),
        ("traefik.http.services.web.loadbalancer.sticky.cookie", "yes", "refused"),
        ("traefik.http.services.web.loadbalancer.sticky.cookie.samesite", "Strict", "mapped"),
        ("traefik.http.services.web.loadbalancer.sticky.cookie.samesite", "often", "refused"),
        ("traefik.http.services.web.loadbalancer.sticky.cookie.maxage", "1h", "refused"),
        ("traefik.http.services.web.loadbalancer.sticky.cookie.domain", "a.example", "approximated"),
        ("traefik.http.services.web.loadbalancer.sticky.cookie.flavour", "oat", "refused"),
        ("traefik.http.middlewares.a.basicauth.users", "a:b", "reported"),
        ("traefik.http.middlewares.a.ratelimit.average", "many", "refused"),
        ("traefik.http.middlewares.a.headers.unheardof", "x", "refused"),
        ("traefik.http.routers.Web_1.unheardof", "x", "refused"),
        ("traefik.tcp.routers.a.rule", "HostSNI(`*`)", "mapped"),
        ("traefik.tcp.routers.a.tls.certresolver", "le", "reported"),
        ("traefik.tcp.routers.a.observability.metrics", "true", "refused"),
        ("traefik.tcp.services.a.loadbalancer.proxyprotocol.version", "two", "refused"),
        ("traefik.tcp.services.a.loadbalancer.serverstransport", "own@file", "refused"),
        ("traefik.tcp.services.a.loadbalancer.sticky.cookie", "true", "refused"),
        ("traefik.tcp.middlewares.a.ipwhitelist.sourcerange", "10.0.0.0/8", "mapped"),
        ("traefik.tcp.middlewares.a.inflightconn.amount", "many", "refused"),
        ("traefik.tcp.middlewares.a.compress", "true", "reported"),
        ("traefik.udp.routers.a.rule", "HostSNI(`*`)", "refused"),
        ("traefik.udp.middlewares.a.ipallowlist.sourcerange", "10.0.0.0/8", "refused"),
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


STICKY = "traefik.http.services.web.loadbalancer.sticky.cookie"
ROUTE = "deploy.labels[traefik.http.routers.Web_1]"


@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        ({STICKY: "true"}, {}),
        ({f"{STICKY}.name": "seat"}, {"name": "seat"}),
        (
            {
                STICKY: "true",
                f"{STICKY}.name": "seat",
                f"{STICKY}.secure": "true",
                f"{STICKY}.httpOnly": "false",
                f"{STICKY}.sameSite": "Lax",
                f"{STICKY}.maxAge": "3600",
                f"{STICKY}.path": "/app",
                f"{STICKY}.domain": "a.example",
            },
            {
                "name": "seat",
                "secure": True,
                "httpOnly": False,
                "sameSite": "lax",
                "maxAge": 3600,
                "path": "/app",
                "domain": "a.example",
            },
        ),
    ],
)
def test_a_sticky_session_is_the_routes(converted, labels, wanted):
    app = routed(converted, labels)
    assert app.values["routes"][0]["service"] == {"sticky": {"cookie": wanted}}
    assert app.verdicts[ROUTE] == "mapped"
    assert app.verdicts[f"{ROUTE}.sticky"] == "approximated"
    assert "node port" in app.notes[f"{ROUTE}.sticky"]


def test_a_cookie_that_is_switched_off_is_none(converted):
    app = routed(converted, {STICKY: "false", f"{STICKY}.name": "seat"})
    assert "service" not in app.values["routes"][0]
    assert f"{ROUTE}.sticky" not in app.verdicts


def test_how_traefik_asks_the_pods(converted):
    service = "traefik.http.services.web.loadbalancer"
    app = routed(converted, {f"{service}.passhostheader": "false", f"{service}.server.scheme": "h2c"})
    assert app.values["routes"][0]["service"] == {"passHostHeader": False, "scheme": "h2c"}


def test_port_443_stays_plain_http_where_no_label_says_otherwise(converted):
    app = routed(converted, {"traefik.http.services.web.loadbalancer.server.port": "443"})
    assert app.values["routes"][0]["service"] == {"scheme": "http"}


TCP = {
    "traefik.tcp.routers.db.rule": "HostSNI(`a`, `b`)",
    "traefik.tcp.routers.db.entrypoints": "postgres",
    "traefik.tcp.services.db.loadbalancer.server.port": "5432",
}
TCP_ROUTE = "deploy.labels[traefik.tcp.routers.db]"


def tcp(converted, labels=(), **keys):
    return converted({"deploy": {"labels": {**TCP, **dict(labels)}}, **keys}, options=WITH)


def test_a_router_of_tcp_is_a_route(converted):
    app = tcp(converted)
    assert app.values["routes"] == [
        {
            "name": "db",
            "port": 5432,
            "protocol": "tcp",
            "rule": "(HostSNI(`a`) || HostSNI(`b`))",
            "entryPoints": ["postgres"],
        }
    ]
    assert [item["name"] for item in app.values["ports"]] == ["tcp-5432"]
    assert app.verdicts[TCP_ROUTE] == "approximated"
    assert "must listen at postgres" in app.notes[TCP_ROUTE]


def test_a_router_of_tcp_with_all_its_options(converted):
    more = {
        "traefik.tcp.routers.db.priority": "7",
        "traefik.tcp.routers.db.service": "db@swarm",
        "traefik.tcp.routers.db.middlewares": "near@swarm",
        "traefik.tcp.routers.db.tls.passthrough": "true",
        "traefik.tcp.services.db.loadbalancer.server.tls": "true",
        "traefik.tcp.services.db.loadbalancer.proxyprotocol.version": "1",
        "traefik.tcp.services.db.loadbalancer.terminationdelay": "-1",
        "traefik.tcp.middlewares.near.ipwhitelist.sourcerange": "10.0.0.0/8, ::1",
    }
    app = tcp(converted, more)
    (route,) = app.values["routes"]
    assert route["tls"] == {"passthrough": True} and route["priority"] == 7 and route["middlewares"] == ["near"]
    assert route["service"] == {"tls": True, "proxyProtocol": {"version": 1}, "terminationDelay": -1}
    assert app.conversion.values["tcpMiddlewares"] == {"near": {"ipAllowList": {"sourceRange": ["10.0.0.0/8", "::1"]}}}
    assert "middlewares" not in app.conversion.values
    assert set(app.verdicts.values()) <= {"mapped", "approximated", "reported"}


def test_the_version_of_the_proxy_protocol_is_written_out(converted):
    app = tcp(converted, {"traefik.tcp.services.db.loadbalancer.proxyprotocol": "true"})
    assert app.values["routes"][0]["service"] == {"proxyProtocol": {"version": 2}}
    app = tcp(converted, {"traefik.tcp.services.db.loadbalancer.proxyprotocol": "false"})
    assert "service" not in app.values["routes"][0]


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        ({"traefik.tcp.routers.db.rule": ""}, "no rule"),
        ({"traefik.tcp.routers.db.service": "other"}, "give traefik.tcp.services.other.loadbalancer.server.port"),
        ({"traefik.tcp.services.db.loadbalancer.server.port": ""}, "traefik.tcp.services.NAME.loadbalancer"),
        ({"traefik.tcp.services.second.loadbalancer.server.port": "1"}, "which port it leads to is not said"),
    ],
)
def test_a_router_of_tcp_that_is_no_route(converted, labels, note):
    app = tcp(converted, labels)
    assert "routes" not in app.values
    assert app.verdicts[TCP_ROUTE] == "refused" and note in app.notes[TCP_ROUTE]


def test_a_router_of_udp_is_a_route_without_a_rule(converted):
    labels = {"traefik.udp.routers.dns.entrypoints": "dns"}
    app = converted({"deploy": {"labels": labels}, "ports": ["53:53/udp"]}, options=WITH)
    assert app.values["routes"] == [{"name": "dns", "port": 53, "protocol": "udp", "entryPoints": ["dns"]}]
    assert app.verdicts["deploy.labels[traefik.udp.routers.dns]"] == "approximated"
    labels["traefik.udp.services.dns.loadbalancer.server.port"] = "5353"
    app = converted({"deploy": {"labels": labels}, "ports": ["53:53/udp"]}, options=WITH)
    assert app.values["routes"][0]["port"] == 5353
    assert [item["name"] for item in app.values["ports"]] == ["udp-53", "udp-5353"]
    app = converted(
        {"deploy": {"labels": {"traefik.udp.routers.dns.entrypoints": "dns"}}, "ports": ["53"]}, options=WITH
    )
    assert app.verdicts["deploy.labels[traefik.udp.routers.dns]"] == "refused"


def test_one_name_may_be_a_route_of_http_and_one_of_tcp(converted):
    labels = {key.replace(".db.", ".web-1."): value for key, value in TCP.items()}
    app = {"image": "a", "deploy": {"labels": ROUTER}}
    services = {"app": app, "b": {"image": "b", "deploy": {"labels": labels}}}
    conversion = converted({}, top={"services": services}, options=WITH).conversion
    assert not [item for item in conversion.verdicts if item.verdict == "refused"]
    services["c"] = {"image": "c", "deploy": {"labels": labels}}
    conversion = converted({}, top={"services": services}, options=WITH).conversion
    (row,) = [item for item in conversion.verdicts if item.verdict == "refused"]
    assert row.service == "c" and row.note.startswith("route 'web-1' is that of the service 'b' too")


def test_a_middleware_of_tcp_that_nobody_makes_is_asked_for(converted):
    app = tcp(
        converted, {"traefik.tcp.routers.db.middlewares": "near@file", "traefik.http.middlewares.near.compress": ""}
    )
    assert "a MiddlewareTCP near" in app.notes["deploy.labels[db].middlewares"]
