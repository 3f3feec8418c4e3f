# Made by sophia.replatform.delivery: changes made here are lost.
"""Whether the environments can be deployed to: variables, endpoints, chart and values, ports.

Checks (--check, any number of times; by default chart and ports):
  variables  what the environment requires is set, in this process's environment
  endpoints  what must answer does
  chart      the chart, its subcharts and each environment's values agree
  ports      no port is given twice

Exit codes: 0 nothing was found, 1 something was (a line each on standard output), 2 wrong usage or a data file that can't be
used.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import delivery_data as delivery

CHECKS = ("variables", "endpoints", "chart", "ports")
#: These depend on where the script runs, so that they are made for one environment and only when asked for.
_LIVE = ("variables", "endpoints")
#: Seconds for which a TCP connection has to stay open.
_HELD_S = 2.0


def variables(environment: delivery.Environment, given: Mapping[str, str]) -> Iterator[str]:
    """What the environment requires and is not set, or is blank. No value is ever told."""
    for name in environment.required:
        if not given.get(name, "").strip():
            yield f"{environment.name}: {name} is not set: add it to the environment's variables or secrets"


def endpoints(environment: delivery.Environment, attempts: int, interval_s: float, timeout_s: float) -> list[str]:
    """What does not answer as it should, after so many attempts."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        told = pool.map(lambda one: _ask(one, attempts, interval_s, timeout_s), environment.endpoints)
        return [f"{environment.name}: {line}" for line in told if line]


def _ask(endpoint: delivery.Endpoint, attempts: int, interval_s: float, timeout_s: float) -> str:
    said = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(interval_s)
        said = _answer(endpoint, timeout_s)
        if not said:
            return ""
    return f"{endpoint.name} at {endpoint.url} {said}"


def _answer(endpoint: delivery.Endpoint, timeout_s: float) -> str:
    """What is wrong with the answer, empty when nothing is."""
    parts = urllib.parse.urlsplit(endpoint.url)
    try:
        if parts.scheme == "tcp":
            with socket.create_connection((parts.hostname or "", parts.port or 0), timeout_s) as connection:
                return "" if _stays_open(connection) else "closes a connection at once"
        try:
            with urllib.request.urlopen(endpoint.url, timeout=timeout_s) as answer:
                status = int(answer.status)
        except urllib.error.HTTPError as exc:
            status = exc.code
    except (OSError, ValueError) as exc:
        return f"can't be reached: {' '.join(str(exc).split())}"
    return "" if status == endpoint.status else f"answers {status}, not {endpoint.status}"


def _stays_open(connection: socket.socket) -> bool:
    """A proxy takes every connection, and closes that for which it has no server. A server that speaks first is not waited for."""
    connection.settimeout(_HELD_S)
    try:
        return bool(connection.recv(1))
    except TimeoutError:
        return True


def chart(root: Path, data: delivery.Data, environments: Sequence[delivery.Environment]) -> Iterator[str]:
    """Where the chart, its subcharts and the values do not agree."""
    folder = root / data.chart
    try:
        read = delivery.read_chart(folder)
    except delivery.DataError as exc:
        yield str(exc)
        return
    yield from (f"{data.chart}/Chart.yaml: {line}" for line in _metadata(folder, read))
    for key in data.image_values:
        if key.split(".")[0] not in read.opaque and not _reaches(read.values, key):
            yield f"{data.chart}/values.yaml: {key} is not there, and deploying sets it: add it, or name another key"
    for environment in environments:
        yield from _values(root, data, read, environment)


def _metadata(folder: Path, read: delivery.Chart) -> Iterator[str]:
    if read.meta.get("apiVersion") != "v2":
        yield f"apiVersion is {read.meta.get('apiVersion')!r}: helm 3 and later want v2"
    for key in ("name", "version"):
        if not isinstance(read.meta.get(key), str):
            yield f"{key} is missing"
    for one in read.dependencies:
        name, repository = one.get("name"), str(one.get("repository") or "")
        in_tree = not repository or repository.startswith("file://")
        if not isinstance(name, str):
            yield "a dependency has no name"
        elif in_tree and delivery.subchart(folder, one) is None and not list((folder / "charts").glob(f"{name}-*.tgz")):
            yield f"the dependency {name} is neither in charts/ nor where its repository says"


def _values(root: Path, data: delivery.Data, read: delivery.Chart, environment: delivery.Environment) -> Iterator[str]:
    for path in environment.values:
        try:
            over = delivery.mapping_of(root / path)
        except delivery.DataError as exc:
            yield str(exc)
            return
        yield from (f"{path}: {line}" for line in _disagreements(read.values, over, "", read.opaque))
    values = delivery.values_of(root, read, environment)
    for one in read.dependencies:
        for condition in filter(None, str(one.get("condition") or "").split(",")):
            if not _reaches(values, condition.strip()):
                yield f"{environment.name}: {condition.strip()} decides on {one.get('name')} and is in no values"
    for name, port in data.ports:
        declared = delivery.declarations(values, name)
        if not declared:
            yield f"{environment.name}: the service {name} is not declared in the values of {data.chart}"
        for where, one in declared:
            ports = delivery.ports_of(one)
            if ports and port not in ports:
                yield f"{environment.name}: {where} has {', '.join(map(str, sorted(ports)))} and {name}'s port is {port}"


def _reaches(values: Mapping[str, Any], path: str) -> bool:
    node: Any = values
    for key in path.split("."):
        if not isinstance(node, dict) or key not in node:
            return False
        node = node[key]
    return True


def _disagreements(base: Any, over: Any, where: str, opaque: frozenset[str]) -> Iterator[str]:
    """Keys that no chart's values have, and mappings where others have none. An empty mapping takes any key, null any
    value, and what is of a subchart that is not in the repository can't be told."""
    for key, value in over.items():
        path = f"{where}.{key}".lstrip(".")
        if not where and (key in opaque or (key == "global" and key not in base)):
            continue
        if key not in base:
            if base or not where:
                yield f"{path} is in no values of the chart: mend the name, or add it there"
            continue
        known = base[key]
        if known is None or value is None:
            continue
        if isinstance(known, dict) != isinstance(value, dict):
            yield f"{path} is {_kind(value)} here and {_kind(known)} in the chart's values"
        elif isinstance(known, dict):
            yield from _disagreements(known, value, path, opaque)


def _kind(value: Any) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a single value"


def ports(root: Path, data: delivery.Data, environments: Sequence[delivery.Environment]) -> Iterator[str]:
    """Ports that two services have, and node and host ports that two places of the values claim."""
    holders: dict[int, list[str]] = {}
    for name, port in data.ports:
        holders.setdefault(port, []).append(name)
    for port, names in holders.items():
        if len(names) > 1:
            yield f"port {port} is given to {' and to '.join(names)}"
    for environment in environments:
        try:
            values = delivery.values_of(root, delivery.read_chart(root / data.chart), environment)
        except delivery.DataError as exc:
            yield str(exc)
            continue
        claims: dict[tuple[str, int], list[str]] = {}
        for where, key, value in delivery.walk(values):
            if key in ("nodePort", "hostPort") and isinstance(value, int) and value:
                claims.setdefault((key, value), []).append(where)
        for (key, value), places in claims.items():
            if len(places) > 1:
                yield f"{environment.name}: {key} {value} is claimed by {' and by '.join(places)}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environment", metavar="NAME", help="the environment (by default all, for chart and ports)")
    parser.add_argument("--check", action="append", choices=CHECKS, default=None, help="what to check")
    parser.add_argument("--root", type=Path, default=Path(), help="the repository (by default the current folder)")
    parser.add_argument("--data", type=Path, help=f"the data file (by default {delivery.DEFAULT} in the repository)")
    parser.add_argument("--attempts", type=int, default=10, help="how often an endpoint is asked")
    parser.add_argument("--interval", type=float, default=3.0, help="seconds between two attempts")
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds to wait for an answer")
    given = parser.parse_args(arguments)
    checks = tuple(given.check or ("chart", "ports"))
    if given.attempts < 1:
        parser.error("--attempts: give 1 or more")
    try:
        data = delivery.load(given.data or given.root / delivery.DEFAULT)
    except delivery.DataError as exc:
        print(exc, file=sys.stderr)
        return delivery.UNUSABLE
    if given.environment is not None and given.environment not in data.environments:
        parser.error(f"--environment: {given.environment} is none of {', '.join(data.environments)}")
    if given.environment is None and set(_LIVE) & set(checks):
        parser.error(f"--environment: name one to check {' and '.join(sorted(set(_LIVE) & set(checks)))}")
    chosen = list(data.environments.values()) if given.environment is None else [data.environments[given.environment]]
    findings: list[str] = []
    for check in dict.fromkeys(checks):
        if check == "variables":
            findings += variables(chosen[0], os.environ)
        elif check == "endpoints":
            findings += endpoints(chosen[0], given.attempts, given.interval, given.timeout)
        elif check == "chart":
            findings += chart(given.root, data, chosen)
        else:
            findings += ports(given.root, data, chosen)
    return delivery.finish(list(dict.fromkeys(findings)), "deployment environment")


if __name__ == "__main__":
    sys.exit(main())
