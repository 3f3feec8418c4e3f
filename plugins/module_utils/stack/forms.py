# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Short and long forms of ports, mounts, secrets, configs and health checks, parsed into the model."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import FileRef, Healthcheck, Mount, Port
from ansible_collections.sophia.replatform.plugins.module_utils.stack.quantities import seconds, size_bytes
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_bool,
    as_int,
    as_list,
    as_mapping,
    as_str,
    as_words,
)

PORT_KEYS = ("target", "published", "protocol", "mode", "name", "host_ip", "app_protocol")
MOUNT_KEYS: dict[str, tuple[str, ...]] = {
    "type": (),
    "source": (),
    "target": (),
    "read_only": (),
    "consistency": (),
    "bind": ("propagation", "create_host_path", "recursive", "selinux"),
    "volume": ("nocopy", "labels", "subpath"),
    "tmpfs": ("size", "mode"),
    "image": ("subpath",),
    "cluster": (),
}
"""Keys of a mount, and those below them."""
MOUNT_KINDS = ("volume", "bind", "tmpfs", "cluster", "npipe", "image")
FILE_KEYS = ("source", "target", "mode", "uid", "gid")


def known_keys(value: t.Mapping[str, t.Any], known: t.Iterable[str], where: str) -> None:
    """Raise for a key that is not in C(known)."""
    for key in value:
        if key not in known and not key.startswith("x-"):
            raise StackError(f"{where}: unknown key '{key}'")


def parse_ports(value: t.Any, where: str) -> list[Port]:
    """All ports, ranges written out."""
    ports: list[Port] = []
    for i, item in enumerate(as_list(value, where)):
        here = f"{where}[{i}]"
        ports.extend(_long_port(item, here) if isinstance(item, dict) else _short_port(as_str(item, here), here))
    return ports


def _long_port(item: dict[str, t.Any], where: str) -> list[Port]:
    known_keys(item, PORT_KEYS, where)
    if "target" not in item:
        raise StackError(f"{where}: 'target' is missing")
    published = item.get("published")
    port = Port(
        _port(item["target"], where),
        None if published in (None, 0) else _port(published, where),
        as_str(item.get("protocol", "tcp"), where).lower(),
        as_str(item.get("mode", "ingress"), where),
        tuple(f"{key} {item[key]}" for key in ("host_ip", "name", "app_protocol") if item.get(key)),
    )
    if port.protocol not in ("tcp", "udp", "sctp") or port.mode not in ("ingress", "host"):
        raise StackError(f"{where}: protocol is tcp, udp or sctp, and mode is ingress or host")
    return [port]


def _short_port(text: str, where: str) -> list[Port]:
    rest, _sep, protocol = text.partition("/")
    outside_port, _sep, target = rest.rpartition(":")
    address, _sep, published = outside_port.rpartition(":")
    if ":" in address and not (address.startswith("[") and address.endswith("]")):
        raise StackError(f"{where}: '{text}' is not a port mapping such as 8080:80 or 8080:80/udp")
    targets = _range(target, where)
    outside = _range(published, where) if published else [None] * len(targets)
    if len(targets) != len(outside) or (protocol or "tcp") not in ("tcp", "udp", "sctp"):
        raise StackError(f"{where}: '{text}' is not a port mapping such as 8080:80 or 8080:80/udp")
    extra = (f"host_ip {address}",) if address else ()
    return [Port(port, out, protocol or "tcp", extra=extra) for port, out in zip(targets, outside)]


def _range(text: str, where: str) -> list[int]:
    first, _sep, last = text.partition("-")
    start, end = _port(first, where), _port(last or first, where)
    return list(range(start, end + 1))


def _port(value: t.Any, where: str) -> int:
    port = as_int(value, where)
    if not 0 < port < 65536:
        raise StackError(f"{where}: {port} is not a port")
    return port


def parse_mounts(value: t.Any, where: str) -> list[Mount]:
    """All volumes of a service."""
    mounts = []
    for i, item in enumerate(as_list(value, where)):
        here = f"{where}[{i}]"
        mounts.append(_long_mount(item, here) if isinstance(item, dict) else _short_mount(as_str(item, here), here))
    return mounts


def _long_mount(item: dict[str, t.Any], where: str) -> Mount:
    known_keys(item, MOUNT_KEYS, where)
    kind = as_str(item.get("type", ""), where)
    target = as_str(item.get("target", ""), where)
    if kind not in MOUNT_KINDS or not target.startswith("/"):
        raise StackError(f"{where}: 'type' is {', '.join(MOUNT_KINDS)}, and 'target' is an absolute path")
    extra = [f"consistency={item['consistency']}"] if item.get("consistency") else []
    for name, below in MOUNT_KEYS.items():
        if below:
            part = as_mapping(item.get(name), f"{where}.{name}")
            known_keys(part, below, f"{where}.{name}")
            extra += [f"{name}.{key}={value}" for key, value in part.items() if (name, key) != ("tmpfs", "size")]
    size = as_mapping(item.get("tmpfs"), where).get("size")
    return Mount(
        kind,
        target,
        as_str(item.get("source", ""), where),
        as_bool(item.get("read_only", False), where),
        None if size is None else size_bytes(size, where),
        tuple(extra),
    )


def _short_mount(text: str, where: str) -> Mount:
    parts = text.split(":")
    if len(parts) > 3 or not parts[-1]:
        raise StackError(f"{where}: '{text}' is not a mount such as data:/var/lib/data or /srv/x:/x:ro")
    if len(parts) == 1 and text.startswith("/"):
        return Mount("volume", text)
    flags = parts[2].split(",") if len(parts) == 3 else []
    target = parts[0] if len(parts) == 1 else parts[1]
    if not target.startswith("/"):
        raise StackError(f"{where}: '{target}' is not an absolute path")
    kind = "bind" if parts[0][:1] in ("/", ".", "~") else "volume"
    extra = tuple(flag for flag in flags if flag not in ("ro", "rw"))
    return Mount(kind, parts[1], parts[0], "ro" in flags, extra=extra)


def parse_files(value: t.Any, where: str, folder: str) -> list[FileRef]:
    """Secrets (C(folder) is /run/secrets/) or configs (C(folder) is /) with their absolute targets."""
    refs = []
    for i, item in enumerate(as_list(value, where)):
        here = f"{where}[{i}]"
        if not isinstance(item, dict):
            source = as_str(item, here)
            refs.append(FileRef(source, folder + source))
            continue
        known_keys(item, FILE_KEYS, here)
        source = as_str(item.get("source", ""), here)
        target = as_str(item.get("target", source), here)
        mode = as_int(item.get("mode", 0o444), here)
        ids = [as_str(item.get(key, "0"), here) for key in ("uid", "gid")]
        refs.append(FileRef(source, target if target.startswith("/") else folder + target, mode, *ids))
    return refs


def parse_healthcheck(value: t.Any, where: str) -> Healthcheck:
    """A health check; C(test) as written in YAML may be a string (then a shell runs it) or a list."""
    item = as_mapping(value, where)
    known_keys(item, set(HEALTHCHECK_KEYS), where)
    test = item.get("test")
    words = ["CMD-SHELL", test] if isinstance(test, str) else as_words(test, f"{where}.test")
    if as_bool(item.get("disable", False), f"{where}.disable"):
        if words:
            raise StackError(f"{where}: give 'test' or 'disable', not both")
    elif words[:1] == ["NONE"]:
        words = []
    elif not words or words[0] not in ("CMD", "CMD-SHELL") or len(words) < 2:
        raise StackError(f"{where}.test: begin it with CMD, CMD-SHELL or NONE")
    elif words[0] == "CMD-SHELL" and len(words) > 2:
        raise StackError(f"{where}.test: CMD-SHELL takes one string")
    times = {
        key: seconds(item[key], f"{where}.{key}")
        for key in ("interval", "timeout", "start_period", "start_interval")
        if key in item and (item[key] not in ("0s", 0) or key == "start_period")
    }
    retries = as_int(item.get("retries", 3), f"{where}.retries") or 3
    return Healthcheck(test=tuple(words), retries=retries, **times)


HEALTHCHECK_KEYS = ("test", "disable", "interval", "timeout", "retries", "start_period", "start_interval")
