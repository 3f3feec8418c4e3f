# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a manager knows of a stack beside where it runs: the specs of its services, and what they name.

Values of secrets are never among it: a Swarm does not give them back. Those of configs are.
"""

from __future__ import annotations

import base64
import binascii
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import STACK_LABEL

Raw = t.Mapping[str, t.Any]


def read_objects(client: t.Any) -> dict[str, t.Any]:
    """The raw answers of a manager: C(networks), C(secrets) and C(configs)."""
    return {"networks": client.networks(), "secrets": client.secrets(), "configs": client.configs()}


def add_specs(answer: t.Mapping[str, t.Any], raw: Raw, things: Raw, stack: str) -> dict[str, t.Any]:
    """C(answer) of RV(stack_info) with the C(spec) of each service, labels of each node, and C(objects).

    C(things) are the answers of RV(read_objects), or nothing on an Engine that is no manager.
    """
    result = dict(answer)
    specs = {service["ID"]: service["Spec"] for service in raw["services"]}
    nodes = {node["ID"]: node for node in raw["nodes"]}
    result["services"] = [{**item, "spec": specs[item["id"]]} for item in answer["services"]]
    result["nodes"] = [{**item, "labels": nodes[item["id"]]["Spec"].get("Labels") or {}} for item in answer["nodes"]]
    result["objects"] = objects(things, stack) if things else {}
    return result


def objects(things: Raw, stack: str) -> dict[str, list[dict[str, t.Any]]]:
    """C(networks), C(secrets) and C(configs) by name. C(own) says whether the stack made it, and put its name before it."""
    return {
        "networks": _sorted(_network(item, stack) for item in things["networks"] if item.get("Scope") == "swarm"),
        "secrets": _sorted(_thing(item, stack) for item in things["secrets"]),
        "configs": _sorted({**_thing(item, stack), "content": _content(item)} for item in things["configs"]),
    }


def _sorted(items: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    return sorted(items, key=lambda item: str(item["name"]))


def _thing(item: Raw, stack: str) -> dict[str, t.Any]:
    labels = item["Spec"].get("Labels") or {}
    return {
        "id": item["ID"],
        "name": item["Spec"]["Name"],
        "own": labels.get(STACK_LABEL) == stack,
        "labels": labels,
        "templating": item["Spec"].get("Templating") or {},
    }


def _network(item: Raw, stack: str) -> dict[str, t.Any]:
    labels = item.get("Labels") or {}
    return {
        "id": item["Id"],
        "name": item["Name"],
        "own": labels.get(STACK_LABEL) == stack,
        "labels": labels,
        "driver": item.get("Driver", ""),
        "options": item.get("Options") or {},
        "internal": bool(item.get("Internal")),
        "attachable": bool(item.get("Attachable")),
        "ipv6": bool(item.get("EnableIPv6")),
        "pools": (item.get("IPAM") or {}).get("Config") or [],
    }


def _content(item: Raw) -> str | None:
    """A config as text; nothing where it is none."""
    try:
        return base64.b64decode(item["Spec"].get("Data") or "", validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
