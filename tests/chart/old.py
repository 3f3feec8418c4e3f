"""Check a render for Kubernetes 1.20: only the API versions that it serves, and none of the fields that came later."""

from __future__ import annotations

import sys

import yaml

SERVED = {
    "apps/v1": {"Deployment", "StatefulSet", "DaemonSet"},
    "policy/v1beta1": {"PodDisruptionBudget"},
    "batch/v1": {"Job"},
    "autoscaling/v1": {"HorizontalPodAutoscaler"},
    "discovery.k8s.io/v1beta1": {"EndpointSlice"},
    "networking.k8s.io/v1": {"NetworkPolicy"},
    "v1": {"Service", "ServiceAccount", "ConfigMap", "PersistentVolumeClaim", "Pod"},
}

with open(sys.argv[1], encoding="utf-8") as handle:
    for item in yaml.safe_load_all(handle):
        if item is None:
            continue
        name = f"{item['apiVersion']} {item['kind']} {item['metadata']['name']}"
        if item["kind"] not in SERVED.get(item["apiVersion"], ()):
            sys.exit(f"Kubernetes 1.20 does not serve {name}")
        for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            if "sleep" in container.get("lifecycle", {}).get("preStop", {}):
                sys.exit(f"Kubernetes 1.20 does not know preStop.sleep: {name}")
