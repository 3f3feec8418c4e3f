# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a stack is, in types: services with their keys, and the volumes, networks, secrets and configs they name."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Port:
    """A port that a service listens on (C(target)) and the one it is published on, if any."""

    target: int
    published: int | None = None
    protocol: str = "tcp"
    mode: str = "ingress"


@dataclass(frozen=True)
class Mount:
    """C(kind) is C(volume), C(bind) or C(tmpfs); C(source) is a volume's name or a path."""

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    size: int | None = None


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
    """A top-level secret, config or volume: external or not, its real name, and where its content is."""

    name: str
    external: bool = False
    content: str | None = None
    driver: str = ""
    driver_opts: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass
class Service:
    """One service: its keys as merged and interpolated, and the file that a message about it names."""

    name: str
    file: str
    keys: dict[str, t.Any]

    def where(self, key: str = "") -> str:
        return f"{self.file}: service '{self.name}'" + (f": {key}" if key else "")


@dataclass
class Stack:
    """A whole stack."""

    name: str
    services: dict[str, Service] = field(default_factory=dict)
    volumes: dict[str, FileSource] = field(default_factory=dict)
    networks: dict[str, t.Any] = field(default_factory=dict)
    secrets: dict[str, FileSource] = field(default_factory=dict)
    configs: dict[str, FileSource] = field(default_factory=dict)


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
