"""The dynamic file, what Traefik counted, and how it is judged."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import metrics
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.analysis import (
    Metric,
    judge_canary,
    judge_ratio,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import shows_routers
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Counts
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import (
    HealthCheck,
    Route,
    Side,
    Tls,
    parse,
    render,
    server_url,
    to_traefik,
)
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from hypothesis import given
from hypothesis import strategies as st

ROUTE = Route(
    "app",
    "Host(`a.example.com`)",
    Side("swarm", ("http://10.0.0.1:80", "http://10.0.0.2:80")),
    Side("k3s", ("http://10.0.0.1:30080",)),
    HealthCheck("/health", 0.5, 2, "a"),
    weight=25,
)


@given(
    weight=st.integers(0, 100),
    rule=st.text(min_size=1),
    attempts=st.integers(1, 5),
    sticky=st.sampled_from(["", "side"]),
    mirror=st.integers(0, 100),
    tls=st.none() | st.builds(Tls, st.text(), st.text()),
)
def test_what_is_written_is_read_back_and_is_yaml_without_templates(weight, rule, attempts, sticky, mirror, tls):
    tail = bool(sticky) and weight in (0, 100)
    route = replace(
        ROUTE, weight=weight, rule=rule, retry_attempts=attempts, sticky=sticky, mirror=mirror, tail=tail, tls=tls
    )
    text = render(route)
    assert parse(text, "x") == route
    assert "{{" not in text and "}}" not in text


@given(weight=st.integers(0, 100))
def test_a_tcp_route_is_read_back(weight):
    sides = Side("swarm", ("10.0.0.1:5432",)), Side("k3s", ("10.0.0.2:30432",))
    route = Route("db", "HostSNI(`*`)", *sides, HealthCheck("", 1, 2), ("tcp-5432",), 1, weight, protocol="tcp")
    assert parse(render(route), "x") == route


def test_a_yaml_reader_sees_the_same_as_the_module():
    assert yaml.safe_load(render(replace(ROUTE, rule="HostRegexp(`{{x}}`)"))) == to_traefik(
        replace(ROUTE, rule="HostRegexp(`{{x}}`)")
    )


def test_a_router_ends_tls_only_where_it_is_to():
    assert "tls" not in to_traefik(ROUTE)["http"]["routers"]["app"]
    by_itself = to_traefik(replace(ROUTE, tls=Tls("le", "modern@file"), mirror=10))["http"]["routers"]
    assert by_itself["app"]["tls"] == {"certResolver": "le", "options": "modern@file"}
    assert by_itself["app-safe"]["tls"] == by_itself["app"]["tls"]
    assert to_traefik(replace(ROUTE, tls=Tls()))["http"]["routers"]["app"]["tls"] == {}


# Recorded from Traefik 3.7.15, shortened: entry point websecure has TLS of its own.
PLAIN = {"entryPoints": ["web"], "rule": ROUTE.rule, "status": "enabled"}
COPY = {"entryPoints": ["websecure"], "rule": ROUTE.rule, "status": "enabled", "tls": {"options": "default"}}
BOTH = replace(ROUTE, entry_points=("web", "websecure"))


@pytest.mark.parametrize(
    ("routers", "route", "shown"),
    [
        ([PLAIN], ROUTE, True),
        ([], ROUTE, False),
        ([PLAIN, COPY], BOTH, True),
        ([PLAIN], BOTH, False),
        ([PLAIN, {**COPY, "status": "disabled"}], BOTH, False),
        ([PLAIN, {**COPY, "rule": "Host(`b`)"}], BOTH, False),
        ([{**PLAIN, "entryPoints": ["web", "websecure"]}], BOTH, True),
        ([PLAIN], replace(ROUTE, tls=Tls()), False),
        ([{**PLAIN, "tls": {"options": "default"}}], replace(ROUTE, tls=Tls()), True),
        ([{**PLAIN, "tls": {"options": "default"}}], replace(ROUTE, tls=Tls("le")), False),
        (
            [{**PLAIN, "tls": {"options": "modern", "certResolver": "le"}}],
            replace(ROUTE, tls=Tls("le", "modern")),
            True,
        ),
    ],
)
def test_a_router_is_in_effect_with_all_that_traefik_made_of_it(routers, route, shown):
    assert shows_routers(routers, route) is shown


def test_shares_add_up_and_a_side_without_share_stays_listed():
    weighted = to_traefik(replace(ROUTE, weight=0))["http"]["services"]["app"]["weighted"]
    assert weighted["services"] == [{"name": "app-swarm", "weight": 100}, {"name": "app-k3s", "weight": 0}]
    # A parent's health check makes Traefik refuse children without one.
    children = to_traefik(ROUTE)["http"]["services"]
    assert all("healthCheck" in children[name]["loadBalancer"] for name in ("app-swarm", "app-k3s"))


@pytest.mark.parametrize("text", ["", "[]", "http: {}", '{"http": {"routers": {"a": {}, "b": {}}, "services": {}}}'])
def test_a_file_of_another_hand_is_named(text):
    with pytest.raises(ReplatformError, match=r"/dyn/app\.yml is not a file that traffic_shift wrote"):
        parse(text, "/dyn/app.yml")


def test_addresses_become_urls():
    assert server_url("10.0.0.1:80") == "http://10.0.0.1:80"
    assert server_url("https://a:8443/") == "https://a:8443"
    with pytest.raises(ReplatformError, match="not an address"):
        server_url("http://a/path")


# Recorded from Traefik 3.7.15, shortened.
METRICS = """
# TYPE traefik_service_requests_total counter
traefik_service_requests_total{code="200",method="GET",protocol="http",service="app-k3s@file"} 90
traefik_service_requests_total{code="502",method="GET",protocol="http",service="app-k3s@file"} 10
traefik_service_requests_total{code="200",method="GET",protocol="http",service="app-swarm@file"} 300
traefik_service_requests_total{code="200",method="GET",protocol="http",service="other@file"} 7
traefik_service_requests_bytes_total{code="200",method="GET",protocol="http",service="app-k3s@file"} 5
traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="app-k3s@file",le="0.1"} 80
traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="app-k3s@file",le="0.3"} 100
traefik_service_request_duration_seconds_bucket{code="200",method="GET",protocol="http",service="app-k3s@file",le="+Inf"} 100
traefik_router_requests_total{code="200",method="GET",protocol="http",router="app@file",service="app@file"} 399
traefik_router_requests_total{code="503",method="GET",protocol="http",router="app@file",service="app@file"} 1
"""


def test_counters_of_children_and_router_are_read():
    snapshot = metrics.parse(METRICS, ["app", "app-k3s", "app-swarm"])
    assert (snapshot.service("app-k3s").total, snapshot.service("app-k3s").failed) == (100, 10)
    assert snapshot.service("app-swarm").total == 300
    assert (snapshot.router("app").total, snapshot.router("app").failed) == (400, 1)
    assert "other" not in snapshot.services
    assert snapshot.service("app-k3s").quantile_ms(0.9) == pytest.approx(200)
    assert snapshot.service("missing") == Counts()


def test_a_copy_of_a_router_counts_as_the_router():
    text = METRICS + METRICS.replace('router="app@file"', 'router="websecure-app@file"')
    assert metrics.parse(text, ["app"], {"websecure-app": "app"}).router("app").total == 800
    assert metrics.parse(text, ["app"]).router("app").total == 400


def test_a_restart_of_traefik_does_not_make_negative_counts():
    assert Counts(10, 2).since(Counts(100, 50)) == Counts(10, 2)
    assert Counts(110, 52).since(Counts(100, 50)) == Counts(10, 2)


def test_quantiles():
    assert Counts(0).quantile_ms(0.99) is None
    above_all_bounds = Counts(1, 0, {0.1: 0, float("inf"): 1})
    assert above_all_bounds.quantile_ms(0.99) == pytest.approx(100)


@pytest.mark.parametrize(
    ("counts", "final", "says"),
    [
        (Counts(100, 2), False, ""),
        (Counts(100, 2), True, "request-success-rate 98.00 %"),
        (Counts(100, 10), False, "request-success-rate 90.00 %"),
        (Counts(2, 2), False, "request-success-rate 0.00 %"),
        (Counts(100, 1), True, ""),
        (Counts(20, 2), False, ""),
        (Counts(10, 5), True, "request-success-rate 50.00 %"),
        (Counts(100, 0, {0.1: 50, 0.5: 98, float("inf"): 100}), True, "request-duration p99 of more than 500 ms"),
        (Counts(100, 0, {0.1: 50, 0.5: 99, float("inf"): 100}), True, ""),
        (Counts(0, 0), True, ""),
        (Counts(100, 0, {0.1: 0, 1.0: 100, float("inf"): 100}), True, "request-duration p99 991 ms"),
    ],
)
def test_the_canary_is_judged_by_flaggers_measures(counts, final, says):
    reason = judge_canary(
        counts, (Metric("request-success-rate", min=99), Metric("request-duration", max=500)), final=final
    )
    assert (says in reason) if says else reason == ""


@given(total=st.integers(30, 5000), weight=st.integers(0, 100))
def test_the_right_share_is_believed(total, weight):
    assert judge_ratio(round(total * weight / 100), total, weight / 100).passed


@given(total=st.integers(200, 5000), weight=st.integers(0, 100))
def test_the_opposite_share_is_not(total, weight):
    if abs(weight - 50) > 25:
        assert not judge_ratio(round(total * (100 - weight) / 100), total, weight / 100).passed


def test_too_few_requests_prove_nothing():
    assert not judge_ratio(95, 100, 1.0).passed and judge_ratio(95, 100, 1.0, 5).passed
    assert judge_ratio(0, 49, 1.0, 20) == judge_ratio(0, 29, 1.0)
    verdict = judge_ratio(29, 29, 0)
    assert verdict.passed and verdict.ratio is None


def test_the_safe_weight_is_forgotten_when_the_canary_has_other_servers(tmp_path):
    store = Store("app", str(tmp_path), str(tmp_path))
    assert store.read() is None and store.read_safe(ROUTE) is None
    store.write(ROUTE)
    store.write_safe(ROUTE)
    assert store.read() == ROUTE and store.read_safe(ROUTE) == 25
    assert [store.safe_route(replace(ROUTE, weight=weight)).weight for weight in (5, 25, 100)] == [5, 25, 25]
    assert store.read_safe(replace(ROUTE, canary=Side("k3s", ("http://10.0.0.3:1",)))) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".app.yml.room",
        "app.json",
        "app.last-good",
        "app.yml",
    ]


def test_traefik_never_reads_a_half_written_file(tmp_path, monkeypatch):
    renames = []
    monkeypatch.setattr(os, "replace", lambda source, to: renames.append((source, to)))
    Store("app", str(tmp_path), str(tmp_path)).write(ROUTE)
    assert [to for _source, to in renames] == [str(tmp_path / ".app.yml.room"), str(tmp_path / "app.yml")]
    for source, _to in renames:
        assert os.path.dirname(source) == str(tmp_path) and not source.endswith((".yml", ".yaml", ".toml"))
