# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which release may follow which: no way back, no skipped minor, no node newer than its servers."""

from __future__ import annotations

import re
import typing as t

_RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)(?:-rc(\d+))?\+k3s(\d+)")

#: How many minors a kubelet may be older than its API server (U(https://kubernetes.io/releases/version-skew-policy/)).
KUBELET_SKEW = 3

_SERVER_ROLES = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")

Version = t.Tuple[int, int, int, float, int]


def parse(text: t.Any) -> Version | None:
    """A release such as V(v1.35.6+k3s1) as something that can be compared; None for anything else."""
    match = _RELEASE.fullmatch(str(text))
    if not match:
        return None
    major, minor, patch, candidate, build = match.groups()
    return int(major), int(minor), int(patch), float(candidate) if candidate else float("inf"), int(build)


def minor(text: t.Any) -> tuple[int, int] | None:
    """The major and minor number of a release; None for anything else."""
    version = parse(text)
    return version[:2] if version else None


def running(listing: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """From C(kubectl get nodes -o json): C({name, version, server}) a node, the version being the one that its kubelet runs."""
    return [
        {
            "name": item["metadata"]["name"],
            "version": item.get("status", {}).get("nodeInfo", {}).get("kubeletVersion"),
            "server": any(role in (item["metadata"].get("labels") or {}) for role in _SERVER_ROLES),
        }
        for item in listing.get("items", [])
    ]


def version_faults(
    found: t.Sequence[t.Mapping[str, t.Any]],
    wanted: str,
    name: str = "",
    node_role: str = "server",
    ahead: t.Sequence[t.Mapping[str, t.Any]] = (),
) -> list[str]:
    """Why the release C(wanted) must not follow what is running.

    C(found) is what C(running) gives. Without C(name) the question is about the whole cluster, with it about one
    node that is to run C(wanted) as C(node_role); that node may be a new one. C(ahead) (C({name, version}) each) are the servers
    that are brought to another release before that node: it is held against what they will run by then.
    """
    target = parse(wanted)
    if target is None:
        return [f"k3s_version: '{wanted}' is not a release such as v1.35.6+k3s1"]
    faults = []
    for node in found:
        if not name or node["name"] == name:
            faults += _step_faults(node, wanted, target)
    if name and not faults:
        by_then = {node["name"]: node["version"] for node in ahead}
        servers = [
            {**node, "version": by_then.get(node["name"], node["version"])}
            for node in found
            if node.get("server") and node["name"] != name
        ]
        faults += _skew_faults(servers, wanted, target, name, node_role)
    return faults


def _step_faults(node: t.Mapping[str, t.Any], wanted: str, target: Version) -> list[str]:
    present = parse(node["version"])
    if present is None:
        return [f"{node['name']} runs '{node['version']}', which is not a release of K3s; upgrade it by hand"]
    if target < present:
        return [f"{node['name']} runs {node['version']}; going back to {wanted} is not supported (restore a snapshot)"]
    if target[0] != present[0] or target[1] - present[1] > 1:
        between = f"v{present[0]}.{present[1] + 1}"
        return [f"{node['name']} runs {node['version']}; {wanted} skips a minor: go to a release of {between} first"]
    return []


def _skew_faults(
    servers: t.Sequence[t.Mapping[str, t.Any]], wanted: str, target: Version, name: str, node_role: str
) -> list[str]:
    faults = []
    for server in servers:
        present = parse(server["version"])
        if present is None:
            continue
        ahead = target[1] - present[1]
        if node_role == "server" and abs(ahead) > 1:
            faults.append(f"{name} can't be a server of {wanted} beside {server['name']} with {server['version']}")
        elif node_role == "agent" and ahead > 0:
            faults.append(
                f"{name} can't run {wanted}: its server {server['name']} runs {server['version']}; servers first"
            )
        elif node_role == "agent" and -ahead > KUBELET_SKEW:
            faults.append(
                f"{name} can't run {wanted}: its server {server['name']} runs {server['version']}, "
                f"more than {KUBELET_SKEW} minors ahead"
            )
    return faults
