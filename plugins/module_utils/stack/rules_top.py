# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The top-level entries of a stack: a verdict for every key of every network, volume, secret and config."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import one_line
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import FileSource, Options, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_network import DEFAULT_NETWORK
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import (
    APPROXIMATED,
    MAPPED,
    REFUSED,
    REPORTED,
    Verdict,
)

STACK = "(stack)"
"""Stands for a service in the verdicts of what belongs to none."""

_LABELS = (REPORTED, "labels of Docker's own thing; Kubernetes makes another one")
_TABLE: dict[str, dict[str, tuple[str, str]]] = {
    "networks": {
        "name": (MAPPED, ""),
        "driver": (MAPPED, "pods have one network; what may reach what is for NetworkPolicies to say"),
        "ipam": (REPORTED, "pods get their addresses from the cluster's own range"),
        "external": (MAPPED, "its members in other stacks need a NetworkPolicy of their own"),
        "attachable": (REPORTED, "only containers outside a stack can tell; run such ones as pods"),
        "labels": _LABELS,
        "enable_ipv4": (REPORTED, "the cluster's own network decides"),
        "enable_ipv6": (REPORTED, "the cluster's own network decides"),
    },
    "volumes": {
        "name": (MAPPED, "the claim has the name that the stack file uses"),
        "driver": (MAPPED, "judged where it is mounted"),
        "driver_opts": (REPORTED, "where the data lies now: it has to be moved into the claim from there"),
        "external": (MAPPED, "the claim is made all the same, and its data has to be moved"),
        "labels": _LABELS,
    },
    "secrets": {
        "name": (MAPPED, ""),
        "file": (REPORTED, "it is not read: a secret's value is given beside the stack"),
        "environment": (REPORTED, "it is not read: a secret's value is given beside the stack"),
        "external": (MAPPED, "a Swarm never gives its value back: it is given beside the stack"),
        "labels": _LABELS,
        "driver": (REPORTED, "its value comes from a plug-in of Swarm: give it beside the stack"),
        "driver_opts": (REPORTED, "its value comes from a plug-in of Swarm: give it beside the stack"),
    },
    "configs": {
        "name": (MAPPED, ""),
        "file": (MAPPED, "read into the values"),
        "content": (MAPPED, ""),
        "environment": (MAPPED, "read from the given environment"),
        "external": (MAPPED, "judged where it is mounted"),
        "labels": _LABELS,
    },
}


def entries(stack: Stack, options: Options) -> list[Verdict]:
    """A row C((stack), section.name.key) for each of them."""
    found = [Verdict(STACK, key, REFUSED, f"{file}: {mend}") for file, key, mend in stack.refused]
    for section, table in _TABLE.items():
        for name, source in getattr(stack, section).items():
            for key, value in source.keys.items():
                if value is not None:
                    verdict, note = _judge(section, key, source, table, options)
                    found.append(Verdict(STACK, one_line(f"{section}.{name}.{key}"), verdict, one_line(note)))
    return found


def _judge(
    section: str, key: str, source: FileSource, table: t.Mapping[str, tuple[str, str]], options: Options
) -> tuple[str, str]:
    if key.startswith("x-"):
        return REPORTED, "a cluster volume: make a claim for it" if key == "x-cluster-spec" else "an extension field"
    if key == "template_driver":
        if source.content is not None and "{{" not in source.content:
            return MAPPED, "there is no template in it"
        return REFUSED, "Swarm fills in its templates, Kubernetes does not: write the text as it is wanted"
    if section == "networks" and key == "internal":
        if not options.workload_keys:
            return REPORTED, "write a NetworkPolicy that lets nothing out of the cluster"
        return MAPPED, "a NetworkPolicy lets nothing out of the cluster"
    if section == "networks" and key == "driver_opts":
        if _encrypted(source):
            return APPROXIMATED, "encrypted where the cluster's network is: flannel-backend wireguard-native"
        return REPORTED, "options of Docker's network; the cluster's has its own"
    if section == "networks" and key == "driver" and source.driver not in ("", "overlay"):
        return REPORTED, f"a network of the kind '{source.driver}': pods have one network, the cluster's"
    return table[key]


def _encrypted(source: FileSource | None) -> bool:
    """The option alone says so; its value is mostly empty."""
    return source is not None and str(source.driver_opts.get("encrypted", "false")).lower() != "false"


def network_values(stack: Stack, services: t.Mapping[str, t.Any]) -> dict[str, dict[str, bool]]:
    """The networks that services are attached to, by name."""
    by_name = {dns_name(name): source for name, source in stack.networks.items()}
    used = sorted({name for values in services.values() for name in values.get("networks", [])})
    result = {}
    for name in used:
        source = by_name.get(name)
        if source is None and name != DEFAULT_NETWORK:
            continue
        result[name] = {
            "internal": source is not None and source.internal,
            "encrypted": _encrypted(source),
            "external": source is not None and source.external,
        }
    return result
