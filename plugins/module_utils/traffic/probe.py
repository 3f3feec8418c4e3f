# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Our own requests and connections. Those to servers go straight past the edge: a reload marks every server up until a check has run."""

from __future__ import annotations

import http.client
import socket
import typing as t
from concurrent.futures import ThreadPoolExecutor, as_completed
from concurrent.futures import TimeoutError as FuturesTimeout
from urllib.parse import urlsplit

from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import HealthCheck


def probe(url: str, health: HealthCheck) -> str:
    """Why the server at O(url) does not answer its health check with 2xx or 3xx; an empty string when it does.

    A server without scheme is that of a TCP route, and has to take a connection.
    """
    if "://" not in url:
        return connect(url, health.timeout)
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


def connect(address: str, timeout: float, held_s: float = 0) -> str:
    """Why C(host:port) does not take a connection, or closes it within O(held_s) without a word; an empty string when it is open.

    A proxy such as Traefik takes every connection, and closes that for which it has no server.
    """
    host, _colon, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=max(timeout, 0.5)) as connection:
            return "" if not held_s or _stays_open(connection, held_s) else f"{address} closes a connection at once"
    except OSError as exc:
        return f"{address} does not take a connection ({exc})"


def _stays_open(connection: socket.socket, held_s: float) -> bool:
    """A server that speaks first is known to be there, and need not be waited for."""
    connection.settimeout(held_s)
    try:
        return bool(connection.recv(1))
    except socket.timeout:
        return True
    except ConnectionError:
        return False


def probe_all(urls: t.Sequence[str], health: HealthCheck) -> dict[str, str]:
    """Probes side by side; maps each URL to its fault, empty when there is none."""
    if not urls:
        return {}
    with ThreadPoolExecutor(max_workers=min(16, len(urls))) as pool:
        return dict(zip(urls, pool.map(lambda url: probe(url, health), urls)))


def any_answers(urls: t.Sequence[str], health: HealthCheck, patience_s: float) -> bool:
    """Whether one of the servers answers; those that have said nothing after O(patience_s) get the benefit of the doubt."""
    pool = ThreadPoolExecutor(max_workers=16)
    try:
        asked = [pool.submit(probe, url, health) for url in urls]
        return any(not answer.result() for answer in as_completed(asked, patience_s))
    except FuturesTimeout:
        return True
    finally:
        pool.shutdown(wait=False)


class Probes:
    """Probes of O(urls), again and again."""

    def __init__(self, urls: t.Sequence[str], health: HealthCheck) -> None:
        self._urls, self._health = urls, health
        self._in_a_row: dict[str, int] = {}

    def look(self) -> str:
        """What a server that has now failed twice or more in a row said; else an empty string."""
        fault = ""
        for url, said in probe_all(self._urls, self._health).items():
            self._in_a_row[url] = self._in_a_row.get(url, 0) + 1 if said else 0
            if self._in_a_row[url] >= 2:
                fault = said
        return fault
