"""Print the Helm values of one stack file as YAML; a file beside it, NAME.options.yaml, holds options of stack_values."""

from __future__ import annotations

import os
import sys

import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.stack import run

path = sys.argv[1]
params = {
    "stack_files": [path],
    "stack": "platform",
    "environment": dict(os.environ),
    "external": {},
    "handed_over": [],
    "live": None,
    "current": None,
    "nodes": [],
    "exclude": [],
    "strict": False,
    "bind_root": "/srv",
}
options = os.path.splitext(path)[0] + ".options.yaml"
if os.path.exists(options):
    with open(options, encoding="utf-8") as handle:
        params.update(yaml.safe_load(handle))
result, reason = run.stack_values(params)
if reason:
    print(reason, file=sys.stderr)
print(yaml.safe_dump(result["values"], sort_keys=False), end="")
