"""The command on a fleet of simulated hosts: what it adds to Ansible's own time, and its memory.

usage: benchmarks/fleet.py [--hosts 500] [--forks 50] [--rounds 3]

Every host is this machine (`ansible_connection: local`), in an inventory that is made for it from inventories/staging; nothing else is
contacted. Preflight looks at each of them, and ends by naming what a simulated host lacks, such as a Swarm. Compared in each round:

- `replatform run preflight` with `ansible-playbook playbooks/preflight.yml`, at the same forks;
- `replatform plan --offline` with `ansible all -m ping`, at the same forks.

Exits 1 when a median ratio, less a constant for the start of the command, or the growth of memory from a tenth of the hosts to all of
them is beyond its limit.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

PROJECT = pathlib.Path(__file__).resolve().parent.parent
COMMAND = [str(PROJECT / "replatform/launcher")]
LIMIT = 1.1
CONSTANT_S = 3.0  # Python, Ansible's plugin loader and the inventory, once a call
GROWTH = 1.2


class Run(t.NamedTuple):
    """Seconds, processor time with that of its children, and the most memory that the process itself had, in MB."""

    seconds: float
    processor_s: float
    peak_mb: float


def make_inventory(folder: pathlib.Path, hosts: int) -> pathlib.Path:
    """An inventory of that many hosts, each with an address that nobody has and nothing asks for."""
    inventory = folder / "staging"
    shutil.copytree(PROJECT / "inventories/staging", inventory)
    names = {f"host-{number:04d}": {"ansible_host": address(number)} for number in range(hosts)}
    first, *rest = names
    server: dict[str, t.Any] = {first: {}}
    others: dict[str, t.Any] = {name: {} for name in rest}
    groups = {
        "swarm_manager": server,
        "swarm_worker": others,
        "k3s_server": server,
        "k3s_agent": others,
        "edge": server,
    }
    content = {
        "all": {
            "hosts": {name: {**host, "replatform_arch": "amd64"} for name, host in names.items()},
            "children": {**{group: {"hosts": members} for group, members in groups.items()}, "gpu": {"hosts": {}}},
            "vars": {
                "ansible_connection": "local",
                "ansible_become": False,
                "ansible_python_interpreter": sys.executable,
                "replatform_artifacts": str(folder / "artifacts"),
            },
        }
    }
    (inventory / "hosts.yml").write_text(json.dumps(content))
    return inventory


def address(number: int) -> str:
    """The addresses of 198.18.0.0/15, which RFC 2544 keeps for benchmarks."""
    return f"198.18.{number // 250}.{number % 250 + 1}"


def measure(command: t.Sequence[str]) -> Run:
    """Run it to its end; how it ends says nothing here."""
    started, before = time.monotonic(), processor_s()
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, high_water(process.pid))
        time.sleep(0.05)  # between two looks at its memory
    return Run(time.monotonic() - started, processor_s() - before, peak)


def processor_s() -> float:
    """The processor time of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def high_water(pid: int) -> float:
    """VmHWM of a process in MB, 0 once it has gone."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def main() -> int:
    """Measure, print a line a comparison, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--forks", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    forks = ["--forks", str(options.forks)]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        whole = str(make_inventory(folder / "whole", options.hosts))
        tenth = str(make_inventory(folder / "tenth", max(2, options.hosts // 10)))
        preflight = [*COMMAND, "run", "preflight", *forks, "-i"]
        pairs = {
            "preflight": ([*preflight, whole], ["ansible-playbook", "playbooks/preflight.yml", *forks, "-i", whole]),
            "plan --offline": (
                [*COMMAND, "plan", "--offline", "-i", whole],
                ["ansible", "all", "-m", "ping", *forks, "-i", whole],
            ),
        }
        print(
            f"{options.hosts} hosts, {options.forks} forks, {options.rounds} rounds; seconds, the medians", flush=True
        )
        beyond = False
        peak = 0.0
        for what, (ours, theirs) in pairs.items():
            runs = [(measure(ours), measure(theirs)) for _round in range(options.rounds)]
            ratio = statistics.median((own.seconds - CONSTANT_S) / other.seconds for own, other in runs)
            work = statistics.median((own.processor_s - CONSTANT_S) / other.processor_s for own, other in runs)
            beyond |= ratio > LIMIT
            own_s, other_s = (statistics.median(run.seconds for run in side) for side in zip(*runs))
            print(f"{what:<16}{own_s:>8.1f}  Ansible {other_s:>8.1f}  ratio {ratio:.2f} (limit {LIMIT})", end="")
            print(f"; of processor time {work:.2f}", flush=True)
            peak = peak or max(own.peak_mb for own, _other in runs)
        small = measure([*preflight, tenth]).peak_mb
        beyond |= peak > GROWTH * small
        print(f"memory of preflight: {peak:.0f} MB, with a tenth of the hosts {small:.0f} MB (limit {GROWTH} of it)")
    return int(beyond)


if __name__ == "__main__":
    sys.exit(main())
