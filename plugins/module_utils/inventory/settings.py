# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The settings of an inventory: environment, services, K3s' keys, thresholds and files."""

from __future__ import annotations

import collections
import ipaddress
import posixpath
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.inventory.hosts import Inventory
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.config import config_faults, label_faults
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.settings import server_count_faults

_SLUG = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_HOSTNAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_K3S_VERSION = re.compile(r"v\d+\.\d+\.\d+(-rc\d+)?\+k3s\d+")
#: The edge's own ports, with what role edge takes where they are not set.
_EDGE_PORTS = {"edge_http_port": 80, "edge_https_port": 0, "edge_api_port": 8099}
KINDS = ("http", "postgres", "pgbouncer", "redis", "files", "tcp")


def environment_faults(inventory: Inventory) -> list[str]:
    """The environment is named once, and after the inventory's folder, so that nobody changes one and means another."""
    values = list(inventory.values("replatform_environment"))
    if not values:
        return ["replatform_environment is not set; name the environment in group_vars/all"]
    faults = []
    for value, whose in values:
        if not (isinstance(value, str) and _SLUG.fullmatch(value)):
            faults.append(f"replatform_environment{whose}: {value!r} is not a name of small letters, digits and dashes")
        elif inventory.name and value != inventory.name:
            faults.append(
                f"replatform_environment{whose}: '{value}' is unknown here; this is the inventory '{inventory.name}'"
            )
    return faults


def service_faults(inventory: Inventory) -> list[str]:
    """Service groups in their order, and every service in one of them, each with a name, a port and a host of its own."""
    faults = []
    groups: list[t.Any] = []
    for value, whose in inventory.values("replatform_groups"):
        if not (isinstance(value, list) and value and all(isinstance(item, str) for item in value)):
            faults.append(f"replatform_groups{whose}: a list of names is wanted, in the order in which they move")
            continue
        groups = value
        for name, count in collections.Counter(value).items():
            if count > 1:
                faults.append(f"replatform_groups{whose}: '{name}' stands there {count} times")
    for value, whose in inventory.values("replatform_services"):
        if not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
            faults.append(f"replatform_services{whose}: a list of mappings is wanted")
            continue
        faults += [f"replatform_services{whose}: {line}" for service in value for line in _service(service, groups)]
        for key in ("name", "port", "host"):
            for shared, count in collections.Counter(str(s[key]) for s in value if key in s).items():
                if count > 1:
                    faults.append(f"replatform_services{whose}: {key} {shared} is used by {count} services")
        for group in groups:
            if not any(service.get("group") == group for service in value):
                faults.append(f"replatform_groups{whose}: '{group}' has no service in replatform_services")
    return faults


def _service(service: t.Mapping[str, t.Any], groups: t.Sequence[t.Any]) -> list[str]:
    name = service.get("name", "a service without a name")
    faults = [f"{name} has no {key}" for key in ("name", "group", "kind", "port") if key not in service]
    if "name" in service and not (isinstance(name, str) and _SLUG.fullmatch(name) and len(name) <= 63):
        faults.append(f"{name!r} is not a name that Kubernetes takes (small letters, digits, dashes)")
    if "group" in service and service["group"] not in groups:
        faults.append(f"{name} is in group '{service['group']}', which is not in replatform_groups")
    kind = service.get("kind", "http")
    if kind not in KINDS:
        faults.append(f"{name} is of kind '{kind}'; known are {', '.join(KINDS)}")
    port = service.get("port", 1)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        faults.append(f"{name} has the port {port!r}, which is not a number from 1 to 65535")
    if kind == "http":
        host = service.get("host")
        if not (isinstance(host, str) and _HOSTNAME.fullmatch(host)):
            faults.append(f"{name} is of kind http and needs a host name to be routed by, not {host!r}")
        if not str(service.get("path", "/")).startswith("/"):
            faults.append(f"{name} has the path {service['path']!r}, which does not begin with '/'")
    return faults


def edge_port_faults(inventory: Inventory) -> list[str]:
    """A service of kind tcp has an entry point of the edge for itself, at its own port."""
    if any(state == "adopted" for state, _whose in inventory.values("edge_state")):
        return []
    taken = {
        port: variable
        for variable, default in _EDGE_PORTS.items()
        for port in [value for value, _whose in inventory.values(variable)] or [default]
        if _whole(port)
    }
    return [
        f"replatform_services{whose}: {service.get('name')} of kind tcp has port {service['port']}, which is {taken[service['port']]} "
        f"of the edge; give {taken[service['port']]} another one"
        for value, whose in inventory.values("replatform_services")
        for service in (value if isinstance(value, list) else [])
        if isinstance(service, dict)
        and service.get("kind") == "tcp"
        and _whole(service.get("port"))
        and service["port"] in taken
    ]


def k3s_faults(inventory: Inventory) -> list[str]:
    """Versions, K3s' own keys, how many servers there are, and address ranges that would swallow a host."""
    faults = []
    for value, whose in inventory.values("k3s_version"):
        if not (isinstance(value, str) and _K3S_VERSION.fullmatch(value)):
            faults.append(f"k3s_version{whose}: {value!r} is not a release such as v1.35.6+k3s1")
    for variable, node_role in (
        ("k3s_config", "agent"),
        ("k3s_server_config", "server"),
        ("k3s_agent_config", "agent"),
    ):
        for value, whose in inventory.values(variable):
            faults += config_faults(value, node_role, variable + whose)
    for name, variables in inventory.hosts.items():
        node_role = "server" if name in inventory.members("k3s_server") else "agent"
        faults += config_faults(variables.get("k3s_node_config", {}), node_role, f"{name}: k3s_node_config")
    for value, whose in inventory.values("k3s_node_labels"):
        faults += label_faults(value, "k3s_node_labels" + whose)
    servers = inventory.members("k3s_server")
    config: dict[str, t.Any] = {}
    for name in servers:
        value = inventory.hosts.get(name, {}).get("k3s_server_config")
        config.update(value if isinstance(value, dict) else {})
    if servers:  # an empty group is named by group_faults
        faults += server_count_faults(len(servers), config)
    for key, default in (("cluster-cidr", "10.42.0.0/16"), ("service-cidr", "10.43.0.0/16")):
        faults += _swallowed(inventory, key, str(config.get(key, default)))
    return faults


def _swallowed(inventory: Inventory, key: str, ranges: str) -> list[str]:
    faults = []
    for text in ranges.split(","):
        try:
            network = ipaddress.ip_network(text.strip())
        except ValueError:
            faults.append(f"k3s_server_config: {key} {text.strip()!r} is not an address range such as 10.42.0.0/16")
            continue
        for name, variables in inventory.hosts.items():
            try:
                address = ipaddress.ip_address(str(variables.get("ansible_host")))
            except ValueError:
                continue
            if address.version == network.version and address in network:
                faults.append(f"{name}: ansible_host {address} lies in K3s' {key} {network}; set another {key}")
    return faults


def _whole(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _rising(value: t.Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_in_percent, value)) and value == sorted(set(value))


def _in_percent(value: t.Any) -> bool:
    return _whole(value) and 1 <= value <= 100


def _metric(value: t.Any) -> bool:
    bounds = value.get("threshold_range") if isinstance(value, dict) else None
    if not (
        isinstance(bounds, dict) and bounds and all(map(_number, bounds.values())) and bounds.keys() <= {"min", "max"}
    ):
        return False
    if value.get("name") == "request-success-rate":
        return bounds.keys() == {"min"} and 0 <= bounds["min"] <= 100
    if value.get("name") == "request-duration":
        return bounds.keys() == {"max"} and bounds["max"] > 0
    return bool(value.get("name")) and bool(value.get("query"))


def _number(value: t.Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


#: Where a value stands (variable, then keys), what a right value is, in words, and the test.
_LIMITS: list[tuple[str, str, t.Callable[[t.Any], bool]]] = [
    ("edge_analysis.interval", "a number of seconds above 0", lambda v: _number(v) and v > 0),
    ("edge_analysis.threshold", "a number of failed checks, 1 or more", lambda v: _whole(v) and v >= 1),
    ("edge_analysis.max_weight", "a percentage from 1 to 100", lambda v: _whole(v) and 1 <= v <= 100),
    ("edge_analysis.step_weights", "a list of rising percentages from 1 to 100", _rising),
    (
        "edge_analysis.metrics",
        "a list of metrics with name and threshold_range (request-success-rate: min, %; request-duration: max, ms; others: query)",
        lambda v: isinstance(v, list) and all(map(_metric, v)),
    ),
    ("edge_analysis.mirror_weight", "a percentage from 0 to 100", lambda v: _whole(v) and 0 <= v <= 100),
    ("edge_http_port", "a port from 1 to 65535", lambda v: _whole(v) and 0 < v < 65536),
    ("edge_api_port", "a port from 1 to 65535", lambda v: _whole(v) and 0 < v < 65536),
    ("prober_rate", "a number of requests a second above 0", lambda v: _number(v) and v > 0),
    ("repository_root_limit", "a number of files, 1 or more", lambda v: _whole(v) and v >= 1),
    ("k3s_start_timeout", "a number of seconds above 0", lambda v: _number(v) and v > 0),
    ("k3s_ready_timeout", "a number of seconds above 0", lambda v: _number(v) and v > 0),
]
LIMITED = sorted({place.split(".", maxsplit=1)[0] for place, _words, _test in _LIMITS})
_MISSING = object()


def limit_faults(inventory: Inventory) -> list[str]:
    """Thresholds and times out of their range; one that is not set keeps its role's default and is fine."""
    faults = []
    for place, words, right in _LIMITS:
        variable, *keys = place.split(".")
        for value, whose in inventory.values(variable):
            inner = value
            for key in keys:
                if not isinstance(inner, dict):
                    break
                inner = inner.get(key, _MISSING)
            if inner is not _MISSING and not right(inner):
                faults.append(f"{place}{whose}: {inner!r} is not {words}")
    for value, whose in inventory.values("edge_analysis"):
        analysis = value if isinstance(value, dict) else {}
        steps, top = analysis.get("step_weights", []), analysis.get("max_weight")
        if _rising(steps) and _whole(top) and steps[-1] > top:
            faults.append(f"edge_analysis.step_weights{whose}: the last step {steps[-1]} is above max_weight {top}")
    return faults


def path_faults(inventory: Inventory) -> list[str]:
    """Protected paths, files that must be there, secrets that others may read, and the kubeconfig's place."""
    faults = []
    for value, whose in inventory.values("repository_protected"):
        if not (isinstance(value, list) and all(isinstance(item, str) and item for item in value)):
            faults.append(f"repository_protected{whose}: a list of path patterns is wanted")
            continue
        for path in value:
            if ".." in path.split("/"):
                faults.append(
                    f"repository_protected{whose}: '{path}' leaves the repository; a pattern stays below its root"
                )
    for variable, secret in (
        ("ansible_ssh_private_key_file", True),
        ("k3s_token_file", True),
        ("k3s_agent_token_file", True),
        ("k3s_airgap_dir", False),
    ):
        for value, whose in inventory.values(variable):
            if not value:
                continue
            mode = inventory.file_mode(str(value))
            if mode is None:
                faults.append(f"{variable}{whose}: {value} does not exist on the controller")
            elif secret and mode & 0o077:
                faults.append(f"{variable}{whose}: {value} can be read by others (mode {mode:04o}); chmod 600 it")
    for value, whose in inventory.values("platform_secrets"):
        if not isinstance(value, dict):
            faults.append(f"platform_secrets{whose}: a mapping of a secret's name to its content is wanted")
            continue
        faults += [f"platform_secrets{whose}: the secret '{name}' is empty" for name in value if not value[name]]
    for value, whose in inventory.values("replatform_kubeconfig"):
        if posixpath.normpath(str(value)).endswith("/.kube/config"):
            faults.append(f"replatform_kubeconfig{whose}: {value} is a person's own file; name one of the project's")
    return faults
