"""This node's own object: the annotations K3s leaves."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any

from .api import Api

HIDDEN = ("--token", "--agent-token", "-t")


def shown_arguments(arguments: list[str]) -> list[str]:
    """The command line with its secrets covered."""
    shown, cover = [], False
    for word in arguments:
        name, equals, _ = word.partition("=")
        shown.append("********" if cover else f"{name}=********" if equals and name in HIDDEN else word)
        cover = name in HIDDEN and not equals and not cover
    return shown


def wanted_annotations(address: str) -> dict[str, str]:
    environment = {k: "********" if "TOKEN" in k else v for k, v in sorted(os.environ.items()) if k.startswith("K3S_")}
    shown = json.dumps(shown_arguments(sys.argv[1:]))
    return {
        "k3s.io/hostname": os.uname().nodename,
        "k3s.io/internal-ip": address,
        "k3s.io/node-args": shown,
        "k3s.io/node-env": json.dumps(environment),
        "k3s.io/node-config-hash": hashlib.sha256((shown + json.dumps(environment)).encode()).hexdigest(),
    }


def annotate(api: Api, node: dict[str, Any], wanted: dict[str, str]) -> None:
    present = node["metadata"].get("annotations") or {}
    if any(present.get(key) != value for key, value in wanted.items()):
        api.patch(f"/api/v1/nodes/{node['metadata']['name']}", {"metadata": {"annotations": wanted}})
