"""How long a weight takes to be in effect, and traffic to be back after a breach: traffic_shift beside Traefik driven by hand.

usage: benchmarks/traffic.py [--runs N]

By hand means a file renamed into place by somebody who knows at once that it is time, and Traefik's API asked every 10 ms. Both
sides take turns on one real Traefik on loopback, under 100 requests a second, with the settings of the role's template. After a breach, time
runs from the canary's first failed answer until the last request that reached it, so that of traffic_shift has the checks in it
(threshold 3). Prints milliseconds. Exits 1 when half of the breaches took more than 3 s; on a machine that is busy with other
things the slowest say more about that than about either side.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import pathlib
import statistics
import sys
import tempfile
import threading
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import read_journal
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import HealthCheck, Route, Side, render
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.run import run

EQUIPMENT = pathlib.Path(__file__).resolve().parent.parent / "tests/unit/traffic/conftest.py"
_spec = importlib.util.spec_from_file_location("equipment", EQUIPMENT)
assert _spec and _spec.loader
equipment = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(equipment)

HOST = "app.bench"
LIMIT_MS = 3000
PLAIN = {
    "prometheus_url": None,
    "controller_sign": None,
    "prober_dir": None,
    "session_affinity": None,
    "tls": None,
    "dead_man": None,
    "gates": [],
}


class Bench:
    """One Traefik, two sides, and requests to both."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.edge = equipment.Edge(folder)
        self.swarm, self.k3s = equipment.Backend("swarm"), equipment.Backend("k3s")
        self.traffic = equipment.Traffic(self.edge.web, HOST, rate=100.0)
        self.api = EdgeApi(self.edge.api_url)
        self.route = Route(
            "app",
            f"Host(`{HOST}`)",
            Side("swarm", (f"http://{self.swarm.address}",)),
            Side("k3s", (f"http://{self.k3s.address}",)),
            HealthCheck("/health", 1.0, 3.0),
        )

    def shift(self, **changes: t.Any) -> dict[str, t.Any]:
        """One run of the module."""
        values = {
            "name": "app",
            "state": "shifted",
            "rule": self.route.rule,
            "protocol": "http",
            "entry_points": ["web"],
            "primary": {"name": "swarm", "servers": [self.swarm.address]},
            "canary": {"name": "k3s", "servers": [self.k3s.address]},
            "health_check": {"path": "/health", "interval": 1, "timeout": 3, "host": ""},
            "retry_attempts": 3,
            "interval": 60,
            "threshold": 3,
            "step_weights": [50],
            "max_weight": 50,
            "until_weight": 100,
            "min_weight": 0,
            "reason": "",
            "mirror_weight": 0,
            "skip_analysis": False,
            "metrics": [{"name": "request-success-rate", "threshold_range": {"min": 99}}],
            "dead_man_patience": 15,
            "controller_timeout": 0,
            "drain_timeout": 10,
            "dynamic_dir": str(self.edge.dynamic_dir),
            "state_dir": str(self.edge.state_dir),
            "api_url": self.edge.api_url,
            "in_effect_timeout": 20,
            "lock_timeout": 10,
            "journal": str(self.edge.state_dir / "journal.jsonl"),
            "phase": "cutover",
            "deadline": 600,
            **PLAIN,
            **changes,
        }
        result: dict[str, t.Any] = {"changed": False, "steps": []}
        run(values, False, result)
        return result

    def by_hand(self, weight: int) -> float:
        """Writes the weight as a person would and waits for it; milliseconds."""
        route = Route(**{**self.route.__dict__, "weight": weight})
        aside = self.edge.dynamic_dir / "app.new"
        aside.write_text(render(route))
        begin = time.monotonic()
        os.rename(aside, self.edge.dynamic_dir / "app.yml")
        while not self.api.in_effect(route):
            time.sleep(0.01)  # between two questions to the API
        return (time.monotonic() - begin) * 1000

    def last_request_after(self, begin: float, done: t.Callable[[], bool]) -> float:
        """Milliseconds from O(begin) to the last request that reached the canary, once O(done) and half a second has passed."""
        last, served = begin, self.k3s.served
        quiet = None
        while quiet is None or time.monotonic() < quiet:
            if self.k3s.served != served:
                last, served = time.monotonic(), self.k3s.served
            if quiet is None and done():
                quiet = time.monotonic() + 0.5
            time.sleep(0.002)  # the figure is no finer than this
        return (last - begin) * 1000

    def effect(self) -> tuple[float, float]:
        """The same weight in effect: by the module, and by hand."""
        self.by_hand(0)
        ours = next(s for s in self.shift(skip_analysis=True)["steps"] if s["name"] == "weight")["in_effect_ms"]
        self.by_hand(0)
        return ours, self.by_hand(50)

    def breach(self) -> tuple[float, float, float]:
        """The canary begins to fail: traffic back by the module, its own figure from the breach on, and by hand."""
        self.by_hand(0)
        result: dict[str, t.Any] = {}
        ended = threading.Event()

        def shift() -> None:
            try:
                self.shift()
            except RefusedError as exc:
                result["reason"] = str(exc)
            ended.set()

        threading.Thread(target=shift).start()
        ours = self._from_first_failure(ended.is_set)
        back_ms = self._last_back_ms()
        self.by_hand(50)
        hand = self._from_first_failure(lambda: self.by_hand(0) > 0)
        return ours, back_ms, hand

    def _from_first_failure(self, done: t.Callable[[], bool]) -> float:
        served = self.k3s.served
        while self.k3s.served < served + 30:
            time.sleep(0.005)  # between two looks
        self.k3s.fail_every = 2
        failed = self.traffic.failed
        while self.traffic.failed == failed:
            time.sleep(0.001)  # the figure is no finer than this
        begin = time.monotonic()
        try:
            return self.last_request_after(begin, done)
        finally:
            self.k3s.fail_every = 0

    def _last_back_ms(self) -> float:
        records = read_journal(str(self.edge.state_dir / "journal.jsonl"))
        return float([r["data"]["back_ms"] for r in records if "back_ms" in r["data"]][-1])

    def stop(self) -> None:
        self.traffic.stop()
        self.swarm.stop()
        self.k3s.stop()
        self.edge.stop()


def row(name: str, values: t.Sequence[float]) -> str:
    """Smallest, median, 95th percentile and largest."""
    ordered = sorted(values)
    high = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return f"| {name} | {ordered[0]:.0f} | {statistics.median(ordered):.0f} | {high:.0f} | {ordered[-1]:.0f} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(pathlib.Path(folder))
        try:
            bench.shift(state="present")
            bench.traffic.start()
            effects = [bench.effect() for _run in range(runs)]
            breaches = [bench.breach() for _run in range(runs)]
        finally:
            bench.stop()
    print(f"{runs} runs each, milliseconds\n\n| | least | median | 95 % | most |\n|---|---|---|---|---|")
    print(row("written until in effect, traffic_shift", [ours for ours, _hand in effects]))
    print(row("written until in effect, by hand", [hand for _ours, hand in effects]))
    print(row("first failed answer until the last request to the canary, traffic_shift", [b[0] for b in breaches]))
    print(row("breach found until weight 0 in effect, traffic_shift", [b[1] for b in breaches]))
    print(row("first failed answer until the last request to the canary, by hand at once", [b[2] for b in breaches]))
    return int(statistics.median(b[0] for b in breaches) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
