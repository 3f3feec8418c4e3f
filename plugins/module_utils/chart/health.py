# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where each service is asked for its health: for a page by HTTP, or for a connection alone."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.http_check import http_get
from ansible_collections.sophia.replatform.plugins.module_utils.stack.tcp_check import tcp_port

_SHELL = ["/bin/sh", "-c"]


def checks(values: t.Mapping[str, t.Any], listed: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """C(service), C(port) and C(path) of every HTTP service, without C(path) of one that takes connections and says no more: as the
    inventory lists it, else by its own health check.

    Raises C(ChartError) where the inventory names a port that the service does not listen on.
    """
    services = values.get("services", {})
    found: dict[str, dict[str, t.Any]] = {}
    for name, service in services.items():
        asked = _asked(service)
        if asked and asked["port"] in _ports(service):
            found[name] = {"service": name, **asked}
    for entry in listed:
        name = str(entry["name"])
        service = services.get(name)
        if service is None:
            continue
        port, open_ports = entry.get("port"), _ports(service)
        if port is not None and open_ports and port not in open_ports:
            listens = ", ".join(str(item) for item in open_ports)
            raise ChartError(f"services: {name} has port {port}, and its stack file {listens}; make the two agree")
        kind = entry.get("kind", "http")
        if kind not in ("http", "tcp"):
            found.pop(name, None)
        elif port in open_ports:
            page = {"path": str(entry.get("path", "/"))} if kind == "http" else {}
            found[name] = {"service": name, "port": port, **page}
    return [found[name] for name in sorted(found)]


def _ports(service: t.Mapping[str, t.Any]) -> list[int]:
    return [item["port"] for item in service.get("ports", [])]


def _asked(service: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """What the readiness probe asks for, be it by C(httpGet) or C(tcpSocket), or by a command that does the same."""
    probe = (service.get("probes") or {}).get("readiness") or {}
    page, port = probe.get("httpGet"), (probe.get("tcpSocket") or {}).get("port")
    if probe.get("exec"):
        words = list(probe["exec"]["command"])
        test = ["CMD-SHELL", words[2]] if words[:2] == _SHELL and len(words) == 3 else ["CMD", *words]
        page, port = http_get(test), tcp_port(test)
    if page and page.get("scheme", "HTTP") == "HTTP" and isinstance(page.get("port"), int):
        return {"port": page["port"], "path": page.get("path", "/")}
    return {"port": port} if isinstance(port, int) else None
