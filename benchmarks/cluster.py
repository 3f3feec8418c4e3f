"""Five bare hosts of the lab to five Ready nodes, three of them servers, and the same run again: seconds, tasks, SSH round trips.

usage: benchmarks/cluster.py [--peer INVENTORY PLAYBOOK]

With the inventory and the playbook of another collection for K3s (k3s-ansible's `playbooks/site.yml`, say; it is not part of this
project) both install the same release on the same hosts in turn, and the ratios are printed. Exits 1 when one is beyond its limit.
The lab must be up (`make lab-up`); K3s is taken off its hosts before each first run, and at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import typing as t

PROJECT = pathlib.Path(__file__).resolve().parent.parent
STATE = pathlib.Path(os.environ["REPLATFORM_CACHE"]) / "lab"
HOSTS = {
    f"replatform-lab-sophia-{name}": f"172.31.77.{11 + number}"
    for number, name in enumerate(
        ["production-instance", "ai-core", "mcp-orchestrator", "data-pipeline", "development"]
    )
}
OURS = (str(PROJECT / "inventories/lab-ha"), str(PROJECT / "playbooks/k3s.yml"))
LIMITS = {"first": 0.6, "second": 0.25}


class Run(t.NamedTuple):
    """One run of a playbook: until five nodes are Ready, if they are not yet."""

    seconds: float
    tasks: int
    round_trips: int
    changed: int


def play(inventory: str, playbook: str) -> Run:
    """Run a playbook until the nodes are Ready. Each module that reaches a host is counted as a round trip, by `SSH: EXEC`."""
    ssh = f"-o UserKnownHostsFile={STATE}/known_hosts -o IdentitiesOnly=yes -o ControlMaster=auto -o ControlPersist=60s"
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"),
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_PRIVATE_KEY_FILE": str(STATE / "id_ed25519"),
        "ANSIBLE_SSH_ARGS": ssh,
    }
    started = time.monotonic()
    command = ["ansible-playbook", "-vvv", "-i", inventory, playbook]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if run.returncode:
        sys.exit(f"{playbook} failed:\n" + "\n".join(run.stdout.splitlines()[-30:]))
    wait_until_ready()
    seconds = time.monotonic() - started
    changed = sum(int(number) for number in re.findall(r" changed=(\d+) ", run.stdout))
    return Run(seconds, len(re.findall(r"^TASK ", run.stdout, re.MULTILINE)), run.stdout.count("SSH: EXEC"), changed)


def wait_until_ready() -> None:
    """Wait until the first server lists five nodes that are Ready."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        command = ["docker", "exec", next(iter(HOSTS)), "k3s", "kubectl", "get", "nodes", "-o", "json"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            conditions = [
                condition["status"]
                for node in json.loads(answer.stdout)["items"]
                for condition in node["status"]["conditions"]
                if condition["type"] == "Ready"
            ]
            if conditions == ["True"] * len(HOSTS):
                return
        time.sleep(0.5)
    sys.exit("the nodes are not Ready after 300 s")


def bare() -> None:
    """Take K3s off every host."""
    script = (PROJECT / "lab/k3s/clear").read_bytes()
    for host in HOSTS:
        subprocess.run(["docker", "exec", "-i", host, "bash", "-s"], input=script, check=True, capture_output=True)


def measure(inventory: str, playbook: str) -> dict[str, Run]:
    """The first run on bare hosts, and the second."""
    bare()
    runs = {"first": play(inventory, playbook), "second": play(inventory, playbook)}
    bare()
    return runs


def main() -> int:
    """Measure one side or both, and print a line a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", nargs=2, metavar=("INVENTORY", "PLAYBOOK"))
    options = parser.parse_args()
    sides = {"ours": measure(*OURS)}
    if options.peer:
        sides["peer"] = measure(*options.peer)
    print(f"{'run':<14}{'seconds':>9}{'tasks':>7}{'round trips':>13}{'changed':>9}")
    for side, runs in sides.items():
        for name, run in runs.items():
            print(f"{side + ', ' + name:<14}{run.seconds:>9.1f}{run.tasks:>7}{run.round_trips:>13}{run.changed:>9}")
    beyond = False
    for name, limit in LIMITS.items() if options.peer else ():
        ratio = sides["ours"][name].seconds / sides["peer"][name].seconds
        beyond |= ratio > limit
        print(f"{name} run, ours to theirs: {ratio:.2f} (limit {limit})")
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
