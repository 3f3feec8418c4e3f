"""A kubectl with a cluster of its own: fake_kubectl.py STATE ARGUMENT...

STATE is a JSON file: C(nodes), C(pods), C(budgets), the C(eviction) version that is served; C(die), the number of the write
before which the caller is killed; C(calls) gets every request. An evicted pod ends at the second look at the pods, and every
look at a lease finds it renewed. What it says on standard error is what kubectl 1.37 said of the same answers of an API server.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys

path = pathlib.Path(sys.argv[1])
state = json.loads(path.read_text())
arguments = [word for word in sys.argv[2:] if not word.startswith("--request-timeout")]
HELD = "Error from server (TooManyRequests): Cannot evict pod as it would violate the pod's disruption budget."


def save() -> None:
    path.write_text(json.dumps(state))


def fail(text: str) -> None:
    save()
    sys.exit(f"E1124 04:54:31.833558    5183 memcache.go:265] a line of klog\n{text}")


def write() -> None:
    state["writes"] = state.get("writes", 0) + 1
    if state["writes"] == state.get("die"):
        state.pop("die")
        save()
        os.kill(os.getppid(), signal.SIGKILL)
        sys.exit(1)


def merge(into: dict, patch: dict) -> None:
    for key, value in patch.items():
        if isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        elif value is None:
            into.pop(key, None)
        else:
            into[key] = value


def node(name: str) -> dict | None:
    return next((one for one in state["nodes"] if one["metadata"]["name"] == name), None)


def end_pods() -> None:
    for one in state["pods"]:
        if "deletionTimestamp" in one["metadata"]:
            one["looks"] = one.get("looks", 0) + 1
    state["pods"] = [one for one in state["pods"] if one.get("looks", 0) < 2]


def evict(target: str, eviction: dict) -> None:
    namespace, name = target.split("/")[4:7:2]
    served = state.get("eviction", "v1")
    if eviction["apiVersion"] != f"policy/{served}" and served == "v1beta1":
        fail(f'Error from server (BadRequest): no kind "Eviction" is registered for version "{eviction["apiVersion"]}"')
    found = [p for p in state["pods"] if (p["metadata"]["namespace"], p["metadata"]["name"]) == (namespace, name)]
    if not found:
        fail(f'Error from server (NotFound): pods "{name}" not found')
    meta = found[0]["metadata"]
    wanted = eviction["deleteOptions"]["preconditions"]["uid"]
    if wanted != meta["uid"]:
        fail(
            f"Error from server (Conflict): Precondition failed: UID in precondition: {wanted}, UID in object meta: other"
        )
    for budget in state["budgets"]:
        if budget["spec"]["selector"]["matchLabels"].items() <= meta["labels"].items():
            if budget["status"]["disruptionsAllowed"] < 1:
                # Held so many times, then granted: its replacement has become healthy elsewhere.
                budget["status"]["disruptionsAllowed"] = int(budget.get("grant_after") == 1)
                budget["grant_after"] = budget.get("grant_after", 0) - 1
                fail(HELD)
            budget["status"]["disruptionsAllowed"] -= 1
    write()
    meta["deletionTimestamp"] = "2026-11-24T05:00:00Z"
    state.setdefault("evicted", []).append(name)
    print(json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}))


state.setdefault("calls", []).append(arguments)
if state.get("silent", 0) > 0:
    state["silent"] -= 1
    fail("The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?")
if arguments[:2] == ["get", "node"]:
    print(json.dumps(node(arguments[2])) if node(arguments[2]) else "")
elif arguments[:2] == ["get", "nodes"]:
    print(json.dumps({"items": state["nodes"]}))
elif arguments[0] == "get" and arguments[1].startswith("node/"):
    state["renewed"] = state.get("renewed", 0) + 1
    lease = {"kind": "Lease", "metadata": {}, "spec": {"renewTime": str(state["renewed"])}}
    print(json.dumps({"items": [node(arguments[1].split("/")[1]), lease]}))
elif arguments[:3] == ["get", "--raw", "/readyz"]:
    print("ok")
elif arguments[:2] == ["get", "pods"]:
    end_pods()
    name = next(word for word in arguments if word.startswith("spec.nodeName=")).split("=")[1]
    print(json.dumps({"items": [one for one in state["pods"] if one["spec"]["nodeName"] == name]}))
elif arguments[:2] == ["get", "poddisruptionbudgets.policy"]:
    print(json.dumps({"items": state["budgets"]}))
elif arguments == ["get", "--raw", "/api/v1"]:
    served = {"name": "pods/eviction", "group": "policy", "version": state.get("eviction", "v1"), "kind": "Eviction"}
    print(json.dumps({"resources": [{"name": "pods"}, served]}))
elif arguments[:2] == ["patch", "node"]:
    change = json.loads(arguments[-1])
    meta = node(arguments[2])["metadata"]
    if change["metadata"].pop("resourceVersion") != meta["resourceVersion"]:
        fail('Error from server (Conflict): Operation cannot be fulfilled on nodes "n1": the object has been modified')
    write()
    merge(node(arguments[2]), change)
    meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)
elif arguments[:2] == ["create", "--raw"]:
    evict(arguments[2], json.load(sys.stdin))
else:
    fail(f"error: unknown command {arguments}")
save()
