#!/usr/bin/env python3
"""Reads until SIGTERM from both instances of PostgreSQL, from both of Redis, and on the Swarm and on K3s who has a host's GPUs; says how often
both were seen to have what only one may have: an application's writes, or a GPU.

usage: watcher.py PASSWORD_FILE RESULT.json SWARM K3S     with PGUSER and PGDATABASE set; SWARM is the host that has the stores at their own ports,
       K3S one that has node ports

It runs on a manager of the Swarm that is a server of K3s, and removes PASSWORD_FILE when it has read it. The module C(looks), which judges, lies
beside it.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import typing as t

import looks

# The hosts share a few cores with all that is moved.
POSTGRES_PAUSE_S, REDIS_PAUSE_S, GPUS_PAUSE_S, PORTS_PAUSE_S = 0.6, 0.2, 5, 5
# A host's GPUs are not given and taken back in less.
GPUS_BRIEF_S = 12
TIMEOUT_S = 5
DOCKER, K3S = "/run/docker.sock", "/run/lab-watch-k3s.sock"
KUBECONFIG = pathlib.Path("/etc/rancher/k3s/k3s.yaml")
# Debian's C(psql) is a program that looks for this one, which takes longer than to ask.
PSQL = str(next(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql")))
GPU_LABEL, GPU_SERVICE = "replatform.sophia.ai.gpu", "sophia_rag-pipeline"
ENDED = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"}


def postgres(address: str) -> str:
    """What an application's new connection may do."""
    host, _colon, port = address.partition(":")
    command = [PSQL, f"host={host} port={port} connect_timeout={TIMEOUT_S}", "-XAtqc", looks.READ]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S).stdout.strip()
    except subprocess.SubprocessError as exc:
        raise RuntimeError from exc


def redis(address: str) -> str:
    """The instance's role."""
    host, _colon, port = address.partition(":")
    try:
        with socket.create_connection((host, int(port)), TIMEOUT_S) as connection:
            connection.sendall(b"ROLE\r\n")
            with connection.makefile() as answer:
                return [answer.readline() for _line in ("how many", "how long", "role")][2].strip()
    except OSError as exc:
        raise RuntimeError from exc


def answer(api: str, path: str) -> list[dict[str, t.Any]]:
    """What an API says."""
    # By curl's own name the lab's API server takes it for a person, writes indented JSON, and falls over that (built by a later Go than it is for).
    command = ["curl", "-sS", "--fail", "--user-agent", "lab-watch", "--unix-socket", api, f"http://localhost/{path}"]
    try:
        said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT_S).stdout
    except (OSError, subprocess.SubprocessError) as exc:
        raise RuntimeError from exc
    told = json.loads(said)
    return told["items"] if isinstance(told, dict) else told


class Proxy:
    """kubectl's way to the API, once there is one. A start of kubectl for each look takes more of a CPU than all the rest here."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """Begin it, or begin it anew where it leads nowhere."""
        if self.process:
            try:
                answer(K3S, "api/v1/namespaces")
            except RuntimeError:
                self.end()
        elif KUBECONFIG.exists():
            pathlib.Path(K3S).unlink(missing_ok=True)
            self.process = subprocess.Popen(["/usr/local/bin/k3s", "kubectl", "proxy", f"--unix-socket={K3S}"])

    def end(self) -> None:
        """End it."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def gpus_of_swarm() -> frozenset[str]:
    """The hosts whose GPUs it may give to a task, or has given to one that has not ended."""
    nodes = {one["ID"]: one for one in answer(DOCKER, "nodes")}
    service = {one["ID"] for one in answer(DOCKER, "services") if one["Spec"]["Name"] == GPU_SERVICE}
    tasks = [
        one for one in answer(DOCKER, "tasks") if one["ServiceID"] in service and one["Status"]["State"] not in ENDED
    ]
    has = {one.get("NodeID") for one in tasks} | {
        key for key, one in nodes.items() if GPU_LABEL not in (one["Spec"]["Labels"] or {})
    }
    return frozenset(node["Description"]["Hostname"] for key, node in nodes.items() if key in has)


def gpus_of_k3s() -> frozenset[str]:
    """The hosts whose GPUs it offers."""
    nodes = answer(K3S, "api/v1/nodes")
    offered = {
        one["metadata"]["name"]: one["status"].get("allocatable", {}).get("nvidia.com/gpu", "0") for one in nodes
    }
    return frozenset(name for name, gpus in offered.items() if gpus != "0")


def postgres_watch(*addresses: str) -> looks.Watch:
    """Both instances of PostgreSQL."""
    reads = [looks.takes(functools.partial(postgres, one), looks.TAKES_WRITES) for one in addresses]
    return looks.Watch(reads, POSTGRES_PAUSE_S, looks.BRIEF_S)


def redis_watch(*addresses: str) -> looks.Watch:
    """Both instances of Redis."""
    return looks.Watch([looks.takes(functools.partial(redis, one), "master") for one in addresses], REDIS_PAUSE_S)


STORES = {"postgres": (5432, postgres_watch), "redis": (6379, redis_watch)}


def port_on_k3s(name: str) -> int | None:
    """The node port of a store's instance there, once there is one."""
    try:
        services = answer(K3S, "api/v1/services")
    except RuntimeError:
        return None
    return next(
        (one["spec"]["ports"][0]["nodePort"] for one in services if one["metadata"]["name"] == f"{name}-k3s"), None
    )


def is_wanted_to_end() -> bool:
    """Waits for a while whether it is."""
    return signal.sigtimedwait({signal.SIGTERM}, PORTS_PAUSE_S) is not None


def main() -> None:
    """Watch, and write the result."""
    password, result, on_swarm, on_k3s = sys.argv[1:]
    os.environ["PGPASSWORD"] = pathlib.Path(password).read_text(encoding="utf-8").strip()
    pathlib.Path(password).unlink()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    watches = {"gpus": looks.Watch([gpus_of_swarm, gpus_of_k3s], GPUS_PAUSE_S, GPUS_BRIEF_S)}
    watches["gpus"].start()
    proxy = Proxy()
    while not is_wanted_to_end():
        proxy.keep()
        for name, (port, watch) in STORES.items():
            there = None if name in watches else port_on_k3s(name)
            if there:
                watches[name] = watch(f"{on_swarm}:{port}", f"{on_k3s}:{there}")
                watches[name].start()
    for one in watches.values():
        one.leave.set()
        one.join()
    proxy.end()
    told = {name: {"read": one.conclusive, "both": [str(look) for look in one.both]} for name, one in watches.items()}
    pathlib.Path(result).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
