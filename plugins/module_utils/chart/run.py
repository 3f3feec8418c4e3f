# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a module's parameters to its result: files read, the chart made, its folder compared."""

from __future__ import annotations

import json
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.chart import note, tree
from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError
from ansible_collections.sophia.replatform.plugins.module_utils.chart.model import Blueprint
from ansible_collections.sophia.replatform.plugins.module_utils.chart.split import over
from ansible_collections.sophia.replatform.plugins.module_utils.chart.umbrella import umbrella
from ansible_collections.sophia.replatform.plugins.module_utils.stack.public import public
from ansible_collections.sophia.replatform.plugins.module_utils.stack.yaml_reader import read_yaml
from ansible_collections.sophia.replatform.plugins.module_utils.text_file import read_text

_SAME = (
    "name",
    "values",
    "version",
    "app_version",
    "description",
    "environments",
    "environment",
    "rules",
    "architectures",
    "test_image",
    "test_command",
)


def umbrella_chart(params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """The result of M(sophia.replatform.umbrella_chart). Raises C(ReplatformError) before anything is changed."""
    source = params["source"]
    named, listed = params["chart_names"], params["services"]
    for i, item in enumerate(listed):
        if "name" not in item:
            raise ChartError(f"services[{i}]: 'name' is missing")
    groups = {str(item["name"]): str(named.get(item["group"], item["group"])) for item in listed if item.get("group")}
    made = umbrella(
        Blueprint(
            **{key: params[key] for key in _SAME},
            library=_folder(os.path.join(source, "charts", "workload")),
            schema=_json(os.path.join(source, "values.schema.json")),
            groups=groups,
            services=listed,
            existing=_merged(params["existing_values"]),
            metadata=_mapping(params["existing_metadata"]) if params["existing_metadata"] else {},
        )
    )
    change = tree.plan(params["path"], made.files)
    if change and not check_mode:
        tree.apply(params["path"], change)
    return {
        "changed": bool(change),
        "diff": change.diff(),
        "values": made.values,
        "values_public": {key: public(part) if isinstance(part, dict) else part for key, part in made.values.items()},
        "files": list(made.files),
        "rows": [vars(row) for row in made.rows],
        "summary": note.summary(made.rows),
        "markdown": note.markdown(params["name"], made.rows, made.absent),
        "absent": made.absent,
    }


def _merged(paths: t.Iterable[str]) -> dict[str, t.Any]:
    """Values files, the later ones over the earlier ones, as helm takes them."""
    result: dict[str, t.Any] = {}
    for path in paths:
        result = over(result, _mapping(path))
    return result


def _mapping(path: str) -> dict[str, t.Any]:
    content = read_yaml(read_text(path, ChartError), path)
    if not isinstance(content or {}, dict):
        raise ChartError(f"{path}: a mapping is wanted")
    return content or {}


def _json(path: str) -> dict[str, t.Any]:
    try:
        return dict(json.loads(read_text(path, ChartError)))
    except ValueError as exc:
        raise ChartError(f"source: {path} is not JSON: {exc}") from exc


def _folder(root: str) -> dict[str, str]:
    """Texts by their path below C(root)."""
    found = {}
    for folder, _folders, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root)] = read_text(path, ChartError)
    return dict(sorted(found.items()))
