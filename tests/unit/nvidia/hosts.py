"""Hosts as the roles' facts describe them."""

from __future__ import annotations

import copy
import hashlib
import types
import typing as t

KERNEL = "5.15.0-105-generic"

SETTINGS: dict[str, t.Any] = {
    "source": "auto",
    "branch": "580",
    "modules": "auto",
    "adopt": True,
    "key_enrolled": False,
    "kernel_arguments": [],
    "hold_kernels": True,
    "persistence": True,
    "cuda_repository": "https://developer.download.nvidia.com/compute/cuda/repos",
    "cuda_key_checksum": "ab" * 32,
}

UBUNTU_TARGETS = """\
http://archive.example/ubuntu/|jammy|main|/etc/apt/sources.list:1
http://archive.example/ubuntu/|jammy|restricted|/etc/apt/sources.list:1
http://archive.example/ubuntu/|jammy-updates|restricted|/etc/apt/sources.list:2
"""
DEBIAN_TARGETS = """\
http://archive.example/debian/|bookworm|main|/etc/apt/sources.list.d/debian.sources:1
http://archive.example/debian/|bookworm-updates|main|/etc/apt/sources.list.d/debian.sources:1
http://archive.example/debian-security/|bookworm-security|main|/etc/apt/sources.list.d/debian.sources:2
"""
DEBIAN_KEYS = "/etc/apt/sources.list.d/debian.sources:Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"

# The daemon's own unit, as nvidia-compute-utils of Ubuntu brings it.
UNIT = """\
[Unit]
Description=NVIDIA Persistence Daemon
Wants=syslog.target

[Service]
Type=forking
ExecStart=/usr/bin/nvidia-persistenced --user nvidia-persistenced --no-persistence-mode --verbose
ExecStopPost=/bin/rm -rf /var/run/nvidia-persistenced
"""

A100 = {
    "architecture": "Ampere",
    "kernel_modules": "either",
    "minimum_branch": 515,
    "coherent_memory_mode": None,
    "fabric_manager": False,
    "mig_capable": True,
    "kernel_arguments": [],
    "gpu_count": 1,
}
GH200 = {
    **A100,
    "architecture": "Grace Hopper",
    "kernel_modules": "open",
    "minimum_branch": 580,
    "coherent_memory_mode": "driver",
    "mig_capable": False,
    "kernel_arguments": ["init_on_alloc=0", "memhp_default_state=online_movable"],
}


def gpu(
    profile: t.Mapping[str, t.Any] | None = types.MappingProxyType(A100), driver: str | None = None, **more: t.Any
) -> dict[str, t.Any]:
    """What module gpu_info returns; C(driver) is both loaded and installed."""
    told = {
        "loaded": driver,
        "installed": driver,
        "next": more.pop("module_next", more.get("installed", driver)),
        "flavour": "open" if driver else None,
        "reboot_needed": False,
        "coherent_memory_mode": None,
        "nouveau_loaded": False,
    }
    kernel = {"release": KERNEL, "page_size": 4096, "command_line": ["root=/dev/sda1", "ro"], "next": KERNEL}
    found = {
        "profile": None if profile is None else dict(profile),
        "driver": told,
        "kernel": kernel,
        "secure_boot": False,
        "machine": "x86_64",
        "gpus": [],
    }
    for name, value in more.items():
        if name in told and name != "next":
            told[name] = value
        elif name in kernel:
            kernel[name] = value
        else:
            found[name] = value
    return copy.deepcopy(found)


def listing(names: t.Iterable[str], version: str = "580.95.05-0ubuntu0.22.04.1") -> str:
    """dpkg-query's lines for packages that are installed."""
    return "".join(f"{name} ii  {version}\n" for name in names)


def file(path: str, text: str, mtime: float = 100.0) -> dict[str, t.Any]:
    """A file as module find reports it."""
    return {"path": path, "checksum": hashlib.sha1(text.encode()).hexdigest(), "mtime": mtime}


def ubuntu(**more: t.Any) -> dict[str, t.Any]:
    bare = {
        "gpu": gpu(),
        "distribution": "Ubuntu",
        "version": "22.04",
        "codename": "jammy",
        "targets": UBUNTU_TARGETS,
        "keys": "",
        "packages": "bash ii  5.1-6ubuntu1\n",
        "updates": 0,
        "holds": "",
        "files": [file("/boot/grub/grub.cfg", "menu", 50.0), file(f"/boot/initrd.img-{KERNEL}", "disk", 50.0)],
        "compiler": "Linux version 5.15.0-105-generic (gcc (Ubuntu 11.4.0-1ubuntu1~22.04) 11.4.0, GNU ld 2.38) #115",
        "unit": "",
    }
    return {**bare, **more}


def debian(**more: t.Any) -> dict[str, t.Any]:
    bare = {
        "distribution": "Debian",
        "version": "12.5",
        "codename": "bookworm",
        "targets": DEBIAN_TARGETS,
        "keys": DEBIAN_KEYS,
        "compiler": "Linux version 6.1.0-21-amd64 (gcc-12 (Debian 12.2.0-14) 12.2.0, GNU ld 2.40)",
    }
    return {**ubuntu(), **bare, **more}


def settle(host: dict[str, t.Any], plan: t.Mapping[str, t.Any], settings: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The host after the plan was carried out, a reboot included."""
    after = copy.deepcopy(host)
    branch = settings["branch"]
    version = f"{branch}.95.05-0ubuntu0.22.04.1"
    after["packages"] += listing(plan["first"] + plan["install"], version)
    after["files"] = [item for item in after["files"] if item["path"] not in plan["files"]]
    after["files"] += [file(path, text, 200.0) for path, text in plan["files"].items()]
    for item in after["files"]:
        if (plan["initramfs"] and "initrd" in item["path"]) or (plan["grub"] and item["path"].endswith("grub.cfg")):
            item["mtime"] = 300.0
    after["holds"] += "".join(f"{name}\n" for name in plan["hold"])
    driver = after["gpu"]["driver"]
    if plan["action"] == "install" and plan["modules"] != "none":
        driver["installed"] = driver["next"] = f"{branch}.95.05"
    driver.update(loaded=driver["installed"], flavour="open", reboot_needed=False, nouveau_loaded=False)
    mode = after["gpu"]["profile"]["coherent_memory_mode"]
    driver["coherent_memory_mode"] = mode
    after["gpu"]["kernel"]["command_line"] += after["gpu"]["profile"]["kernel_arguments"] + settings["kernel_arguments"]
    if plan["action"] == "install":
        after["unit"] = UNIT
    return after
