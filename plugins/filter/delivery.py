# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role delivery's questions to the pure functions of module_utils/delivery; each filter is documented in its own YAML file.

Those that are given a repository read files of it, on the controller, and write none.
"""

from __future__ import annotations

import hashlib
import os
import typing as t

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.module_utils.delivery import (
    archived,
    drift,
    files,
    settings,
    workflow,
)

Settings = t.Mapping[str, t.Any]


def delivery_view(given: Settings, repository: str) -> dict[str, t.Any]:
    """All that the templates are filled in with."""
    return {
        "actions": {name: f"{pin['commit']} # {pin['version']}" for name, pin in given["actions"].items()},
        "data": workflow.data(given),
        "deploy_condition": workflow.deploy_condition(given),
        "environments": workflow.environments(given),
        "given": workflow.given_names(given),
        "matrix": workflow.build_matrix(given),
        "registry_host": given["registry"].split("/")[0],
        "rollback_flag": workflow.rollback_flag(given["helm_version"]),
        "sources": files.sources(given),
        "image_values": workflow.image_values(given),
        "policies": workflow.policies(given),
        "release_values": {
            name: workflow.release_values(given, name, _released(given, repository, name))
            for name in given["environments"]
        },
    }


def _released(given: Settings, repository: str, environment: str) -> t.Any:
    """The values of an environment's HelmRelease as they are in the checkout."""
    release = _yaml(_read(repository, f"{given['gitops_path']}/environments/{environment}/helmrelease.yaml") or b"")
    spec = release.get("spec") if isinstance(release, dict) else None
    return spec.get("values") if isinstance(spec, dict) else None


def delivery_plan(contents: t.Mapping[str, str], repository: str, status: str = "") -> dict[str, t.Any]:
    """What to write and to remove so that the repository holds C(contents). C(status) is git's word on the files of the
    role (C(git status --porcelain -z))."""
    known = files.read_manifest((_read(repository, files.MANIFEST) or b"").decode("utf-8", "replace"))
    if known is None:
        raise AnsibleFilterError(f"{files.MANIFEST} was not made by this role: move it away")
    dirty = {record[3:] for record in status.split("\0") if len(record) > 3}
    paths = {*contents, *known}
    present = {path: {**_present(repository, path), "dirty": path in dirty} for path in paths}
    plan = files.plan(contents, known, present)
    removed = [*plan["remove"], *([] if contents or not known else [files.MANIFEST])]
    text = files.manifest({path: contents[path] for path in plan["own"]}) if contents else ""
    on_disk = _read(repository, files.MANIFEST)
    write, remove = bool(text) and on_disk != text.encode(), not text and on_disk is not None
    return {
        **plan,
        "changes": bool(plan["write"] or plan["remove"] or write or remove),
        "folders": files.emptied(removed, _listing(repository, removed, contents)),
        "manifest": {
            "path": files.MANIFEST,
            "content": text,
            "write": write,
            "remove": remove,
        },
        "new_folders": _missing_folders(repository, [*plan["write"], *([files.MANIFEST] if text else [])]),
        "paths": sorted({*paths, files.MANIFEST}),
    }


def _full(repository: str, path: str) -> str:
    return os.path.join(os.path.expanduser(repository), path)


def _read(repository: str, path: str) -> bytes | None:
    try:
        with open(_full(repository, path), "rb") as handle:
            return handle.read()
    except OSError:
        return None


def _present(repository: str, path: str) -> dict[str, t.Any]:
    parts = path.split("/")
    ways = ("/".join(parts[:count]) for count in range(1, len(parts)))
    through = next((way for way in ways if os.path.islink(_full(repository, way))), "")
    full = _full(repository, path)
    if not os.path.lexists(full):
        return {"kind": "none", "sha256": "", "through": through}
    if os.path.islink(full) or not os.path.isfile(full):
        return {"kind": "other", "sha256": "", "through": through}
    return {"kind": "file", "sha256": hashlib.sha256(_read(repository, path) or b"").hexdigest(), "through": through}


def _missing_folders(repository: str, paths: t.Iterable[str]) -> list[str]:
    return [folder for folder in files.folders(paths) if not os.path.isdir(_full(repository, folder))]


def _listing(repository: str, removed: t.Iterable[str], wanted: t.Iterable[str]) -> dict[str, list[str]]:
    doomed = set(files.folders(removed)) - set(files.folders(wanted))
    full = {folder: _full(repository, folder) for folder in doomed}
    return {folder: os.listdir(place) for folder, place in full.items() if os.path.isdir(place)}


def delivery_record(
    archive: t.Sequence[t.Mapping[str, str]], repository: str, kept: t.Sequence[t.Mapping[str, str]] = ()
) -> list[dict[str, str]]:
    """The rows of the record of old workflows: what each did, where it is, what does its work now."""
    there: dict[str, t.Any] = {}
    for one in archive:
        for path in (archived.place(one["path"]), one["path"]):
            content = _read(repository, path)
            if content is not None:
                there[one["path"]] = _yaml(content)
    return archived.rows(archive, there, {one["path"]: one["reason"] for one in kept}, files.WORKFLOW)


def _yaml(content: bytes) -> t.Any:
    try:
        return yaml.safe_load(content)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def delivery_objects(text: str) -> list[t.Mapping[str, t.Any]]:
    """The objects of a manifest's text."""
    found = [one for one in yaml.safe_load_all(text) if isinstance(one, dict)]
    return [inner for one in found for inner in (one.get("items", []) if one.get("kind") == "List" else [one])]


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "delivery_archive_rules": archived.rules,
            "delivery_drift": drift.drift,
            "delivery_faults": settings.faults,
            "delivery_image_settings": workflow.image_settings,
            "delivery_kinds": drift.kinds,
            "delivery_objects": delivery_objects,
            "delivery_plan": delivery_plan,
            "delivery_record": delivery_record,
            "delivery_view": delivery_view,
        }
