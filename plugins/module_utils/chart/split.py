# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values of one chart for all services as those of an umbrella: a part a subchart, and what all of them share."""

from __future__ import annotations

import copy
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.chart.model import Values

LIBRARY = "workload"
RESERVED = ("global", "services", "tests", LIBRARY)
_DEFAULTS = {"imagePullPolicy": "IfNotPresent", "networkPolicy": {"enabled": True}}
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


def split(values: t.Mapping[str, t.Any], groups: t.Mapping[str, str], default: str = "workloads") -> Values:
    """C(services) go to their subcharts (a service of no group to C(default)), everything else becomes C(global).

    Subcharts and services keep the order of C(groups). Raises C(ChartError) for a name that no subchart can have.
    """
    services = values.get("services", {})
    parts: Values = {}
    for service in [*(name for name in groups if name in services), *(name for name in services if name not in groups)]:
        group = groups.get(service, default)
        if not _NAME.fullmatch(group) or group in RESERVED:
            raise ChartError(f"group '{group}' of service {service}: a subchart can't have this name; give it another")
        part = parts.setdefault(group, {"enabled": True, "services": {}})
        part["services"][service] = copy.deepcopy(services[service])
    shared = {key: copy.deepcopy(value) for key, value in values.items() if key != "services"}
    return {"global": {**copy.deepcopy(_DEFAULTS), **shared}, **parts}


def overrides(values: t.Mapping[str, t.Any], places: t.Mapping[str, str], environment: str) -> Values:
    """What an environment changes of an umbrella, given in the form of one chart's values; C(places) is from a service to
    its subchart."""
    result: Values = {}
    shared = {key: copy.deepcopy(value) for key, value in values.items() if key != "services"}
    if shared:
        result["global"] = shared
    for name, given in (values.get("services") or {}).items():
        if name not in places:
            raise ChartError(
                f"environment {environment}: no service {name} is in the stack; take it out, or mend its name"
            )
        result.setdefault(places[name], {}).setdefault("services", {})[name] = copy.deepcopy(given)
    return result


def places(values: t.Mapping[str, t.Any]) -> dict[str, str]:
    """From a service to its subchart, of what C(split) has made."""
    return {name: group for group, part in values.items() if group not in RESERVED for name in part["services"]}


def over(first: t.Mapping[str, t.Any], second: t.Mapping[str, t.Any]) -> Values:
    """C(second) laid over C(first) as helm lays values files: mappings merge, everything else is replaced."""
    merged = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = over(merged[key], value) if both else value
    return merged
