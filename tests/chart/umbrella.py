"""Write the umbrella chart for Helm values, and print its values for a release as YAML.

Usage: umbrella.py VALUES STACK FOLDER. A file beside the stack, NAME.chart.yaml, holds options of umbrella_chart.
"""

from __future__ import annotations

import pathlib
import sys

import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.chart import run
from ansible_collections.sophia.replatform.plugins.modules import umbrella_chart

CHART = pathlib.Path(__file__).parents[2] / "roles" / "platform" / "files" / "chart"


def write(values: dict, folder: str, **options) -> dict:
    """The result of umbrella_chart with its defaults."""
    documented = yaml.safe_load(umbrella_chart.DOCUMENTATION)["options"]
    defaults = {name: option.get("default") for name, option in documented.items()}
    given = {"name": "any-fleet", "source": str(CHART), "path": folder, "values": values, **options}
    return run.umbrella_chart({**defaults, **given}, check_mode=False)


if __name__ == "__main__":
    values_file, stack, folder = sys.argv[1:]
    options = pathlib.Path(stack.split(".")[0] + ".chart.yaml")
    given = yaml.safe_load(options.read_text(encoding="utf-8")) if options.exists() else {}
    values = yaml.safe_load(pathlib.Path(values_file).read_text(encoding="utf-8"))
    # Where the one chart leaves networks open, so must the umbrella, to be compared.
    values.setdefault("networkPolicy", {"enabled": False})
    print(yaml.safe_dump(write(values, folder, **given)["values"], sort_keys=False), end="")
