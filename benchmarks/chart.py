"""Rendering the umbrella that is made of the lab's stack against charts of helm's own scaffold for as many services.

The scaffold (C(helm create), a subchart a service) is what a team would write by hand: it renders fewer objects of a service. What helm
takes to start, read a chart and print is in both; a chart with the very objects as plain text says how much that is.
"""

from __future__ import annotations

import copy
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t

import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.chart import run as umbrella
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options
from ansible_collections.sophia.replatform.plugins.modules import umbrella_chart

ROOT = pathlib.Path(__file__).parents[1]
STACK = ROOT / "lab/services/docker-stack.yml"
COPIES = (1, 8)
"""So many times the lab's 13 services."""
RUNS = 7
MOST_RATIO = 3.0


def values(copies: int) -> dict[str, t.Any]:
    """The lab's services, and again under other names."""
    stack = load_stack({STACK.name: STACK.read_text("utf-8")}, {}, "bench", lambda name: "")
    made = convert(stack, Options(workload_keys=True, host_ports=False)).values
    services = made["services"]
    made["services"] = {
        f"{name}-{number}": copy.deepcopy(service) for number in range(copies) for name, service in services.items()
    }
    return {**made, "networkPolicy": {"enabled": True}}


def ours(folder: pathlib.Path, given: dict[str, t.Any]) -> None:
    documented = yaml.safe_load(umbrella_chart.DOCUMENTATION)["options"]
    options = {name: option.get("default") for name, option in documented.items()}
    source = str(ROOT / "roles/platform/files/chart")
    # Six groups, as the lab's.
    groups = [{"name": name, "group": f"group-{number % 6}"} for number, name in enumerate(given["services"])]
    own = {"name": "bench", "source": source, "path": str(folder), "values": given, "services": groups}
    umbrella.umbrella_chart({**options, **own}, check_mode=False)


def theirs(helm: str, folder: pathlib.Path, names: t.Iterable[str]) -> None:
    (folder / "charts").mkdir(parents=True)
    for name in names:
        subprocess.run([helm, "create", str(folder / "charts" / name)], check=True, capture_output=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: bench\nversion: 1.0.0\n")


def plain(folder: pathlib.Path, text: str) -> None:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: bench\nversion: 1.0.0\n")
    # Text as it stands: braces in it are no template's.
    (folder / "templates" / "all.yaml").write_text(text.replace("{{", "{{ `{{` }}"))


def render(helm: str, folder: pathlib.Path) -> tuple[str, float]:
    """What helm prints, and how many seconds that took."""
    command = [helm, "template", "bench", str(folder), "--kube-version", "1.33.0"]
    begin = time.perf_counter()
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return text, time.perf_counter() - begin


def main() -> int:
    """Print one line a size; fail beyond the limits. The sides run in turns, since a machine is not always as fast."""
    helm = subprocess.run([ROOT / "tests/chart/helm"], check=True, capture_output=True, text=True).stdout.strip()
    ratios, times = [], []
    for copies in COPIES:
        with tempfile.TemporaryDirectory() as work:
            folders = [pathlib.Path(work, name) for name in ("ours", "theirs", "plain")]
            given = values(copies)
            ours(folders[0], given)
            theirs(helm, folders[1], given["services"])
            texts = [render(helm, folder)[0] for folder in folders[:2]]
            plain(folders[2], texts[0])
            rounds = [[render(helm, folder)[1] for folder in folders] for _ in range(RUNS)]
        ratio = statistics.median(one[0] / one[1] for one in rounds)
        mine, scaffold, floor = (statistics.median(side) for side in zip(*rounds, strict=True))
        ratios.append(ratio)
        times.append(mine)
        counts = [text.count("\nkind: ") for text in texts]
        print(
            f"chart: {len(given['services'])} services, {counts[0]} objects in {mine:.2f} s, helm's scaffold {counts[1]} in "
            f"{scaffold:.2f} s, ratio {ratio:.2f}; the objects as plain text {floor:.2f} s"
        )
    services, growth = COPIES[-1] / COPIES[0], times[-1] / times[0]
    print(f"chart: {services:.0f} times the services in {growth:.1f} times the time")
    return int(max(ratios) > MOST_RATIO or growth > services)


if __name__ == "__main__":
    sys.exit(main())
