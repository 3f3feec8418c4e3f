# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a stack is, in types: services with their keys, and the volumes, networks, secrets and configs they name."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Port:
    """A port that a service listens on (C(target)) and the one it is published on, if any.

    C(extra) are what else was written and Swarm does not heed, such as an address of the host.
    """

    target: int
    published: int | None = None
    protocol: str = "tcp"
    mode: str = "ingress"
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mount:
    """C(kind) is C(volume), C(bind), C(tmpfs), C(cluster), C(npipe) or C(image); C(source) is a volume's name or a path.

    C(extra) are its other options as written, each a C(key=value).
    """

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    size: int | None = None
    extra: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileRef:
    """A secret or config that a service mounts. C(target) is as written: relative to /run/secrets for a secret."""

    source: str
    target: str
    mode: int = 0o444
    uid: str = "0"
    gid: str = "0"


@dataclass(frozen=True)
class Healthcheck:
    """C(test) is empty when the check is switched off. Times are seconds; Docker's defaults are filled in."""

    test: tuple[str, ...]
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0
    start_interval: float | None = None


@dataclass(frozen=True)
class FileSource:
    """A top-level secret, config, volume or network: external or not, its real name, and where its content is.

    C(keys) is the entry as written, and C(file) the file that a message about it names.
    """

    name: str
    external: bool = False
    content: str | None = None
    driver: str = ""
    driver_opts: t.Mapping[str, t.Any] = field(default_factory=dict)
    internal: bool = False
    keys: t.Mapping[str, t.Any] = field(default_factory=dict)
    file: str = ""


@dataclass
class Service:
    """One service: its keys as merged and interpolated, and the file that a message about it names.

    C(concurrent) is what the API can say of a job and a stack file can't: how many of its tasks run at once. C(beside)
    are verdicts (key, verdict, note) of what else only the API says.
    """

    name: str
    file: str
    keys: dict[str, t.Any]
    concurrent: int | None = None
    beside: tuple[tuple[str, str, str], ...] = ()

    def where(self, key: str = "") -> str:
        return f"{self.file}: service '{self.name}'" + (f": {key}" if key else "")


@dataclass
class Stack:
    """A whole stack."""

    name: str
    services: dict[str, Service] = field(default_factory=dict)
    volumes: dict[str, FileSource] = field(default_factory=dict)
    networks: dict[str, FileSource] = field(default_factory=dict)
    secrets: dict[str, FileSource] = field(default_factory=dict)
    configs: dict[str, FileSource] = field(default_factory=dict)
    refused: list[tuple[str, str, str]] = field(default_factory=list)
    """Top-level keys that can't be converted: file, key, and the mend."""

    def full_name(self, source: FileSource, key: str) -> str:
        """The name that the Swarm knows it by: C(docker stack deploy) puts the stack's name before its own things."""
        return source.name if source.external or source.name != key else f"{self.name}_{key}"


@dataclass(frozen=True)
class Options:
    """What the operator decides, beside the stack file."""

    external: t.Mapping[str, t.Mapping[str, t.Any]] = field(default_factory=dict)
    handed_over: frozenset[str] = frozenset()
    nodes: t.Sequence[t.Mapping[str, t.Any]] = ()
    gpu_runtime_class: str = "nvidia"
    generic_resources: t.Mapping[str, str] = field(default_factory=lambda: {"NVIDIA-GPU": "nvidia.com/gpu"})
    storage_class: str = "local-path"
    volume_size: str = "1Gi"
    volume_sizes: t.Mapping[str, str] = field(default_factory=dict)
    bind_root: str = ""
    pre_stop_seconds: int = 5
    http_probes: bool = False
    workload_keys: bool = False
    host_ports: bool = True
    pin_volumes: bool = True
    homes: t.Mapping[str, t.Sequence[str]] = field(default_factory=dict)
    """From a service to the host names of the nodes that hold its data."""
    known_secrets: frozenset[str] | None = None
    """Full names of the secrets that the Swarm has; None where nobody asked it."""
