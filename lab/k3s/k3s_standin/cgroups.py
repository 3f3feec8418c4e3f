"""Where this node's pods live in the cgroup tree. Nodes that are containers share the tree, so each needs its own root."""

from __future__ import annotations

from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")


def root_of(init_cgroups: str) -> str:
    """The folder that holds systemd, from the text of /proc/1/cgroup: "/" on a real host."""
    for line in init_cgroups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "name=systemd" or not controllers:
            return path.removesuffix("/init.scope") or "/"
    return "/"


def prepare() -> str:
    """This node's root, made in every hierarchy: the kubelet refuses a root that one of them lacks."""
    root = root_of(Path("/proc/1/cgroup").read_text())
    if root != "/":
        for hierarchy in MOUNT.iterdir():
            if (hierarchy / "cgroup.procs").exists():
                (hierarchy / root.lstrip("/")).mkdir(parents=True, exist_ok=True)
    return root
