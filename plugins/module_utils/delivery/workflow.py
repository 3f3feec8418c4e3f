# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the workflow's template is filled in with. Pure."""

from __future__ import annotations

import json
import typing as t

Settings = t.Mapping[str, t.Any]
_TAG = "$TAG"


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


def image_values(settings: Settings, tag: str = _TAG, registry: str = "$REGISTRY") -> dict[str, str]:
    """From a key of the chart's values to what deploying sets it to: the tag of all images, or an image whole. By default in
    the words of the workflow's shell."""
    common = {settings["image_tag_value"]: tag} if settings["image_tag_value"] else {}
    own = {key: f"{registry}/{image['name']}:{tag}" for image in settings["images"] for key in image.get("values", [])}
    return {**common, **own}


def image_settings(settings: Settings, values: t.Any) -> list[str]:
    """The arguments by which helm renders the chart with the images that a release's own O(values) name."""
    found = {key: _at(values, key) for key in image_values(settings)}
    return [part for key, value in found.items() if value is not None for part in ("--set-string", f"{key}={value}")]


def policies(settings: Settings) -> dict[str, str]:
    """From the image to the key's place in Flux's policies: every image that the values name whole has a policy of its own,
    and the tag of all goes by the image that is tagged last."""
    named = [image["name"] for image in settings["images"] if image.get("values")]
    last = [max(image["name"] for image in settings["images"])] if settings["image_tag_value"] else []
    return {name: name.replace(".", "-").replace("_", "-") for name in dict.fromkeys([*named, *last])}


def release_values(settings: Settings, environment: str, current: t.Any) -> str:
    """The values of an environment's HelmRelease as YAML, indented for its C(spec). What Flux's automation has set in
    O(current), the values that are in Git, stays."""
    one = settings["environments"][environment]
    policy = policies(settings)
    wanted = image_values(settings, one.get("image_tag", ""), settings["registry"])
    images = {key: image["name"] for image in settings["images"] for key in image.get("values", [])}
    tree: dict[str, t.Any] = {}
    for key, value in wanted.items():
        marker = ""
        if settings["flux_image_automation"]:
            found = _at(current, key)
            value = found if isinstance(found, str) else value
            name = policy[images.get(key, max(image["name"] for image in settings["images"]))]
            place = f"{settings['flux_namespace']}:{settings['release']}-{environment}-{name}"
            marker = " # " + json.dumps({"$imagepolicy": place if key in images else f"{place}:tag"})
        node = tree
        for part in key.split(".")[:-1]:
            node = node.setdefault(part, {})
        node[key.rpartition(".")[2]] = json.dumps(value) + marker
    return "\n".join(_lines(tree, 4))


def _at(node: t.Any, key: str) -> t.Any:
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _lines(tree: t.Mapping[str, t.Any], indent: int) -> t.Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield f"{' ' * indent}{key}:"
            yield from _lines(value, indent + 2)
        else:
            yield f"{' ' * indent}{key}: {value}"


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
        "image_values": list(image_values(settings)),
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
