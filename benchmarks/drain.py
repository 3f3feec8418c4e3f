"""Draining a Swarm node: swarm_drain beside `docker node update --availability drain`.

usage: benchmarks/drain.py [--turns N]

The lab must be up (`make lab-up`), with nothing migrated. A service of ten tasks and one of a single task are made, and clients on
their network, who resolve the name for each request, ask both 50 times a second. Each turn drains a node with a task of each of them,
once by Docker alone and once by the module, and makes it active again. Prints requests and failures, how many tasks the services lacked
at the worst moment, and the seconds until the node was empty and the services were whole. Limit: no failure with the module.

Before that, what the module refuses is provoked, in check mode, and what it said is printed: a service a case, on the same Swarm. Docker
alone refuses none of it. Limit: every case is refused, for its own reason. Cases for which managers or nodes would have to fail, or
an update or another drain to stand still, are left to the tests on models (tests/unit/swarm).
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
HEALTHY = ("--health-cmd", "busybox wget -q -O /dev/null http://127.0.0.1:8001/health", "--health-interval", "1s")
WORKER, NODES = "sophia-data-pipeline", 5
# What is provoked: words of the reason, the service's name, and what it is made with.
CASES = {
    "no health check in the spec": ("has no health check", "bench-unseen", ("--replicas", "2")),
    "a global service": ("is global", "bench-global", ("--mode", "global", *HEALTHY)),
    "a local volume": (
        "has a local volume",
        "bench-volume",
        ("--replicas", "2", "--mount", "type=volume,target=/kept", *HEALTHY),
    ),
    "files of the node": (
        "mounts files of its node",
        "bench-files",
        ("--replicas", "2", "--mount", "type=bind,source=/etc,target=/host,readonly", *HEALTHY),
    ),
    "fewer tasks than there shall be": (
        "has fewer running tasks",
        "bench-lacking",
        ("--replicas", str(NODES + 1), "--replicas-max-per-node", "1", *HEALTHY),
    ),
    "a host port, taken on every node": (
        "has port 18001 in use",
        "bench-port",
        ("--replicas", str(NODES), "--publish", "mode=host,target=8001,published=18001", *HEALTHY),
    ),
    "a task per node at most": (
        "the most per node",
        "bench-each",
        ("--replicas", str(NODES), "--replicas-max-per-node", "1", *HEALTHY),
    ),
    "a constraint to one node": (
        f"is not node.hostname=={WORKER}",
        "bench-bound",
        ("--replicas", "2", "--constraint", f"node.hostname=={WORKER}", *HEALTHY),
    ),
    "may stop, would not start again": (
        "would never start again",
        "bench-finite",
        ("--replicas", "2", "--restart-condition", "none", *HEALTHY),
    ),
}
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
        for has, wants in [count.split()[0].split("/")]  # it may go on with "(max 1 per node)"
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


def create(name: str, *more: str) -> None:
    docker(
        *("service", "create", "--detach", "--name", name, "--network", "bench", "--endpoint-mode", "dnsrr"),
        *("--env", "SERVICE=backend", "--env", "PORT=8001", "--stop-grace-period", "20s"),
        *("--restart-condition", "any", *more, "--no-resolve-image", IMAGE),
    )


def make() -> None:
    docker("network", "create", "--driver", "overlay", "--attachable", "bench")
    for name, count in SERVICES.items():
        create(name, "--replicas", str(count), *HEALTHY)
    until("the services run", whole)


def unmake() -> None:
    subprocess.run(
        ["docker", "exec", f"replatform-lab-{MANAGER}", "docker", "rm", "-f", "bench-client"],
        capture_output=True,
        check=False,
    )
    docker("service", "rm", *replicas())
    until("the network can go", lambda: not docker("network", "ls", "-q", "--filter", "name=^bench$") or gone())


def gone() -> bool:
    try:
        docker("network", "rm", "bench")
    except subprocess.CalledProcessError:
        return False
    return True


def by_docker(node: str) -> None:
    docker("node", "update", "--availability", "drain", node)


def module(options: dict[str, t.Any], *more: str, on: str = MANAGER) -> tuple[int, str]:
    """The exit code of a run of swarm_drain, and all that was said."""
    arguments = ["-m", "sophia.replatform.swarm_drain", "-a", json.dumps(options), *more]
    done = subprocess.run(
        ["ansible", on, "-i", "inventories/lab", "-b", *arguments],
        cwd=PROJECT,
        env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def by_module(node: str) -> None:
    status, said = module({"node": node, "may_move": list(SERVICES), "may_stop": others(node)})
    if status:
        raise SystemExit(said)


def others(node: str) -> list[str]:
    """What else is there: it may stop, by either way."""
    names = docker("node", "ps", node, "--filter", "desired-state=running", "--format", "{{.Name}}").split()
    return sorted({name.rpartition(".")[0] for name in names} - set(SERVICES))


def said_in_check_mode(options: dict[str, t.Any], on: str = MANAGER) -> str:
    """Why it was refused; nothing where it was not."""
    status, said = module(options, "--check", on=on)
    if not status:
        return ""
    try:
        return str(json.JSONDecoder().raw_decode(said[said.index("=> {") + 3 :])[0]["msg"])
    except (ValueError, KeyError):
        return " ".join(said.split())


def may_stop(name: str) -> bool:
    """Whether its tasks may stop; what is only to be moved is refused for another reason."""
    return name == "bench-finite"


def refusal_of(name: str, options: t.Sequence[str]) -> str:
    """What is said of a node with a task of such a service, when all else may be moved or stop."""
    create(name, *options)
    until(f"{name} has all tasks that it can have", lambda: 0 < replicas().get(name, (0, 0))[0] == could_run(name))
    node = tasks(name)[0]
    stopping = [one for one in others(node) if may_stop(one) or one != name]
    said = said_in_check_mode({"node": node, "may_move": list(SERVICES), "may_stop": stopping})
    docker("service", "rm", name)
    return said


def could_run(name: str) -> int:
    """How many tasks of the service the nodes have room for."""
    wanted = replicas()[name][1]
    return NODES if name == "bench-lacking" else wanted


def refusals() -> int:
    """Print a table of what is refused, and return how many were not, or not for their own reason."""
    (one,) = tasks("bench-one")
    rows = [
        ("no such node", "names 0 nodes", said_in_check_mode({"node": "nobody"})),
        ("not on a manager", "no manager", said_in_check_mode({"node": WORKER}, on=WORKER)),
        (
            "a single task",
            "is a single task",
            said_in_check_mode({"node": one, "may_move": ["bench-many"], "may_stop": others(one)}),
        ),
    ]
    for what, (reason, name, options) in CASES.items():
        rows.append((what, reason, refusal_of(name, options)))
    for what, _reason, said in rows:
        print(f"{what:<34} {said or 'NOT REFUSED'}", flush=True)
    return sum(reason not in said for _what, reason, said in rows)


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
        unrefused = refusals()
        for _turn in range(turns):
            for name, drain in (("docker node update", by_docker), ("swarm_drain", by_module)):
                row = turn(drain)
                if drain is by_module:
                    failures += sum(row["failed"].values())
                print(f"{name:<20}", json.dumps(row), flush=True)
    finally:
        unmake()
    if failures or unrefused:
        raise SystemExit(
            f"swarm_drain: {failures} requests failed, {unrefused} cases were not refused as they must; the limit is 0"
        )


if __name__ == "__main__":
    main()
