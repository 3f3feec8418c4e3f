# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back: what of driver and toolkit leaves a host. Only packages that the roles have installed, which their pins tell. No I/O.

The pin goes last, and what the host boots with is made again before the files that went into it are gone, so that a run which was
cut off is made good by the next.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.gpu import (
    driver_plan,
    host_files,
    packages,
    repositories,
    toolkit_plan,
)

Map = t.Mapping[str, t.Any]

_OWN = (
    host_files.BLACKLIST,
    host_files.NOUVEAU,
    host_files.COHERENT,
    host_files.GRUB,
    host_files.DROP_IN,
    host_files.SOURCE,
)
_INTO_INITRD = (host_files.NOUVEAU, host_files.COHERENT)


def driver_removal(observed: Map, settings: Map) -> dict[str, t.Any]:
    """What leaves a host when its driver is no longer kept, in the shape of C(driver_plan).

    C(unhold), C(purge) (packages), C(empty) (files that go into what the host boots with, with the text that says nothing),
    C(initramfs), C(grub), C(files) in the order in which they go, C(daemon) (whether the persistence daemon stays and has lost its
    drop-in), C(reboot), C(because), C(unfinished) and C(needed).
    """
    files = {item["path"]: item for item in observed["files"]}
    ours = host_files.PIN in files
    there = packages.partly(observed["packages"])
    parts = [name for name in there if packages.is_driver(name)]
    purge = [name for name in there if name in parts or name.startswith("nvidia-driver-pinning-")] if ours else []
    gone = [path for path in _OWN if path in files] + _cuda_files(observed, settings, files, there)
    driver = observed["gpu"]["driver"]
    reboot = []
    if driver["loaded"] and (purge or not (driver["installed"] or parts)):
        reboot.append(f"{driver['loaded']} stays loaded until the host boots again")
    if host_files.GRUB in files:
        reboot.append("the kernel was started with arguments that are taken back")
    plan = {
        "purge": purge,
        "unhold": sorted(set(observed["holds"].split()) & set(parts)),
        "files": gone + ([host_files.PIN] if ours else []),
        "empty": {
            path: host_files.HEAD
            for path in (*_INTO_INITRD, host_files.GRUB)
            if path in files and host_files.differs(files[path], host_files.HEAD)
        },
        "initramfs": [
            release
            for release in driver_plan.kernels(observed["gpu"])
            if driver_plan.INITRD + release in files and any(path in files for path in _INTO_INITRD)
        ],
        "grub": host_files.GRUB in files and driver_plan.GRUB_CONFIG in files,
        "daemon": host_files.DROP_IN in files and not purge,
        "reboot": reboot,
    }
    return _told(plan, observed)


def toolkit_removal(observed: Map) -> dict[str, t.Any]:
    """What leaves a host when its container toolkit is no longer kept: C(unhold), C(purge), C(files) and so on, as for the driver."""
    files = {item["path"] for item in observed["files"]}
    ours = toolkit_plan.PIN in files
    there = set(packages.partly(observed["packages"])) & set(packages.TOOLKIT)
    # The key has a name of our own, so the list beside it is ours too.
    gone = [toolkit_plan.LIST, toolkit_plan.KEY] if toolkit_plan.KEY in files else []
    plan = {
        "purge": sorted(there) if ours else [],
        "unhold": sorted(set(observed["holds"].split()) & there),
        "files": [path for path in [*gone, toolkit_plan.PIN] if path in files],
        "reboot": [],
    }
    return _told(plan, observed)


def _told(plan: dict[str, t.Any], observed: Map) -> dict[str, t.Any]:
    unfinished = packages.unfinished(observed["packages"], observed["updates"])
    because = [f"{unfinished}, and would be set up first"] if unfinished else []
    if plan["purge"]:
        because.append(f"{' '.join(plan['purge'])} would be purged")
    if plan["unhold"]:
        because.append(f"{len(plan['unhold'])} packages would no longer be held")
    because += [f"{path} would be removed" for path in plan["files"]]
    because += plan["reboot"]
    return {"action": "remove", **plan, "unfinished": unfinished, "because": because, "needed": bool(because)}


def _cuda_files(observed: Map, settings: Map, files: Map, there: t.Sequence[str]) -> list[str]:
    """The CUDA repository's list if it is as the role writes it, and its key where no keyring package owns that."""
    if host_files.PIN not in files or observed["gpu"]["machine"] not in repositories.CUDA_MACHINES:
        return []
    repository = repositories.cuda_repository(
        settings["cuda_repository"], observed["distribution"], observed["version"], observed["gpu"]["machine"]
    )
    file = files.get(repository["path"])
    if file is None or host_files.differs(file, repository["content"]):
        return []
    return [repository["path"], *([] if "cuda-keyring" in there else [repository["key_path"]])]
