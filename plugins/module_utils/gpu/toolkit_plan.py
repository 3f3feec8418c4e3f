# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done about the container toolkit on a host: its four packages at one version, or adopted as they are."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import host_files, packages, repositories

Map = t.Mapping[str, t.Any]

PIN = "/etc/apt/preferences.d/replatform-nvidia-container-toolkit"
LIST = "/etc/apt/sources.list.d/nvidia-container-toolkit.list"
KEY = "/usr/share/keyrings/replatform-nvidia-container-toolkit.asc"
#: Lists of earlier package names for the same repository; with another key than ours they stop apt.
OLD_LISTS = tuple(
    f"/etc/apt/sources.list.d/{name}.list"
    for name in ("libnvidia-container", "nvidia-container-runtime", "nvidia-docker")
)
KEY_VARIABLE = "nvidia_container_toolkit_key_checksum"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def toolkit_plan(observed: Map, settings: Map) -> dict[str, t.Any]:
    """C(action) (V(adopt), V(install), V(keep)), C(install), C(sources), C(key), C(files), C(remove), C(hold) and C(needed).

    C(observed): C(machine), C(targets), C(packages), C(updates), C(holds), C(files) as for the driver. C(settings): C(version),
    C(repository), C(key_url), C(key_checksum), C(adopt). C(key): whether the repository's key is to be there; C(unfinished) as for
    the driver.
    """
    machine = observed["machine"]
    if machine not in _MACHINES:
        raise RefusedError(
            f"the container toolkit is for {' and '.join(_MACHINES)}, not for {machine}; take the host out of group gpu"
        )
    there = packages.installed(observed["packages"])
    files = {item["path"]: item for item in observed["files"]}
    versions = {there.get(name) for name in packages.TOOLKIT}
    wanted: dict[str, str] = {}
    sources: dict[str, str] = {}
    remove: list[str] = []
    if PIN not in files and settings["adopt"] and len(versions) == 1 and None not in versions:
        action, install = "adopt", []
    else:
        version = settings["version"]
        newer = sorted(v for v in versions if v and _key(v) > _key(version))
        if newer:
            raise RefusedError(
                f"nvidia_container_toolkit_version: {version} is older than {newer[-1]} on this host; take that one or a later one"
            )
        install = [f"{name}={version}" for name in packages.TOOLKIT] if versions != {version} else []
        action = "install" if install else "keep"
        uri = f"{settings['repository'].rstrip('/')}/{_MACHINES[machine]}"
        remove = [path for path in OLD_LISTS if path in files]
        wanted[PIN] = host_files.toolkit_pin(version)
        known = repositories.configured(observed["targets"], uri)
        if LIST in files or remove or not known:  # else the host has it under a name of its own
            repositories.refuse_unverified(KEY_VARIABLE, settings["key_checksum"], settings["key_url"])
            sources[LIST] = f"deb [signed-by={KEY}] {uri} /\n"
    plan: dict[str, t.Any] = {"action": action, "install": install, "remove": remove, "key": bool(sources)}
    plan["unfinished"] = packages.unfinished(observed["packages"], observed["updates"])
    for kind, texts in (("sources", sources), ("files", wanted)):
        plan[kind] = {path: text for path, text in texts.items() if host_files.differs(files.get(path), text)}
    held = set() if install else set(observed["holds"].split())
    plan["hold"] = [name for name in packages.TOOLKIT if (install or name in there) and name not in held]
    plan["needed"] = bool(install or plan["files"] or plan["sources"] or remove or plan["hold"] or plan["unfinished"])
    return plan


def _key(version: str) -> tuple[int, ...]:
    """A toolkit's version for comparison; C(~rc.1) comes before the release."""
    release, _tilde, candidate = version.partition("-")[0].partition("~")
    return (*(int(part) for part in release.split(".") if part.isdigit()), 0 if candidate else 1)
