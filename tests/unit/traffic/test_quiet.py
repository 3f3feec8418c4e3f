"""The small readers by which an edge is watched. Nothing here runs a Traefik."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import quiet

METRICS = """\
process_start_time_seconds 1.7e+09
traefik_config_last_reload_success 1.7e+09
traefik_entrypoint_requests_total{code="404",entrypoint="web",method="GET",protocol="http"} 3
traefik_entrypoint_requests_total{code="200",entrypoint="traefik",method="GET",protocol="http"} 9
"""
ANSWERED = 'traefik_entrypoint_requests_total{code="200",entrypoint="web",method="GET",protocol="http"} 1\n'
SERVED = 'traefik_service_requests_total{code="200",method="GET",protocol="http",service="app-k3s@file"} 1\n'


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("", False),
        ("404 page not found", False),
        (METRICS, True),  # nobody was served yet
        (METRICS + ANSWERED, False),  # somebody was, and by no service
        (METRICS + ANSWERED + SERVED, True),
    ],
)
def test_an_edge_that_does_not_count_by_service_is_known(text, counts):
    assert quiet.counts_by_service(text) == counts


def test_only_routes_of_ours_have_sides():
    listed = [
        {
            "name": "app@file",
            "weighted": {"services": [{"name": "app-swarm", "weight": 0}, {"name": "app-k3s", "weight": 100}]},
        },
        {"name": "app-swarm@file", "loadBalancer": {"servers": [{"url": "http://10.0.0.1:80"}]}},
        {"name": "app-k3s@file", "loadBalancer": {"servers": [{"url": "http://10.0.0.1:30080"}]}},
        {"name": "theirs@file", "weighted": {"services": [{"name": "blue", "weight": 1}]}},
        {"name": "app@docker", "weighted": {"services": [{"name": "app-swarm@docker", "weight": 1}]}},
        {"name": "api@internal"},
    ]
    assert quiet.old_sides(listed, "k3s") == [quiet.OldSide("app", "app-swarm", 0, ("10.0.0.1:80",))]


class Uncounted:
    """An edge without metrics."""

    url = "http://127.0.0.1:8099"

    def listed_services(self, _protocol):
        return []

    def metrics_text(self):
        return ""


def test_an_edge_without_metrics_is_refused():
    with pytest.raises(RefusedError, match="does not count the requests of each service; switch metrics.prometheus on"):
        quiet.EdgeQuiet(Uncounted(), [], "k3s").look()
