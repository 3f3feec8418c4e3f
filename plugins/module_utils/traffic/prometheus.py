# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One number from a Prometheus, by its HTTP API (U(https://prometheus.io/docs/prometheus/latest/querying/api/))."""

from __future__ import annotations

import http.client
import json
import math
import typing as t
from urllib.parse import quote, urlsplit

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.analysis import Metric
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import Route


class Queries:
    """The queries of O(metrics) about O(route), put to the Prometheus at O(url); O(values) has the last answers by name."""

    def __init__(self, url: str, metrics: t.Iterable[Metric], route: Route, interval: float) -> None:
        self.values: dict[str, float | None] = {}
        self._url = url
        self._queries = [(metric, fill_in(metric.query, route, interval)) for metric in metrics if metric.query]

    def look(self) -> str:
        """The first thing that is wrong, an empty string without; a query that has no value yet is not."""
        return self._ask(False)

    def last(self) -> str:
        """As RV(look), at the end of a watch: every query must have a value now."""
        return self._ask(True)

    def _ask(self, final: bool) -> str:
        for metric, query in self._queries:
            try:
                value = ask(self._url, query)
            except ReplatformError as exc:
                return str(exc)
            self.values[metric.name] = value
            reason = (f"{metric.name} has no value" if final else "") if value is None else metric.judge(value)
            if reason:
                return reason
        return ""


def fill_in(query: str, route: Route, interval: float) -> str:
    """The query with C(<service>), C(<primary>), C(<canary>) (Traefik's names) and C(<interval>) (such as C(10s)) put in."""
    names = {
        "<service>": f"{route.name}@file",
        "<primary>": f"{route.child(route.primary)}@file",
        "<canary>": f"{route.child(route.canary)}@file" if route.canary else "",
        "<interval>": f"{max(1, math.ceil(interval))}s",
    }
    for placeholder, name in names.items():
        query = query.replace(placeholder, name)
    return query


def ask(url: str, query: str, timeout: float = 2.0) -> float | None:
    """The value of an instant query that yields one number; None when it yields none, or C(NaN).

    Raises C(ReplatformError) when Prometheus does not answer, does not like the query, or answers with several numbers.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/api/v1/query?query={quote(query, safe='')}")
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise ReplatformError(f"Prometheus at {url} (prometheus_url) does not answer: {exc}") from exc
    finally:
        connection.close()
    return read(answer, query)


def read(answer: t.Any, query: str) -> float | None:
    """The number in an answer of the API; see RV(ask)."""
    if not isinstance(answer, dict) or answer.get("status") != "success":
        why = answer.get("error") if isinstance(answer, dict) else answer
        raise ReplatformError(f"Prometheus refuses the query '{query}': {why}")
    kind, result = answer["data"]["resultType"], answer["data"]["result"]
    if kind == "scalar":
        value = float(result[1])
    elif kind == "vector" and len(result) <= 1:
        if not result:
            return None
        value = float(result[0]["value"][1])
    else:
        raise ReplatformError(
            f"the query '{query}' yields a {kind} of {len(result)} values; aggregate it to one, such as by sum()"
        )
    return None if math.isnan(value) else value
