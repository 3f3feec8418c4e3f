# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the workflow's template is filled in with. Pure."""

from __future__ import annotations

import typing as t

Settings = t.Mapping[str, t.Any]


def build_matrix(settings: Settings) -> list[dict[str, t.Any]]:
    """One row for each image and platform. A platform that O(settings) know no native runner for is built on the ordinary
    one, emulated."""
    rows = []
    for image in settings["images"]:
        for platform in settings["platforms"]:
            runner = settings["native_runners"].get(platform)
            rows.append(
                {
                    "image": image["name"],
                    "platform": platform,
                    "arch": platform.removeprefix("linux/").replace("/", "-"),
                    "runner": runner or settings["runner"],
                    "emulated": runner is None,
                    "context": image["context"],
                    "dockerfile": image.get("dockerfile", f"{image['context'].rstrip('/')}/Dockerfile"),
                }
            )
    return rows


def rollback_flag(helm_version: str) -> str:
    """The flag by which helm itself takes back what did not become ready: helm 4 renamed C(--atomic)."""
    return "--rollback-on-failure" if helm_version.startswith("v4.") else "--atomic"


def deploy_condition(settings: Settings) -> str:
    """When the workflow deploys, as an expression of GitHub; empty where it deploys every environment."""
    chosen = f"(inputs.environment || '{settings['default_environment']}')"
    others = [one["name"] for one in environments(settings) if one["deployed_by"] == "flux"]
    return " && ".join(f"{chosen} != '{name}'" for name in others)


def environments(settings: Settings) -> list[dict[str, t.Any]]:
    """The environments in order, each with all that the templates ask for."""
    return [
        {
            "name": name,
            "namespace": one["namespace"],
            "values": list(one.get("values", [])),
            "variables": list(one.get("variables", [])),
            "secrets": list(one.get("secrets", [])),
            "endpoints": list(one.get("endpoints", [])),
            "deployed_by": one.get("deployed_by", "workflow"),
            "image_tag": one.get("image_tag", ""),
            "timeout": one.get("timeout", settings["timeout"]),
        }
        for name, one in settings["environments"].items()
    ]


def given_names(settings: Settings) -> dict[str, list[str]]:
    """The names of all environments' variables and secrets, sorted: what the step that checks them is told of."""
    every = environments(settings)
    return {key: sorted({name for one in every for name in one[key]}) for key in ("variables", "secrets")}


def data(settings: Settings) -> dict[str, t.Any]:
    """The file that the two scripts are driven by."""
    return {
        "format": 1,
        "chart": settings["chart"],
        "image_tag_value": settings["image_tag_value"],
        "environments": {
            one["name"]: {
                "values": one["values"],
                "required": sorted({*one["variables"], *one["secrets"], settings["kubeconfig_secret"]}),
                "endpoints": [
                    {"name": endpoint["name"], "url": endpoint["url"], "status": endpoint.get("status", 200)}
                    for endpoint in one["endpoints"]
                ],
            }
            for one in environments(settings)
        },
        "services": [{"name": one["name"], "port": one["port"]} for one in settings["services"]],
        "memory": {
            "services": list(settings["memory_services"]),
            "manifests": list(settings["memory_manifests"]),
            "legacy_stores": [{"name": one["name"], "words": list(one["words"])} for one in settings["legacy_stores"]],
            "scan": list(settings["legacy_scan"]),
            "ignore": list(settings["legacy_ignore"]),
        },
    }
