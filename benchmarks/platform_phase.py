"""The lab's platform on K3s: phase 3 beside helm by hand with the same chart and values.

usage: benchmarks/platform_phase.py [--turns N]

The lab must be up and past phase 2, and nothing may be served from K3s yet (`ansible-playbook playbooks/phase2_cluster.yml -i
inventories/lab`). Each turn takes the release away, then puts it back: once by `helm upgrade --install --wait`, once by phase 3, which
also converts the stack, compares the secrets, asks every image, endpoint and check, runs `helm test` and commits the chart; and phase 3
again, with nothing to do. Prints seconds; there is no limit, since most of both is the pods' own start.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parent.parent
HELM = pathlib.Path.home() / ".cache/replatform/helm/v3.17.2/linux-amd64/helm"
CHART = pathlib.Path(os.environ["REPLATFORM_CACHE"]) / "lab/repository/kubernetes/helm/sophia"
RELEASE = ["sophia", "--namespace", "sophia"]
KUBECONFIG = str(PROJECT / "artifacts/lab/kubeconfig")


def run(*command: str) -> str:
    """The output of a program, which must end well."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def helm(*words: str) -> str:
    return run(str(HELM), "--kubeconfig", KUBECONFIG, *words)


def phase3() -> tuple[float, int]:
    """How long the phase took, and how much it changed."""
    started = time.monotonic()
    said = run("ansible-playbook", "-i", "inventories/lab", "playbooks/phase3_platform.yml")
    return time.monotonic() - started, sum(int(number) for number in re.findall(r" changed=(\d+) ", said))


def away() -> None:
    """Take the release away, and wait until no pod is left of it."""
    helm("uninstall", *RELEASE, "--wait", "--timeout", "5m")
    pods = ["kubectl", "--kubeconfig", KUBECONFIG, "--namespace", "sophia", "wait", "pod", "--all"]
    subprocess.run([*pods, "--for=delete", "--timeout=300s"], check=False, capture_output=True)


def by_hand(values: str) -> float:
    started = time.monotonic()
    helm("upgrade", "--install", *RELEASE, str(CHART), "--values", values, "--wait", "--timeout", "10m")
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=3)
    turns = parser.parse_args().turns
    phase3()
    rows: dict[str, list[float]] = {"helm by hand": [], "phase 3": [], "phase 3 again": []}
    with tempfile.TemporaryDirectory() as folder:
        values = pathlib.Path(folder, "values.yaml")
        values.touch(mode=0o600)
        values.write_text(helm("get", "values", *RELEASE, "--output", "yaml"))
        for _turn in range(turns):
            away()
            rows["helm by hand"].append(by_hand(str(values)))
            away()
            rows["phase 3"].append(phase3()[0])
            seconds, changed = phase3()
            if changed:
                raise SystemExit(f"phase 3 changed {changed} more")
            rows["phase 3 again"].append(seconds)
    for name, seconds in rows.items():
        print(f"{name:<14}{statistics.median(seconds):>7.1f} s   {', '.join(f'{value:.1f}' for value in seconds)}")
    print(
        f"phase 3 to helm by hand: {statistics.median(rows['phase 3']) / statistics.median(rows['helm by hand']):.2f}"
    )


if __name__ == "__main__":
    main()
