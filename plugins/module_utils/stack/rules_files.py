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
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import as_strings


def volumes(ctx: Context, key: str, value: t.Any) -> None:
    for i, mount in enumerate(parse_mounts(value, ctx.where(key))):
        here = f"{key}[{mount.target}]"
        {"volume": _volume, "bind": _bind, "tmpfs": _tmpfs}[mount.kind](ctx, here, mount, i)


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
    device = volume.driver_opts.get("device")
    note = f"a claim of {size}, empty until its data is moved"
    ctx.approximated(key, f"{note}; the data lies in {device} on the node" if device else note)


def _bind(ctx: Context, key: str, mount: Mount, index: int) -> None:
    path = mount.source
    if not path.startswith("/"):
        if path.startswith("~") or not ctx.options.bind_root:
            ctx.refused(key, f"'{path}' is relative; name the folder it is in on the nodes in 'bind_root'")
            return
        path = posixpath.normpath(posixpath.join(ctx.options.bind_root, path))
    _add(ctx, f"bind-{index}", mount, hostPath=path)
    if path.endswith(".sock"):
        ctx.approximated(key, "the socket is there as long as its daemon runs on the node; K3s does not use Docker")
    else:
        ctx.approximated(key, f"{path} of the node that the pod lands on; pin the service where the data is")


def _tmpfs(ctx: Context, key: str, mount: Mount, index: int) -> None:
    medium: dict[str, t.Any] = {"medium": "Memory"}
    if mount.size:
        medium["sizeLimit"] = kubernetes_size(mount.size)
    _add(ctx, f"tmpfs-{index}", mount, emptyDir=medium)
    ctx.mapped(key)


def tmpfs(ctx: Context, key: str, value: t.Any) -> None:
    for i, text in enumerate(as_strings(value, ctx.where(key))):
        path, _sep, options = text.partition(":")
        _add(ctx, f"memory-{i}", Mount("tmpfs", path), emptyDir={"medium": "Memory"})
        if options:
            ctx.approximated(key, f"the options '{options}' are left out")
        else:
            ctx.mapped(key)


def secrets(ctx: Context, key: str, value: t.Any) -> None:
    """One file a secret: mounting the folder would hide what else lives under /run/secrets."""
    for ref in parse_files(value, ctx.where(key), "/run/secrets/"):
        here = f"{key}[{ref.source}]"
        if ref.source not in ctx.stack.secrets:
            raise StackError(f"{ctx.where(key)}: secret '{ref.source}' is not under 'secrets'")
        name = ctx.stack.secrets[ref.source].name
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
            ctx.refused(here, f"external: give the content of '{source.name}' as a file in the stack file")
            continue
        entry = {"config": dns_name(source.name), "mountPath": ref.target, "mode": ref.mode}
        ctx.values.setdefault("configs", []).append(entry)
        _owner(ctx, here, ref.uid, ref.gid)


def _owner(ctx: Context, key: str, uid: str, gid: str) -> None:
    if (uid, gid) == ("0", "0"):
        ctx.mapped(key)
    else:
        ctx.approximated(key, f"the file belongs to root, not to {uid}:{gid}; its mode decides who reads it")
