# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which services speak HTTP, and where each is asked for its health."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.http_check import http_get

_SHELL = ["/bin/sh", "-c"]


def checks(values: t.Mapping[str, t.Any], listed: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """C(service), C(port) and C(path) of every HTTP service: as the inventory lists it, else by its own health check.

    Raises C(ChartError) where the inventory names a port that the service does not listen on.
    """
    services = values.get("services", {})
    found: dict[str, dict[str, t.Any]] = {}
    for name, service in services.items():
        page = _page(service)
        if page and any(item["port"] == page["port"] for item in service.get("ports", [])):
            found[name] = {"service": name, "port": page["port"], "path": page["path"]}
    for entry in listed:
        name = str(entry["name"])
        service = services.get(name)
        if service is None:
            continue
        port, open_ports = entry.get("port"), [item["port"] for item in service.get("ports", [])]
        if port is not None and open_ports and port not in open_ports:
            listens = ", ".join(str(item) for item in open_ports)
            raise ChartError(f"services: {name} has port {port}, and its stack file {listens}; make the two agree")
        if entry.get("kind", "http") != "http":
            found.pop(name, None)
        elif port in open_ports:
            found[name] = {"service": name, "port": port, "path": str(entry.get("path", "/"))}
    return [found[name] for name in sorted(found)]


def _page(service: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
    """What the readiness probe asks for, be it by C(httpGet) or by a command that does the same."""
    probe = (service.get("probes") or {}).get("readiness") or {}
    page = probe.get("httpGet")
    if page is None and probe.get("exec"):
        words = list(probe["exec"]["command"])
        page = http_get(["CMD-SHELL", words[2]] if words[:2] == _SHELL and len(words) == 3 else ["CMD", *words])
    if not page or page.get("scheme", "HTTP") != "HTTP" or not isinstance(page.get("port"), int):
        return None
    return {"port": page["port"], "path": page.get("path", "/")}
