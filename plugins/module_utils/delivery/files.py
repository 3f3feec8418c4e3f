# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files the repository is given, and which of them may be written or removed. Pure.

A manifest in the repository names every file that was written, with its SHA-256. It is written before them, so that a run
that was cut off knows its own; what it does not name is somebody else's.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import typing as t

Settings = t.Mapping[str, t.Any]
#: What is there at a path: C(sha256) (empty where nothing is), C(kind) (file, other or none), C(dirty) (whether git lacks
#: this content) and C(through) (the link on the way to it, if any).
Present = t.Mapping[str, t.Mapping[str, t.Any]]

FORMAT = 1
WORKFLOW = ".github/workflows/unified-deployment.yml"
DATA = ".replatform/delivery.yml"
MANIFEST = ".replatform/delivery.manifest.json"
SCRIPTS = ("delivery_data.py", "validate_deployment_env.py", "validate_memory_architecture.py")


def sources(settings: Settings) -> list[dict[str, str]]:
    """Each file that the repository is given: C(path), C(kind) (template or file), C(source) in the role, and
    C(environment) for those that are an environment's own."""
    scripts, tree = settings["scripts_path"], settings["gitops_path"]
    found = [_one(WORKFLOW, "template", "unified-deployment.yml.j2")]
    found.append(_one(DATA, "template", "delivery.yml.j2"))
    found.append(_one(f"{scripts}/requirements.txt", "template", "requirements.txt.j2"))
    found += [_one(f"{scripts}/{name}", "file", name) for name in SCRIPTS]
    if settings["archive"]:
        found.append(_one(settings["record_path"], "template", "archived-workflows.md.j2"))
    if settings["flux"]:
        for name in settings["environments"]:
            found.append(_one(f"{tree}/clusters/{name}/delivery.yaml", "template", "flux/cluster.yaml.j2", name=name))
            folder = f"{tree}/environments/{name}"
            parts = ["kustomization", "namespace", "helmrelease"]
            parts += ["image-automation"] if settings["flux_image_automation"] else []
            found += [_one(f"{folder}/{part}.yaml", "template", f"flux/{part}.yaml.j2", name=name) for part in parts]
    return found


def _one(path: str, kind: str, source: str, name: str = "") -> dict[str, str]:
    return {"path": path, "kind": kind, "source": source, "environment": name}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def manifest(contents: t.Mapping[str, str]) -> str:
    """The manifest's text for what is to be written."""
    files = {path: digest(text) for path, text in sorted(contents.items())}
    return json.dumps({"format": FORMAT, "made_by": "sophia.replatform.delivery", "files": files}, indent=2) + "\n"


def read_manifest(text: str) -> dict[str, str] | None:
    """From a path to the digest of what was written there; None where the text is no manifest."""
    try:
        found = json.loads(text) if text else {"format": FORMAT, "files": {}}
    except ValueError:
        return None
    files = found.get("files") if isinstance(found, dict) and found.get("format") == FORMAT else None
    if not isinstance(files, dict) or not all(_inside(path) and isinstance(sha, str) for path, sha in files.items()):
        return None
    return files


def _inside(path: t.Any) -> bool:
    return (
        isinstance(path, str) and not posixpath.isabs(path) and posixpath.normpath(path) == path and path[:3] != "../"
    )


def plan(contents: t.Mapping[str, str], known: t.Mapping[str, str], present: Present) -> dict[str, t.Any]:
    """What to C(write), what to C(remove), what to leave (C(kept), with the reason), and the C(faults) that forbid all of
    it; C(own) are the wanted files that are the role's then, less those that somebody else has written just so. O(contents)
    are wanted, empty where all is to go; O(known) is what the manifest names."""
    write, kept, faults, remove = [], [], [], []
    for path, text in sorted(contents.items()):
        here = present[path]
        if here["through"]:
            faults.append(f"{path} would be written through the link {here['through']}: remove the link")
        elif here["kind"] == "other":
            faults.append(f"{path} is there and is no plain file: move it away")
        elif here["sha256"] == digest(text):
            continue
        elif here["kind"] == "none" or here["sha256"] == known.get(path):
            write.append(path)
        elif path not in known:
            faults.append(f"{path} is there and is not this role's: move it away, or remove it")
        elif here["dirty"]:
            faults.append(f"{path} was changed by hand and is not committed: commit or revert it, then run this again")
        else:
            write.append(path)
    for path, sha in sorted(known.items()):
        here = present[path]
        if path in contents or here["kind"] == "none":
            continue
        if here["sha256"] == sha and not here["through"]:
            remove.append(path)
        else:
            kept.append({"path": path, "reason": "it was changed since this role wrote it"})
    own = [path for path in sorted(contents) if path in known or path in write]
    return {"write": write, "remove": remove, "kept": kept, "faults": faults, "own": own}


def folders(paths: t.Iterable[str]) -> list[str]:
    """The folders on the way to these paths, each before what is in it."""
    parts = [path.split("/")[:-1] for path in paths]
    return sorted({"/".join(one[:count]) for one in parts for count in range(1, len(one) + 1)})


def emptied(removed: t.Collection[str], listing: t.Mapping[str, t.Collection[str]]) -> list[str]:
    """The folders that hold nothing once O(removed) are gone, the deepest first. O(listing) is from each folder on the way
    to what it holds now, by name."""
    gone = set(removed)
    found = []
    for folder in sorted(listing, key=lambda path: (-path.count("/"), path)):
        if all(f"{folder}/{name}" in gone for name in listing[folder]):
            gone.add(folder)
            found.append(folder)
    return found
