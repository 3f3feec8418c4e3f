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
RUNS = 5


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
    """The median of several runs."""
    took = []
    for _ in range(RUNS):
        begin = time.perf_counter()
        work()
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def whole(text: str) -> object:
    """From the text to values and verdicts."""
    stack = load_stack({"stack.yml": text}, {}, "bench", lambda name: "")
    return convert(stack, Options())


def main() -> int:
    """Print one line a size."""
    for size in SIZES:
        text = stack_text(size)
        ours = seconds(lambda text=text: whole(text))
        theirs = seconds(lambda text=text: yaml.load(text, Loader=yaml.SafeLoader))
        print(
            f"stack_values: {size} services in {ours:.2f} s, PyYAML's parse {theirs:.2f} s, ratio {ours / theirs:.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
