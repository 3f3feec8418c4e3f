from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.http_check import http_get
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options


@pytest.mark.parametrize(
    ("test", "wanted"),
    [
        (["CMD", "curl", "-f", "http://localhost:8080/health"], ("HTTP", 8080, "/health")),
        (["CMD", "/usr/bin/curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1/"], ("HTTP", 80, "/")),
        (["CMD", "busybox", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:9/h?a=1"], ("HTTP", 9, "/h?a=1")),
        (["CMD", "wget", "--spider", "https://localhost"], ("HTTPS", 443, "/")),
        (["CMD-SHELL", "curl -f http://localhost:1/x || exit 1"], ("HTTP", 1, "/x")),
    ],
)
def test_asks_for_a_page(test, wanted):
    assert http_get(test) == dict(zip(("scheme", "port", "path"), wanted))


@pytest.mark.parametrize(
    "test",
    [
        ["CMD", "curl", "http://localhost/"],
        ["CMD", "curl", "-f", "http://db:80/"],
        ["CMD", "curl", "-f", "-H", "X: y", "http://localhost/"],
        ["CMD", "curl", "-f", "http://localhost/", "http://localhost/b"],
        ["CMD", "curl", "-fL", "http://localhost/"],
        ["CMD", "wget", "-O", "/tmp/x", "http://localhost/"],
        ["CMD", "pg_isready"],
        ["CMD-SHELL", "curl -f http://localhost/ | grep ok"],
        ["CMD-SHELL", "curl -f http://localhost/$PORT"],
        ["CMD-SHELL", "test -f x && curl -f http://localhost/ || exit 1"],
        ["CMD-SHELL", "redis-cli ping | grep -q PONG"],
    ],
)
def test_does_more_than_that(test):
    assert http_get(test) is None


def test_only_where_the_operator_wants_it(converted):
    keys = {"healthcheck": {"test": ["CMD", "curl", "-f", "http://localhost:8080/health"]}}
    assert "exec" in converted(keys).values["probes"]["liveness"]
    app = converted(keys, options=Options(http_probes=True))
    assert app.values["probes"]["liveness"]["httpGet"]["port"] == 8080
    assert app.verdicts["healthcheck"] == "approximated"


def test_a_page_is_asked_for_often_and_judged_as_late_as_on_swarm(converted):
    check = {"test": ["CMD", "curl", "-f", "http://localhost/"], "interval": "20s", "timeout": "3s", "retries": 3}
    probes = converted({"healthcheck": check}, options=Options(http_probes=True)).values["probes"]
    assert (probes["readiness"]["periodSeconds"], probes["readiness"]["failureThreshold"]) == (5, 12)
    assert (probes["liveness"]["periodSeconds"], probes["liveness"]["failureThreshold"]) == (20, 3)
    probes = converted({"healthcheck": check}).values["probes"]
    assert (probes["readiness"]["periodSeconds"], probes["readiness"]["failureThreshold"]) == (20, 3)
