# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Requests at a steady rate to one address, and what came of them."""

from __future__ import annotations

import collections
import http.client
import math
import socket
import ssl
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

_MAX_REASONS = 5


@dataclass(frozen=True)
class Target:
    """What to ask: O(url) with scheme, O(host) as the Host header where given, O(timeout) in seconds.

    Over TLS the certificate must be of O(host), where given, and of an authority in O(ca_path) (empty: one that the host trusts);
    without O(validate_certs) any certificate will do.
    """

    url: str
    host: str = ""
    timeout: float = 5.0
    side_header: str = "X-Orchestrator"
    ca_path: str = ""
    validate_certs: bool = True


@dataclass(frozen=True)
class Answer:
    """O(reason) is empty for a status below 400; O(latency_ms) runs from when the request was due."""

    reason: str
    side: str
    latency_ms: float


@dataclass
class Tally:
    """All answers of one measurement."""

    answers: list[Answer] = field(default_factory=list)

    def result(self) -> dict[str, t.Any]:
        """Counts, success rate in percent, percentiles in milliseconds (by nearest rank, of all requests), answers by side."""
        failed = [answer for answer in self.answers if answer.reason]
        latencies = sorted(answer.latency_ms for answer in self.answers)
        total = len(self.answers)
        reasons = collections.Counter(answer.reason for answer in failed)
        return {
            "total": total,
            "failed": len(failed),
            "success_rate": round(100.0 * (total - len(failed)) / total, 3) if total else None,
            "sides": dict(collections.Counter(a.side or "unknown" for a in self.answers if not a.reason)),
            "p50_ms": quantile(latencies, 0.5),
            "p99_ms": quantile(latencies, 0.99),
            "reasons": dict(reasons.most_common(_MAX_REASONS)),
        }


def quantile(ordered: t.Sequence[float], q: float) -> float | None:
    """The q-quantile by nearest rank of ascending values, rounded to 0.1; None of none."""
    return round(ordered[max(0, math.ceil(q * len(ordered)) - 1)], 1) if ordered else None


def faults(result: t.Mapping[str, t.Any], min_success_rate: float, max_p99: float) -> str:
    """Why a result is not good enough, or an empty string."""
    if result["success_rate"] < min_success_rate:
        worst = next(iter(result["reasons"]), "")
        return (
            f"{result['failed']} of {result['total']} requests failed ({worst}), {min_success_rate:g} % had to go well"
        )
    if max_p99 and result["p99_ms"] > max_p99:
        return f"the 99th percentile is {result['p99_ms']:g} ms, above {max_p99:g} ms"
    return ""


def measure(target: Target, requests: int, rate: float) -> dict[str, t.Any]:
    """Sends O(requests) at O(rate) a second, each when it is due whether or not those before were answered; none is repeated.

    Raises C(ReplatformError) when O(target) is no URL, or when there is nothing to send.
    """
    if requests < 1 or rate <= 0:
        raise ReplatformError("requests must be at least 1 and rate above 0")
    parts = urlsplit(target.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ReplatformError(f"url '{target.url}' is not a URL such as http://127.0.0.1/health")
    context = tls_context(target) if parts.scheme == "https" else None
    tally, lock = Tally(), threading.Lock()
    begin = time.monotonic()

    def send(due: float) -> None:
        answer = ask(target, due, context)
        with lock:
            tally.answers.append(answer)

    with ThreadPoolExecutor(max_workers=min(requests, 64)) as pool:
        for number in range(requests):
            due = begin + number / rate
            time.sleep(max(0.0, due - time.monotonic()))  # the rate
            pool.submit(send, due)
    return {**tally.result(), "seconds": round(time.monotonic() - begin, 1)}


def tls_context(target: Target) -> ssl.SSLContext:
    """What is asked of the edge's certificate; C(ReplatformError) when O(target.ca_path) can't be read."""
    try:
        context = ssl.create_default_context(cafile=target.ca_path or None)
    except OSError as exc:
        raise ReplatformError(f"ca_path '{target.ca_path}' is no file of certificates in PEM: {exc}") from exc
    if not target.validate_certs:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def ask(target: Target, due: float, context: ssl.SSLContext | None = None) -> Answer:
    """One request on a connection of its own, over TLS with O(context); O(due) is a time of C(time.monotonic)."""
    parts = urlsplit(target.url)
    address = parts.hostname or "", parts.port or (443 if context else 80)
    connection = http.client.HTTPConnection(*address, timeout=target.timeout)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    reason, side = "", ""
    try:
        if context:  # the address is one thing, the name that the certificate is of another
            plain = socket.create_connection(address, target.timeout)
            connection.sock = context.wrap_socket(plain, server_hostname=target.host or parts.hostname)
        connection.request("GET", path, headers={"Host": target.host} if target.host else {})
        response = connection.getresponse()
        response.read()
        side = response.headers.get(target.side_header, "")
        reason = f"status {response.status}" if response.status >= 400 else ""
    except (OSError, http.client.HTTPException) as exc:
        reason = str(exc) or type(exc).__name__
    finally:
        connection.close()
    return Answer(reason, side, (time.monotonic() - due) * 1000)
