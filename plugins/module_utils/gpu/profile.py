# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the GPUs of a host need: which driver, with what around it. Pure."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.pci import MODELS, Device, Model

GRACE_HOPPER = "Grace Hopper"

_OLD = frozenset({"proprietary"})
_BOTH = frozenset({"open", "proprietary"})
_NEW = frozenset({"open"})

# Which flavours of the kernel modules an architecture runs with, and the oldest branch that runs one of its GPUs.
# U(https://docs.nvidia.com/datacenter/tesla/driver-installation-guide/kernel-modules.html)
ARCHITECTURES = {
    "Maxwell": (_OLD, 515),
    "Pascal": (_OLD, 515),
    "Volta": (_OLD, 515),
    "Turing": (_BOTH, 515),
    "Ampere": (_BOTH, 515),
    "Ada": (_BOTH, 525),
    "Hopper": (_BOTH, 525),
    GRACE_HOPPER: (_NEW, 535),
    "Blackwell": (_NEW, 570),
}

# The first branch with the option NVreg_CoherentGPUMemoryMode, as of 580.65.06.
COHERENT_BRANCH = 580

# What NVIDIA asks of a Kubernetes node on Grace Hopper.
GRACE_HOPPER_ARGUMENTS = ("init_on_alloc=0", "memhp_default_state=online_movable", "numa_balancing=disable")

_ID = re.compile(r"(?:(?:0x)?10de:)?(?:0x)?([0-9a-f]{4})")


class Gpu(t.NamedTuple):
    device: Device
    model: Model

    @property
    def is_coherent(self) -> bool:
        return self.model.architecture == GRACE_HOPPER

    def described(self) -> dict[str, t.Any]:
        return {
            "address": self.device.address,
            "vendor": self.device.vendor,
            "device": self.device.device,
            "class": self.device.pci_class,
            "name": self.model.name,
            "architecture": self.model.architecture,
            "mig_capable": self.model.mig_capable,
        }


def accepted(entries: t.Mapping[str, t.Any]) -> dict[str, Model]:
    """The models that C(accept_unknown) adds: a PCI id (C(2b85) or C(10de:2b85)) to an architecture."""
    models = {}
    for key, architecture in entries.items():
        match = _ID.fullmatch(str(key).strip().lower())
        if not match:
            raise ReplatformError(
                f"accept_unknown: '{key}' is not the id of an NVIDIA device; write it like '10de:2b85'"
            )
        if str(architecture) not in ARCHITECTURES:
            raise ReplatformError(
                f"accept_unknown: '{architecture}', the architecture of {key}, is not one of {', '.join(ARCHITECTURES)}"
            )
        identifier = match.group(1)
        models[identifier] = Model(f"NVIDIA {identifier}", architecture, ARCHITECTURES[architecture][1])
    return models


def identify(devices: t.Iterable[Device], more: t.Mapping[str, Model]) -> list[Gpu]:
    """The GPUs among the devices. One that neither the table nor C(more) knows is refused, by address and id."""
    found = [device for device in devices if device.is_gpu]
    known = {**more, **MODELS}
    unknown = [device for device in found if device.device not in known]
    if unknown:
        names = ", ".join(f"{device.address} ({device.vendor}:{device.device})" for device in unknown)
        raise RefusedError(f"not a known NVIDIA GPU: {names}; name its architecture in accept_unknown to go on")
    return [Gpu(device, known[device.device]) for device in found]


def resolve(gpus: t.Sequence[Gpu], nvswitches: t.Sequence[str]) -> dict[str, t.Any] | None:
    """The profile of a host, or None without a GPU. GPUs that no one flavour of the modules runs are refused."""
    if not gpus:
        return None
    coherent = any(gpu.is_coherent for gpu in gpus)
    branch = max(gpu.model.branch for gpu in gpus)
    return {
        "architecture": ", ".join(sorted({gpu.model.architecture for gpu in gpus})),
        "kernel_modules": _kernel_modules(gpus),
        "minimum_branch": max(branch, COHERENT_BRANCH) if coherent else branch,
        "coherent_memory_mode": "driver" if coherent else None,
        "fabric_manager": bool(nvswitches),
        # MIG and memory that the driver manages exclude each other.
        "mig_capable": not coherent and all(gpu.model.mig_capable for gpu in gpus),
        "kernel_arguments": list(GRACE_HOPPER_ARGUMENTS) if coherent else [],
        "gpu_count": len(gpus),
    }


def _kernel_modules(gpus: t.Sequence[Gpu]) -> str:
    flavours = _BOTH
    for gpu in gpus:
        flavours &= ARCHITECTURES[gpu.model.architecture][0]
    if not flavours:
        names = ", ".join(f"{gpu.device.address} ({gpu.model.architecture})" for gpu in gpus)
        raise RefusedError(f"no one flavour of the kernel modules runs all GPUs of this host: {names}; take some out")
    return "either" if flavours == _BOTH else next(iter(flavours))
