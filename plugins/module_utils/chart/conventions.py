# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the usual keys of a Helm chart's block for one service mean for the library chart's service.

Source: the chart that "helm create" makes, and the forms that grew from it.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.chart.rules import Path

_EDGE = "the stack file decides ports and routes, and the edge serves the host names"
_PROBES = "probes come from the stack file's health check"
_AUTOSCALING = ("minReplicas", "maxReplicas", "targetCPUUtilizationPercentage")
_NO_COUNTERPART = "a service has no such key; what it did must be written in the stack file"


@dataclass(frozen=True)
class Place:
    """The service that a block belongs to, its values so far, and the block."""

    name: str
    values: t.Mapping[str, t.Any]
    block: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """C(at): where in the service's values the key lives now, nothing when it is reported. C(changes): what to put there."""

    at: Path | None
    note: str = ""
    changes: t.Sequence[tuple[Path, t.Any]] = field(default_factory=tuple)


def convention(path: Path, value: t.Any, place: Place) -> Outcome:
    """C(path) is relative to the block."""
    if value in (None, {}, []):
        return Outcome((), "empty")
    for pattern, handler in _TABLE:
        if re.fullmatch(pattern, "/".join(path)):
            return handler(path, value, place)
    return Outcome(None, _NO_COUNTERPART)


def _report(note: str) -> _Handler:
    return lambda path, value, place: Outcome(None, note)


def _moved(at: Path, value: t.Any, place: Place) -> Outcome:
    """The existing chart's value counts; the note says so where the stack file writes another."""
    node: t.Any = place.values
    for part in at:
        node = node.get(part) if isinstance(node, dict) else None
    note = "" if node is None or node == value else "the stack file writes it otherwise; this one counts"
    return Outcome(at, note, ((at, value),))


def _same(path: Path, value: t.Any, place: Place) -> Outcome:
    return _moved(path, value, place)


def _enabled(path: Path, value: t.Any, place: Place) -> Outcome:
    if value is True:
        return _moved(("enabled",), True, place)
    return Outcome(None, "the service runs in the stack and stays on; leave it out of the stack, or disable it here")


def _name(path: Path, value: t.Any, place: Place) -> Outcome:
    if value == place.name:
        return Outcome((), "the service's name is its key")
    return Outcome(None, f"peers call the service {place.name}, as on the Swarm")


def _replicas(path: Path, value: t.Any, place: Place) -> Outcome:
    if place.values.get("kind") != "Deployment":
        return Outcome(None, f"the stack file's count stays: the service is a {place.values.get('kind')}")
    return _moved(("replicas",), value, place)


def _port(path: Path, value: t.Any, place: Place) -> Outcome:
    if any(item["port"] == value for item in place.values.get("ports", [])):
        return Outcome(("ports",), "the same in the stack file")
    return Outcome(None, "the service does not listen there by its stack file; what runs counts")


def _env(path: Path, value: t.Any, place: Place) -> Outcome:
    name, text = path[1], str(value).lower() if isinstance(value, bool) else str(value)
    entries = list(place.values.get("env", []))
    for item in entries:
        if item["name"] == name:
            if item.get("value") == text:
                return Outcome(("env", name), "the same in the stack file")
            return Outcome(None, "the stack file has another value, which counts: it is what runs")
    return Outcome(("env", name), "", ((("env",), [*entries, {"name": name, "value": text}]),))


def _image(path: Path, value: t.Any, place: Place) -> Outcome:
    if path[-1] == "digest" and value:
        return _moved(("imageDigest",), value, place)
    return Outcome(None, "the image that the stack file names is what runs, and it counts")


def _autoscaling(path: Path, value: t.Any, place: Place) -> Outcome:
    if place.values.get("kind") != "Deployment":
        return Outcome(None, f"not for a {place.values.get('kind')}")
    given = place.block["autoscaling"]
    if given.get("enabled") is False or any(key not in given for key in _AUTOSCALING):
        return Outcome(None, "off, or not whole: an autoscaler needs " + ", ".join(_AUTOSCALING))
    return _moved(path, value, place)


def _tier(path: Path, value: t.Any, place: Place) -> Outcome:
    return _moved(("tier",), str(value).lower(), place)


def _annotation(path: Path, value: t.Any, place: Place) -> Outcome:
    return _moved(("annotations", *path[1:]), str(value), place)


_Handler = t.Callable[[Path, t.Any, Place], Outcome]
_TABLE: list[tuple[str, _Handler]] = [
    (r"enabled", _enabled),
    (r"name|nameOverride|fullnameOverride", _name),
    (r"replicaCount|replicas", _replicas),
    (r"resources/(requests|limits)/.+|nodeSelector/.+|tolerations", _same),
    (r"port|service/port|containerPort|targetPort", _port),
    (r"env/[^/]+", _env),
    (r"image|image/.+", _image),
    (r"autoscaling/(" + "|".join(_AUTOSCALING) + ")", _autoscaling),
    (r"autoscaling/enabled", _report(", ".join(_AUTOSCALING) + " together switch it on")),
    (r"tier", _tier),
    (r"(podAnnotations|annotations)/.+", _annotation),
    (r"service/.+|ingress|ingress/.+", _report(_EDGE)),
    (r"(livenessProbe|readinessProbe|startupProbe)(/.+)?", _report(_PROBES)),
    (r"(.+/)?persistence/.+", _report("volumes come from the stack file, and their sizes from the role's settings")),
    (r"gpuRequired|gpuCount", _report("GPUs are asked for by resources")),
]
