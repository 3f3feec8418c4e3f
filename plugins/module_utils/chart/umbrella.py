# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole umbrella chart, as texts by path, from the values of a stack."""

from __future__ import annotations

import copy
import hashlib
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.chart import note, schema
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.chart.existing import CARRIED, RENAMED, REPORTED, merge
from ansible_collections.sophia.replatform.plugins.module_utils.chart.health import checks
from ansible_collections.sophia.replatform.plugins.module_utils.chart.model import Blueprint, Row, Umbrella, Values
from ansible_collections.sophia.replatform.plugins.module_utils.chart.split import (
    LIBRARY,
    over,
    overrides,
    places,
    split,
)
from ansible_collections.sophia.replatform.plugins.module_utils.chart.text import dump
from ansible_collections.sophia.replatform.plugins.module_utils.stack.public import public

_MADE = "# Made by sophia.replatform.umbrella_chart; changes are overwritten. Yours go into a values file of your own.\n---\n"
_KUBERNETES = ">=1.20.0-0"
_VERSION = "0.1.0"
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,48}[a-z0-9])?")
_SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
_ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_KEPT = ("keywords", "home", "sources", "maintainers", "icon", "annotations", "deprecated")
_FETCHED = "fetched from elsewhere, unverified: install it as a release of its own, or run it in the stack"
# A chart that "helm dependency build" packed beside its folder would be used instead of it, also when it is old.
_IGNORE = "/charts/*.tgz\n/MIGRATION.md\n/.umbrella-chart.json\n*.partial\n.git/\n"
_TEMPLATES = {
    "templates/shared.yaml": '{{- include "workload.shared" . }}\n',
    "templates/tests/health.yaml": '{{- include "workload.tests" . }}\n',
    "templates/NOTES.txt": '{{- include "workload.notes" . | trim }}\n',
}
_WORKLOADS = '{{- include "workload.services" . }}\n'


def umbrella(blueprint: Blueprint) -> Umbrella:
    """The chart's files, its values for a release, and what became of the existing chart's keys.

    A service is deployed by the same objects, with the same names and selectors, as by the chart that takes all services
    at once, so that a release of the one can be upgraded to the other. Raises C(ChartError).
    """
    version = blueprint.version or str(blueprint.metadata.get("version") or _VERSION)
    _check(blueprint, version)
    whole = split(_with_inventory(blueprint), blueprint.groups)
    homes = places(whole)
    parts = list(dict.fromkeys(homes.values()))
    whole["tests"] = _tests(blueprint)
    fetched = [str(item["name"]) for item in blueprint.metadata.get("dependencies") or []]
    whole, rows = merge(blueprint.existing, whole, blueprint.rules, [name for name in fetched if name not in parts])
    stack = blueprint.values.get("services", {})
    absent = [str(item["name"]) for item in blueprint.services if item["name"] not in stack]

    files = _charts(blueprint, whole, parts, version)
    rows += _metadata_rows(blueprint.metadata, files["Chart.yaml"], fetched, parts)
    whole["global"]["chartDigest"] = _digest(files)
    files.update(_values(blueprint, whole, homes))
    if rows or absent:
        files["MIGRATION.md"] = note.markdown(blueprint.name, rows, absent)
    here = overrides(blueprint.environments.get(blueprint.environment, {}), homes, blueprint.environment)
    return Umbrella(dict(sorted(files.items())), over(whole, here), rows, absent)


def _check(blueprint: Blueprint, version: str) -> None:
    if not _NAME.fullmatch(blueprint.name):
        raise ChartError(
            f"name: '{blueprint.name}' is no name of a chart; small letters, digits and hyphens, 50 at most"
        )
    if not _SEMVER.fullmatch(version):
        raise ChartError(f"version: '{version}' is not a semantic version such as 1.2.3")
    for environment in blueprint.environments:
        if not _ENVIRONMENT.fullmatch(environment):
            raise ChartError(f"environments: '{environment}' can't be part of a file's name")
    if blueprint.environment and blueprint.environment not in blueprint.environments:
        raise ChartError(
            f"environment: '{blueprint.environment}' is none of the environments; name one, or leave it empty"
        )
    if not blueprint.values.get("services"):
        raise ChartError("values: there is no service in them; give those of stack_values")


def _with_inventory(blueprint: Blueprint) -> Values:
    """The values, and what the inventory knows of a service: its tier, and the architectures that its image exists for."""
    values = copy.deepcopy(dict(blueprint.values))
    tiers = {str(item["name"]): item["tier"] for item in blueprint.services if item.get("tier") is not None}
    for name, service in values["services"].items():
        if name in tiers:
            service["tier"] = str(tiers[name])
        found = blueprint.architectures.get(name) or blueprint.architectures.get(service["image"])
        if found:
            service["architectures"] = [str(item) for item in found]
    return values


def _tests(blueprint: Blueprint) -> Values:
    command = {"command": [str(word) for word in blueprint.test_command]} if blueprint.test_command else {}
    return {"image": blueprint.test_image, **command, "checks": checks(blueprint.values, blueprint.services)}


def _charts(blueprint: Blueprint, whole: t.Mapping[str, t.Any], parts: t.Sequence[str], version: str) -> dict[str, str]:
    """Everything but values: what an upgrade must not miss."""
    library = {f"charts/{LIBRARY}/{path}": text for path, text in blueprint.library.items()}
    library_version = _library_version(blueprint.library)
    dependencies = [{"name": LIBRARY, "version": library_version, "repository": f"file://charts/{LIBRARY}"}]
    files = {".helmignore": _IGNORE, **library, **_TEMPLATES}
    for part in parts:
        folder = f"charts/{part}"
        dependencies.append(
            {"name": part, "version": version, "repository": f"file://{folder}", "condition": f"{part}.enabled"}
        )
        own = {"name": LIBRARY, "version": library_version, "repository": f"file://../{LIBRARY}"}
        names = ", ".join(whole[part]["services"])
        files[f"{folder}/Chart.yaml"] = _chart(part, f"The services {names}", version, {"dependencies": [own]})
        files[f"{folder}/values.schema.json"] = schema.of_subchart(part, blueprint.schema)
        files[f"{folder}/templates/workloads.yaml"] = _WORKLOADS
    described = blueprint.description or blueprint.metadata.get("description")
    more = {key: blueprint.metadata[key] for key in _KEPT if blueprint.metadata.get(key)}
    application = blueprint.app_version or blueprint.metadata.get("appVersion")
    if application:
        more = {"appVersion": str(application), **more}
    files["Chart.yaml"] = _chart(
        blueprint.name,
        str(described or f"The services of the stack {blueprint.values.get('stack', '')}".strip()),
        version,
        {**more, "dependencies": dependencies},
    )
    files["values.schema.json"] = schema.of_umbrella(blueprint.name, parts, whole, blueprint.schema)
    return files


def _chart(name: str, description: str, version: str, more: t.Mapping[str, t.Any]) -> str:
    head = {"apiVersion": "v2", "name": name, "description": description, "type": "application", "version": version}
    return _MADE + dump({**head, "kubeVersion": _KUBERNETES, **more})


def _library_version(library: t.Mapping[str, str]) -> str:
    found = re.search(r"^version: *(\S+)$", library.get("Chart.yaml", ""), re.MULTILINE)
    if found is None:
        raise ChartError("library: it has no Chart.yaml with a version; name the folder of the chart 'workload'")
    return found.group(1)


def _values(blueprint: Blueprint, whole: t.Mapping[str, t.Any], homes: t.Mapping[str, str]) -> dict[str, str]:
    """Values files, less what is secret."""
    parts = set(homes.values())
    files = {
        f"charts/{part}/values.yaml": _MADE + dump(public({"services": whole[part]["services"]})) for part in parts
    }
    files["values.yaml"] = _MADE + dump(
        {
            **{key: {"enabled": value["enabled"]} if key in parts else value for key, value in whole.items()},
            "global": public(whole["global"]),
        }
    )
    for environment, given in blueprint.environments.items():
        changed = overrides(given, homes, environment)
        files[f"values-{environment}.yaml"] = _MADE + dump({key: public(value) for key, value in changed.items()})
    return files


def _digest(files: t.Mapping[str, str]) -> str:
    """Of the charts' files: a changed template is a changed release, though Helm compares versions and values alone."""
    state = hashlib.sha256()
    for path, text in sorted(files.items()):
        state.update(f"{path}\0{len(text)}\0{text}".encode())
    return state.hexdigest()[:12]


def _metadata_rows(
    metadata: t.Mapping[str, t.Any], chart: str, fetched: t.Sequence[str], parts: t.Sequence[str]
) -> list[Row]:
    """What became of Chart.yaml."""
    rows = []
    for key, value in metadata.items():
        if key != "dependencies":
            kept = dump({key: value}) in chart
            rows.append(
                Row(
                    f"Chart.yaml: {key}",
                    CARRIED if kept else REPORTED,
                    note="" if kept else "the new chart has its own",
                )
            )
    for name in fetched:
        if name in parts:
            rows.append(
                Row(f"Chart.yaml: dependencies.{name}", RENAMED, f"charts/{name}", "a subchart of the stack's services")
            )
        else:
            rows.append(Row(f"Chart.yaml: dependencies.{name}", REPORTED, note=_FETCHED))
    return rows
