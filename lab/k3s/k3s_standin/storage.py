"""The local-path provisioner for this node: a folder for a claim whose pod is scheduled here, removed with its volume."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from . import logs
from .api import Api

CLASS = "local-path"
PROVISIONER = "rancher.io/local-path"
VOLUMES = "/api/v1/persistentvolumes"


def claimed_here(claim: dict[str, Any], node: str) -> bool:
    """Whether a pod that needs this claim was scheduled to ``node`` and nobody has made its volume yet."""
    notes = claim["metadata"].get("annotations") or {}
    provisioner = notes.get("volume.beta.kubernetes.io/storage-provisioner") or notes.get(
        "volume.kubernetes.io/storage-provisioner"
    )
    return (
        provisioner == PROVISIONER
        and notes.get("volume.kubernetes.io/selected-node") == node
        and not claim["spec"].get("volumeName")
    )


def volume_for(claim: dict[str, Any], node: str, root: Path) -> dict[str, Any]:
    meta = claim["metadata"]
    name = f"pvc-{meta['uid']}"
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER}},
        "spec": {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "accessModes": claim["spec"]["accessModes"],
            "volumeMode": "Filesystem",
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": claim["spec"].get("storageClassName", CLASS),
            "hostPath": {"path": str(root / f"{name}_{meta['namespace']}_{meta['name']}"), "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
        },
    }


def released_here(volume: dict[str, Any], node: str, root: Path) -> Path | None:
    """The folder to remove, if the volume is this provisioner's, on this node, released, and to be deleted."""
    spec = volume["spec"]
    notes = volume["metadata"].get("annotations") or {}
    affinity = spec.get("nodeAffinity", {}).get("required", {}).get("nodeSelectorTerms") or [{}]
    nodes = [v for e in affinity[0].get("matchExpressions") or [] for v in e.get("values") or []]
    path = Path(spec.get("hostPath", {}).get("path") or "/")
    mine = notes.get("pv.kubernetes.io/provisioned-by") == PROVISIONER and nodes == [node]
    inside = path.parent == root and path.name != ".."
    gone = volume.get("status", {}).get("phase") == "Released" and spec.get("persistentVolumeReclaimPolicy") == "Delete"
    return path if mine and inside and gone else None


class Provisioner:
    def __init__(self, api: Api, node: str, root: Path) -> None:
        self.api, self.node, self.root = api, node, root

    def provision(self, claims: list[dict[str, Any]]) -> None:
        for claim in claims:
            if not claimed_here(claim, self.node):
                continue
            volume = volume_for(claim, self.node, self.root)
            folder = Path(volume["spec"]["hostPath"]["path"])
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)  # as the real provisioner does: the pod's user is not known here
            self.api.put(VOLUMES, volume)
            logs.info(f"created volume {volume['metadata']['name']} at {folder}")

    def reclaim(self, volumes: list[dict[str, Any]]) -> None:
        for volume in volumes:
            folder = released_here(volume, self.node, self.root)
            if folder:
                shutil.rmtree(folder, ignore_errors=True)
                self.api.call("DELETE", f"{VOLUMES}/{volume['metadata']['name']}")
                logs.info(f"removed volume {volume['metadata']['name']} and {folder}")
