# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Labels, taints and roles of running nodes, against what the inventory says.

K3s gives labels and taints at registration alone, so a later change is made through the API. What was given is noted in an
annotation, so that what leaves the inventory leaves the node, and what others have put there stays.
"""

from __future__ import annotations

import json
import re
import typing as t

ANNOTATION = "replatform.sophia.ai/given"
ROLE = "node-role.kubernetes.io/"

_NAME = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?"
_TAINT = re.compile(rf"({_NAME})(?:=({_VALUE}))?:(NoSchedule|PreferNoSchedule|NoExecute)")
_ROLE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

#: Roles that K3s itself gives and takes.
_OWN_ROLES = frozenset(["control-plane", "etcd", "master"])


def taint_faults(taints: t.Any, where: str) -> list[str]:
    """What is wrong with a list of taints such as V(gpu=true:NoSchedule)."""
    if not isinstance(taints, (list, tuple)):
        return [f"{where}: a list of taints is wanted, not {type(taints).__name__}"]
    return [
        f"{where}: '{taint}' is not a taint such as gpu=true:NoSchedule"
        for taint in taints
        if not _TAINT.fullmatch(str(taint))
    ]


def role_faults(roles: t.Any, where: str) -> list[str]:
    """What is wrong with a list of node roles."""
    if not isinstance(roles, (list, tuple)):
        return [f"{where}: a list of roles is wanted, not {type(roles).__name__}"]
    faults = [f"{where}: '{role}' is not the name of a role" for role in roles if not _ROLE.fullmatch(str(role))]
    return faults + [f"{where}: '{role}' is given by K3s itself; take it out" for role in roles if role in _OWN_ROLES]


def node_changes(listing: t.Mapping[str, t.Any], hosts: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """What kubectl is to do: C({name, argv}) a command, none for nodes that are as they should be.

    C(listing) is the output of C(kubectl get nodes -o json), C(hosts) the host variables of the nodes.
    """
    there = {item["metadata"]["name"]: item for item in listing.get("items", [])}
    changes = []
    for host in hosts:
        name = host.get("k3s_node_name") or host["inventory_hostname"]
        if name in there:
            changes += [{"name": name, "argv": argv} for argv in _commands(there[name], host)]
    return changes


def _commands(item: t.Mapping[str, t.Any], host: t.Mapping[str, t.Any]) -> list[list[str]]:
    name = item["metadata"]["name"]
    given = _given(item)
    labels = _wanted_labels(host)
    taints = _wanted_taints(host)
    commands = []
    arguments = _label_arguments(item["metadata"].get("labels") or {}, labels, given["labels"])
    if arguments:
        commands.append(["label", "--overwrite", "node", name, *arguments])
    arguments = _taint_arguments(item.get("spec", {}).get("taints") or [], taints, given["taints"])
    if arguments:
        commands.append(["taint", "--overwrite", "node", name, *arguments])
    note = {"labels": sorted(labels), "taints": sorted(taints)}
    if note != given:
        commands.append(["annotate", "--overwrite", "node", name, f"{ANNOTATION}={json.dumps(note, sort_keys=True)}"])
    return commands


def _given(item: t.Mapping[str, t.Any]) -> dict[str, list[str]]:
    """What was given earlier: names of labels, and taints as C(key:effect)."""
    text = (item["metadata"].get("annotations") or {}).get(ANNOTATION)
    try:
        note = json.loads(text) if text else {}
    except ValueError:
        note = {}
    return {kind: [str(name) for name in note.get(kind) or []] for kind in ("labels", "taints")}


def _wanted_labels(host: t.Mapping[str, t.Any]) -> dict[str, str]:
    labels = {str(key): str(value) for key, value in (host.get("k3s_node_labels") or {}).items()}
    return {**labels, **{ROLE + str(role): "true" for role in host.get("k3s_node_roles") or []}}


def _wanted_taints(host: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Values by C(key:effect), which is what a taint is known by."""
    found = {}
    for taint in host.get("k3s_node_taints") or []:
        match = _TAINT.fullmatch(str(taint))
        if match:
            found[f"{match.group(1)}:{match.group(3)}"] = match.group(2) or ""
    return found


def _label_arguments(there: t.Mapping[str, str], wanted: t.Mapping[str, str], given: t.Sequence[str]) -> list[str]:
    add = [f"{key}={value}" for key, value in sorted(wanted.items()) if there.get(key) != value]
    return add + [f"{key}-" for key in sorted(given) if key not in wanted and key in there]


def _taint_arguments(
    there: t.Sequence[t.Mapping[str, str]], wanted: t.Mapping[str, str], given: t.Sequence[str]
) -> list[str]:
    present = {f"{taint['key']}:{taint['effect']}": taint.get("value") or "" for taint in there}
    add = []
    for known, value in sorted(wanted.items()):
        if present.get(known) != value:
            key, effect = known.rsplit(":", 1)
            add.append(f"{key}={value}:{effect}" if value else f"{key}:{effect}")
    return add + [f"{known}-" for known in sorted(given) if known not in wanted and known in present]
