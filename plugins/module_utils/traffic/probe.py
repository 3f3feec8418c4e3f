# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Our own requests to servers, straight past the edge: a reload marks every server up until a check has run."""

from __future__ import annotations

import http.client
import typing as t
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import HealthCheck


def probe(url: str, health: HealthCheck) -> str:
    """Why the server at O(url) does not answer its health check with 2xx or 3xx; an empty string when it does."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=max(health.timeout, 0.5))
    headers = {"Host": health.host} if health.host else {}
    try:
        connection.request("GET", health.path, headers={**headers, "Connection": "close"})
        status = connection.getresponse().status
        return "" if 200 <= status < 400 else f"{url}{health.path} answers {status}"
    except (OSError, http.client.HTTPException) as exc:
        return f"{url}{health.path} does not answer ({exc or type(exc).__name__})"
    finally:
        connection.close()


def probe_all(urls: t.Sequence[str], health: HealthCheck) -> dict[str, str]:
    """Probes side by side; maps each URL to its fault, empty when there is none."""
    if not urls:
        return {}
    with ThreadPoolExecutor(max_workers=min(16, len(urls))) as pool:
        return dict(zip(urls, pool.map(lambda url: probe(url, health), urls)))
