"""Draining a Swarm node: swarm_drain beside `docker node update --availability drain`.

usage: benchmarks/drain.py [--turns N]

The lab must be up (`make lab-up`), with nothing migrated. A service of ten tasks and one of a single task are made, and clients on
their network, who resolve the name for each request, ask both 50 times a second. Each turn drains a node with a task of each of them,
once by Docker alone and once by the module, and makes it active again. Prints requests and failures, how many tasks the services lacked
at the worst moment, and the seconds until the node was empty and the services were whole. Limit: no failure with the module.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import threading
import time
import typing as t

PROJECT = pathlib.Path(__file__).resolve().parent.parent
MANAGER = "sophia-production-instance"
IMAGE = "172.31.77.2:5000/sophia/backend:1.0"
SERVICES = {"bench-many": 10, "bench-one": 1}
CLIENT = """
import http.client, json, os, random, signal, socket, threading, time
leave = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: leave.set())
asked, failed = {}, {}
def ask(name):
    address = random.choice(socket.getaddrinfo(name, 8001, socket.AF_INET, socket.SOCK_STREAM))[4]
    connection = http.client.HTTPConnection(*address, timeout=5)
    connection.request("GET", "/whoami")
    if connection.getresponse().status != 200:
        raise OSError("status")
    connection.close()
def client(name):
    while not leave.is_set():
        begun = time.monotonic()
        asked[name] = asked.get(name, 0) + 1
        try:
            ask(name)
        except (OSError, http.client.HTTPException):
            failed[name] = failed.get(name, 0) + 1
        leave.wait(max(0, 0.1 - time.monotonic() + begun))
for name in os.environ["NAMES"].split():
    for _ in range(5):
        threading.Thread(target=client, args=[name]).start()
leave.wait()
time.sleep(6)  # longer than a request may take
print(json.dumps({"asked": asked, "failed": failed}), flush=True)
os._exit(0)
"""


def docker(*words: str, on: str = MANAGER) -> str:
    """What a program says on a host of the lab."""
    command = ["docker", "exec", f"replatform-lab-{on}", "docker", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def until(what: str, holds: t.Callable[[], bool]) -> None:
    end = time.monotonic() + 180
    while not holds():
        if time.monotonic() > end:
            raise SystemExit(f"still not so: {what}")
        time.sleep(0.3)  # Docker's commands tell nobody when a task has moved


def replicas() -> dict[str, tuple[int, int]]:
    """Running and wanted tasks of each service."""
    lines = docker("service", "ls", "--filter", "name=bench-", "--format", "{{.Name}} {{.Replicas}}").splitlines()
    return {
        name: (int(has), int(wants))
        for name, _, count in (x.partition(" ") for x in lines)
        for has, wants in [count.split("/")]
    }


def whole() -> bool:
    return all(has == wants for has, wants in replicas().values())


def tasks(name: str) -> list[str]:
    """The nodes of its tasks that shall run."""
    return docker("service", "ps", name, "--filter", "desired-state=running", "--format", "{{.Node}}").split()


def empty(node: str) -> bool:
    """Whether no task of ours runs there or is about to end there."""
    lines = docker("node", "ps", node, "--format", "{{.Name}} {{.CurrentState}}").splitlines()
    return not any(line.startswith("bench-") and line.split()[1] in ("Running", "Starting", "Ready") for line in lines)


class Lacking(threading.Thread):
    """How many tasks each service lacked at its worst."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.worst = dict.fromkeys(SERVICES, 0)
        self.leave = threading.Event()

    def run(self) -> None:
        while not self.leave.wait(0.1):
            for name, (has, wants) in replicas().items():
                self.worst[name] = max(self.worst[name], wants - has)


def make() -> None:
    docker("network", "create", "--driver", "overlay", "--attachable", "bench")
    for name, count in SERVICES.items():
        docker(
            *("service", "create", "--detach", "--name", name, "--replicas", str(count), "--network", "bench"),
            *(
                "--endpoint-mode",
                "dnsrr",
                "--env",
                "SERVICE=backend",
                "--env",
                "PORT=8001",
                "--stop-grace-period",
                "20s",
            ),
            *("--health-cmd", "busybox wget -q -O /dev/null http://127.0.0.1:8001/health", "--health-interval", "1s"),
            *("--restart-condition", "any", "--no-resolve-image", IMAGE),
        )
    until("the services run", whole)


def unmake() -> None:
    subprocess.run(
        ["docker", "exec", f"replatform-lab-{MANAGER}", "docker", "rm", "-f", "bench-client"],
        capture_output=True,
        check=False,
    )
    docker("service", "rm", *SERVICES)
    until("the network can go", lambda: not docker("network", "ls", "-q", "--filter", "name=^bench$") or gone())


def gone() -> bool:
    try:
        docker("network", "rm", "bench")
    except subprocess.CalledProcessError:
        return False
    return True


def by_docker(node: str) -> None:
    docker("node", "update", "--availability", "drain", node)


def by_module(node: str) -> None:
    options = json.dumps({"node": node, "may_move": list(SERVICES), "may_stop": others(node)})
    command = ["ansible", MANAGER, "-i", "inventories/lab", "-b", "-m", "sophia.replatform.swarm_drain", "-a", options]
    done = subprocess.run(
        command,
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)


def others(node: str) -> list[str]:
    """What else is there: it may stop, by either way."""
    names = docker("node", "ps", node, "--filter", "desired-state=running", "--format", "{{.Name}}").split()
    return sorted({name.rpartition(".")[0] for name in names} - set(SERVICES))


def turn(drain: t.Callable[[str], None]) -> dict[str, t.Any]:
    [node] = tasks("bench-one")
    until("a task of each is on it", lambda: node in tasks("bench-many"))
    names = ["--env", f"NAMES={' '.join(SERVICES)}", "--network", "bench", "--name", "bench-client"]
    docker("run", "--detach", *names, IMAGE, "python3", "-c", CLIENT)
    time.sleep(3)  # some requests before it
    lacking = Lacking()
    lacking.start()
    begun = time.monotonic()
    drain(node)
    until("the node is empty and the services are whole", lambda: empty(node) and whole())
    seconds = time.monotonic() - begun
    time.sleep(3)  # and after it
    lacking.leave.set()
    lacking.join()
    docker("stop", "--time", "30", "bench-client")
    said = json.loads(docker("logs", "bench-client").splitlines()[-1])
    docker("rm", "bench-client")
    docker("node", "update", "--availability", "active", node)
    docker("service", "update", "--detach=false", "--quiet", "--force", "bench-many")
    return {"seconds": round(seconds, 1), "lacking": lacking.worst, **said}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    turns = parser.parse_args().turns
    make()
    failures = 0
    try:
        for _turn in range(turns):
            for name, drain in (("docker node update", by_docker), ("swarm_drain", by_module)):
                row = turn(drain)
                if drain is by_module:
                    failures += sum(row["failed"].values())
                print(f"{name:<20}", json.dumps(row), flush=True)
    finally:
        unmake()
    if failures:
        raise SystemExit(f"swarm_drain: {failures} requests failed; the limit is 0")


if __name__ == "__main__":
    main()
