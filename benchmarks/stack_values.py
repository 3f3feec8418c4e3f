"""Converting a stack of a thousand services against PyYAML's parse of the same text, and how it grows with size."""

from __future__ import annotations

import copy
import statistics
import sys
import time
import typing as t

import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options

SIZES = (250, 1000)
RUNS = 9
MOST_RATIO = 3.0
MOST_GROWTH = 1.5
"""PyYAML's parse is linear in size; a ratio that does not grow is that of a conversion that is linear too."""


def stack_text(services: int) -> str:
    """A stack file with the keys that one finds in most of them."""
    one = {
        "image": "registry.example/app:${TAG:-1.0}",
        "environment": {"NODE_NAME": "{{.Node.Hostname}}", "LEVEL": "info"},
        "healthcheck": {"test": ["CMD-SHELL", "wget -q -O- http://127.0.0.1:8080/health"], "interval": "10s"},
        "deploy": {
            "replicas": 2,
            "update_config": {"order": "start-first", "parallelism": 1},
            "resources": {"limits": {"cpus": "0.5", "memory": "128M"}},
            "placement": {"constraints": ["node.role == worker"]},
        },
        "ports": [{"target": 8080, "published": 8080, "mode": "host"}],
    }
    return yaml.safe_dump({"version": "3.8", "services": {f"service-{n}": copy.deepcopy(one) for n in range(services)}})


def seconds(work: t.Callable[[], object]) -> float:
    """How long it took, once."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def whole(text: str) -> object:
    """From the text to values and verdicts."""
    stack = load_stack({"stack.yml": text}, {}, "bench", lambda name: "")
    return convert(stack, Options(workload_keys=True))


def parse(text: str) -> object:
    """PyYAML at its fastest: the loader in C, where it is built, which the module uses too."""
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def main() -> int:
    """Print one line a size; fail beyond the limits. Both sides run in turns, since a machine is not always as fast."""
    medians = []
    for size in SIZES:
        text = stack_text(size)
        pairs = [(seconds(lambda text=text: whole(text)), seconds(lambda text=text: parse(text))) for _ in range(RUNS)]
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        ours, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
        medians.append(ratio)
        print(f"stack_values: {size} services in {ours:.2f} s, PyYAML's parse {theirs:.2f} s, ratio {ratio:.2f}")
    growth = medians[-1] / medians[0]
    print(f"stack_values: the ratio grows {growth:.2f} times from {SIZES[0]} to {SIZES[-1]} services")
    return int(medians[-1] > MOST_RATIO or growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.exit(main())
