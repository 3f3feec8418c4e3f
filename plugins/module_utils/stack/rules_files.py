# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules for what is mounted: volumes, tmpfs, secrets and configs."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import Context, dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.forms import (
    parse_files,
    parse_mounts,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Mount
from ansible_collections.sophia.replatform.plugins.module_utils.stack.quantities import kubernetes_size

_OF_THE_NODE = ("/dev/", "/etc/", "/lib/modules/", "/proc/", "/run/", "/sys/", "/var/log/", "/var/run/")
"""Paths that every node has, and that hold no data of a service."""


def volumes(ctx: Context, key: str, value: t.Any) -> None:
    for i, mount in enumerate(parse_mounts(value, ctx.where(key))):
        here = f"{key}[{mount.target}]"
        _KINDS[mount.kind](ctx, here, mount, i)
        for text in mount.extra:
            _option(ctx, f"{here}.{text.partition('=')[0]}", text)


def _option(ctx: Context, key: str, text: str) -> None:
    """What else a mount asks for."""
    name, _sep, value = text.partition("=")
    if name.startswith("consistency") or name in ("cached", "delegated", "consistent", "default"):
        ctx.mapped(key, "it means nothing on Linux")
    elif name in ("bind.create_host_path", "volume.labels", "tmpfs.mode"):
        ctx.reported(key, "a pod's volume has no such option")
    elif name in ("nocopy", "volume.nocopy"):
        ctx.mapped(key, "Kubernetes never copies the image's files into a volume")
    elif name in ("z", "Z", "bind.selinux"):
        ctx.reported(key, "label the path on the nodes: chcon -t container_file_t")
    elif name == "bind.recursive" or value in ("rprivate", "private") or name in ("rprivate", "private"):
        ctx.mapped(key, "a pod's mounts are private too")
    else:
        ctx.refused(key, f"'{text}' is not carried, and what the container sees would differ; take it out")


def _add(ctx: Context, name: str, mount: Mount, **kind: t.Any) -> None:
    entry = {"name": name, "mountPath": mount.target, "readOnly": mount.read_only, **kind}
    ctx.values.setdefault("volumes", []).append(entry)


def _volume(ctx: Context, key: str, mount: Mount, index: int) -> None:
    if not mount.source:
        _add(ctx, f"anonymous-{index}", mount, emptyDir={})
        ctx.mapped(key, "an anonymous volume: empty for each pod")
        return
    if mount.source not in ctx.stack.volumes:
        raise StackError(f"{ctx.where(key)}: volume '{mount.source}' is not under 'volumes'")
    volume = ctx.stack.volumes[mount.source]
    if volume.driver not in ("", "local"):
        ctx.refused(key, f"volume driver '{volume.driver}': its data is not on the node; make a claim for it")
        return
    size = ctx.options.volume_sizes.get(mount.source, ctx.options.volume_size)
    claim = {"volume": dns_name(mount.source), "size": size, "storageClass": ctx.options.storage_class}
    _add(ctx, dns_name(mount.source), mount, claim=claim)
    ctx.values["data"] = ctx.values.get("data", False) or not mount.read_only
    device = volume.driver_opts.get("device")
    notes = [f"a claim of {size}, empty until its data is moved"]
    notes += [f"the data lies in {device} on the node"] if device else []
    notes += ["a volume for each task there, a claim for each pod here"] if "{{" in volume.name else []
    ctx.approximated(key, "; ".join(notes))


def _bind(ctx: Context, key: str, mount: Mount, index: int) -> None:
    path = mount.source
    if "{{" in path:
        ctx.refused(key, f"'{path}' is a template; name the path as it is on the node")
        return
    if not path.startswith("/"):
        if path.startswith("~") or not ctx.options.bind_root:
            ctx.refused(key, f"'{path}' is relative; name the folder it is in on the nodes in 'bind_root'")
            return
        path = posixpath.normpath(posixpath.join(ctx.options.bind_root, path))
    _add(ctx, f"bind-{index}", mount, hostPath=path)
    if path.endswith(".sock"):
        ctx.approximated(key, "the socket is there as long as its daemon runs on the node; K3s does not use Docker")
        return
    if not mount.read_only and not posixpath.join(path, "").startswith(_OF_THE_NODE):
        ctx.values["data"] = True
    ctx.approximated(key, f"{path} of the node that the pod lands on; pin the service where the data is")


def _tmpfs(ctx: Context, key: str, mount: Mount, index: int) -> None:
    medium: dict[str, t.Any] = {"medium": "Memory"}
    if mount.size:
        medium["sizeLimit"] = kubernetes_size(mount.size)
    _add(ctx, f"tmpfs-{index}", mount, emptyDir=medium)
    ctx.mapped(key)


def _elsewhere(ctx: Context, key: str, mount: Mount, index: int) -> None:
    why = {
        "cluster": "a cluster volume: make a claim with its CSI driver",
        "image": "an image as a volume: copy its files by a container that starts first",
        "npipe": "a named pipe of Windows",
    }
    ctx.refused(key, f"{why[mount.kind]}, and take the mount out")


_KINDS = {
    "volume": _volume,
    "bind": _bind,
    "tmpfs": _tmpfs,
    "cluster": _elsewhere,
    "image": _elsewhere,
    "npipe": _elsewhere,
}


def secrets(ctx: Context, key: str, value: t.Any) -> None:
    """One file a secret: mounting the folder would hide what else lives under /run/secrets."""
    for ref in parse_files(value, ctx.where(key), "/run/secrets/"):
        here = f"{key}[{ref.source}]"
        if ref.source not in ctx.stack.secrets:
            raise StackError(f"{ctx.where(key)}: secret '{ref.source}' is not under 'secrets'")
        source = ctx.stack.secrets[ref.source]
        name, known = source.name, ctx.options.known_secrets
        if source.external and known is not None and name not in known:
            ctx.refused(here, f"the Swarm has no secret '{name}': make it, or take the mount out")
            continue
        entry = {"secret": dns_name(name), "key": name, "mountPath": ref.target, "mode": ref.mode}
        ctx.values.setdefault("secrets", []).append(entry)
        _owner(ctx, here, ref.uid, ref.gid)


def configs(ctx: Context, key: str, value: t.Any) -> None:
    for ref in parse_files(value, ctx.where(key), "/"):
        here = f"{key}[{ref.source}]"
        if ref.source not in ctx.stack.configs:
            raise StackError(f"{ctx.where(key)}: config '{ref.source}' is not under 'configs'")
        source = ctx.stack.configs[ref.source]
        if source.content is None:
            ctx.refused(
                here, f"external: give the content of '{source.name}' as a file in the stack file, or 'live_objects'"
            )
            continue
        entry = {"config": dns_name(source.name), "mountPath": ref.target, "mode": ref.mode}
        ctx.values.setdefault("configs", []).append(entry)
        _owner(ctx, here, ref.uid, ref.gid)


def _owner(ctx: Context, key: str, uid: str, gid: str) -> None:
    if (uid, gid) == ("0", "0"):
        ctx.mapped(key)
    else:
        ctx.approximated(key, f"the file belongs to root, not to {uid}:{gid}; its mode decides who reads it")
