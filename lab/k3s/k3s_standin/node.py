"""This node's own object: GPUs that the lab declares, and the annotations K3s leaves."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from .api import Api

GPUS = Path("/etc/lab/gpus")
RESOURCE = "nvidia.com/gpu"
SIMULATED = "lab.replatform/simulated-gpus"
HIDDEN = ("--token", "--agent-token", "-t")


def declared_gpus(file: Path = GPUS) -> int:
    """How many GPUs the lab says this node has; no file, no GPU, no word about it."""
    try:
        return int(file.read_text().strip() or 0)
    except (OSError, ValueError):
        return 0


def status_patch(node: dict[str, Any], gpus: int) -> dict[str, Any] | None:
    """What to write to the node's status, or None: the kubelet may have reset it to nothing."""
    status = node.get("status", {})
    wanted = str(gpus)
    if all(status.get(part, {}).get(RESOURCE) == wanted for part in ("capacity", "allocatable")):
        return None
    return {"status": {"capacity": {RESOURCE: wanted}, "allocatable": {RESOURCE: wanted}}}


def shown_arguments(arguments: list[str]) -> list[str]:
    """The command line with its secrets covered."""
    shown, cover = [], False
    for word in arguments:
        name, equals, _ = word.partition("=")
        shown.append("********" if cover else f"{name}=********" if equals and name in HIDDEN else word)
        cover = name in HIDDEN and not equals and not cover
    return shown


def wanted_annotations(address: str, gpus: int) -> dict[str, str]:
    environment = {k: "********" if "TOKEN" in k else v for k, v in sorted(os.environ.items()) if k.startswith("K3S_")}
    shown = json.dumps(shown_arguments(sys.argv[1:]))
    found = {
        "k3s.io/hostname": os.uname().nodename,
        "k3s.io/internal-ip": address,
        "k3s.io/node-args": shown,
        "k3s.io/node-env": json.dumps(environment),
        "k3s.io/node-config-hash": hashlib.sha256((shown + json.dumps(environment)).encode()).hexdigest(),
    }
    return {**found, SIMULATED: str(gpus)} if gpus else found


def advertise(api: Api, node: dict[str, Any], gpus: int) -> None:
    patch = status_patch(node, gpus) if gpus else None
    if patch:
        api.patch(f"/api/v1/nodes/{node['metadata']['name']}/status", patch)


def annotate(api: Api, node: dict[str, Any], wanted: dict[str, str]) -> None:
    present = node["metadata"].get("annotations") or {}
    if any(present.get(key) != value for key, value in wanted.items()):
        api.patch(f"/api/v1/nodes/{node['metadata']['name']}", {"metadata": {"annotations": wanted}})
