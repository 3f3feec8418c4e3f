# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What K3s knows of NVIDIA's container runtime, and what it would find: it looks for it at its start alone."""

from __future__ import annotations

import re
import typing as t

#: Where K3s looks, in its order: the GPU operator's folder first, then the service's PATH.
PLACES = (
    "/usr/local/nvidia/toolkit",
    "/opt/kwasm/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
)
#: containerd's name of the runtime, by its program.
PROGRAMS = {
    "nvidia-container-runtime": "nvidia",
    "nvidia-container-runtime.cdi": "nvidia-cdi",
    "nvidia-container-runtime-experimental": "nvidia-experimental",
}

_TABLE = re.compile(r"^\s*\[.*\.runtimes\.[\"']?([\w-]+)[\"']?\.options\]")
_BINARY = re.compile(r"^\s*BinaryName\s*=\s*[\"']([^\"']+)[\"']")


def known_runtimes(config: str) -> dict[str, str]:
    """Program by runtime, from the text of the C(config.toml) that K3s made for containerd."""
    found = {}
    table = ""
    for line in config.splitlines():
        if line.lstrip().startswith("["):
            name = _TABLE.match(line)
            table = name.group(1) if name else ""
        binary = _BINARY.match(line)
        if table and binary:
            found[table] = binary.group(1)
    return found


def found_runtimes(paths: t.Iterable[str]) -> dict[str, str]:
    """Program by runtime that K3s would find, from the paths that exist."""
    there = set(paths)
    found: dict[str, str] = {}
    for place in PLACES:
        for program, name in PROGRAMS.items():
            if f"{place}/{program}" in there:
                found.setdefault(name, f"{place}/{program}")
    return found


def runtime_stale(config: str, paths: t.Iterable[str]) -> str:
    """Why K3s has to start again to see the runtime as it is; empty if it has not.

    Only C(nvidia) must be known, since older releases of K3s do not look for the others.
    """
    known, found = known_runtimes(config), found_runtimes(paths)
    for name in sorted(set(PROGRAMS.values())):
        if name in known and known[name] != found.get(name):
            return f"K3s knows the runtime {name} at {known[name]}, and it is at {found.get(name, 'no place')}"
    if "nvidia" in found and "nvidia" not in known:
        return f"K3s does not know the runtime nvidia at {found['nvidia']}"
    return ""
