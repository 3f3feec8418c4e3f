"""Makers of raw Docker API answers, in the shape of those recorded in fixtures/."""

from __future__ import annotations

import typing as t


def info(state: str = "active", manager: bool = True, node_id: str = "n1", error: str = "") -> dict[str, t.Any]:
    return {
        "Name": "host",
        "Swarm": {"LocalNodeState": state, "ControlAvailable": manager, "NodeID": node_id, "Error": error},
    }


def node(
    node_id: str,
    role: str = "worker",
    availability: str = "active",
    state: str = "ready",
    reachability: str = "reachable",
    leader: bool = False,
    address: str | None = None,
) -> dict[str, t.Any]:
    answer: dict[str, t.Any] = {
        "ID": node_id,
        "Version": {"Index": 7},
        "Spec": {"Role": role, "Availability": availability, "Labels": {}},
        "Description": {"Hostname": f"host-{node_id}"},
        "Status": {"State": state, "Addr": address if address is not None else f"192.0.2.{node_id[1:]}"},
    }
    if role == "manager":
        manager = {"Reachability": reachability, "Addr": f"192.0.2.{node_id[1:]}:2377"}
        if leader:
            manager["Leader"] = True  # type: ignore[assignment]
        answer["ManagerStatus"] = manager
    return answer


def service(
    name: str, stack: str = "shop", replicas: int | None = 1, mode: str = "host", port: int = 8001
) -> dict[str, t.Any]:
    how = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
    ports = [{"Protocol": "tcp", "TargetPort": port, "PublishedPort": port, "PublishMode": mode}]
    return {
        "ID": f"id-{name}",
        "Version": {"Index": 11},
        "Spec": {
            "Name": f"{stack}_{name}",
            "Labels": {"com.docker.stack.namespace": stack},
            "TaskTemplate": {"ContainerSpec": {"Image": f"{name}:1.0"}, "Placement": {}},
            "Mode": how,
            "EndpointSpec": {"Mode": "dnsrr", "Ports": ports},
        },
        "Endpoint": {"Spec": {"Mode": "dnsrr", "Ports": ports}, "Ports": ports},
    }


def task(
    name: str, node_id: str | None, state: str = "running", desired: str = "running", slot: int = 1
) -> dict[str, t.Any]:
    answer: dict[str, t.Any] = {
        "ID": f"task-{name}-{slot}-{node_id}",
        "ServiceID": f"id-{name}",
        "Slot": slot,
        "DesiredState": desired,
        "Status": {"State": state},
    }
    if node_id:
        answer["NodeID"] = node_id
        answer["Status"]["ContainerStatus"] = {"ContainerID": f"c-{name}-{slot}"}
    return answer
