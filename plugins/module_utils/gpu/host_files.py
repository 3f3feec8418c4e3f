# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files that keep a driver as it is: pins, upgrades that are not to happen by themselves, module options, boot arguments."""

from __future__ import annotations

import hashlib
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.gpu.packages import BRANCHLESS, TOOLKIT

PIN = "/etc/apt/preferences.d/replatform-nvidia-driver"
BLACKLIST = "/etc/apt/apt.conf.d/52replatform-nvidia"
NOUVEAU = "/etc/modprobe.d/replatform-nouveau.conf"
COHERENT = "/etc/modprobe.d/replatform-nvidia-coherent.conf"
GRUB = "/etc/default/grub.d/90-replatform-nvidia.cfg"
DROP_IN = "/etc/systemd/system/nvidia-persistenced.service.d/replatform.conf"
SOURCE = "/etc/apt/sources.list.d/replatform-debian-nonfree.sources"

HEAD = "# Written by sophia.replatform.\n"

#: Debian's packages that carry the driver's own version; nvidia-support and the like have one of their own.
_DEBIAN_NAMES = (
    "nvidia-open-kernel-* nvidia-kernel-dkms nvidia-kernel-source nvidia-kernel-support nvidia-driver* nvidia-smi "
    "nvidia-alternative nvidia-legacy-check nvidia-persistenced nvidia-modprobe firmware-nvidia-gsp libcuda1 libnvidia-ml1 "
    "libnvidia-cfg1 libnvidia-ptxjitcompiler1 libnvidia-pkcs11-openssl3 libnvidia-nvvm4 libnvidia-encode1 libnvcuvid1"
)
_UNATTENDED = (
    "nvidia-",
    "libnvidia-",
    "libcuda1",
    "firmware-nvidia-gsp",
    "linux-modules-nvidia-",
    "linux-objects-nvidia-",
)
_KERNELS = (
    "linux-image-",
    "linux-headers-",
    "linux-generic",
    "linux-nvidia",
    "linux-virtual",
    "linux-aws",
    "linux-gcp",
)


def differs(file: t.Mapping[str, t.Any] | None, text: str) -> bool:
    """Whether a file, as module C(find) reports it, holds another text than this, or is not there."""
    return file is None or file["checksum"] != hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def driver_pin(source: str, distribution: str, branch: int) -> str:
    """apt's preferences: this branch alone, and from this source alone.

    The first record that matches a version counts, so the last one refuses every version that the others do not name.
    """
    records: list[str] = []
    if source == "debian":
        names = _DEBIAN_NAMES
    elif source == "ubuntu":
        # linux-modules-nvidia-* have the kernel's version, and no pin.
        names = f"nvidia-*-{branch}-server* libnvidia-*-{branch}-server* nvidia-fabricmanager-{branch} libnvidia-nscq-{branch}"
    else:
        branchless = branch >= BRANCHLESS or distribution != "Ubuntu"
        names = (
            "nvidia-* libnvidia-*" if branchless else f"nvidia-open-{branch} nvidia-*-{branch}* libnvidia-*-{branch}*"
        )
        records = [_record(names, f"release o={distribution}", -1)] if distribution == "Ubuntu" else []
        if branchless:  # nvidia-driver-pinning-<branch> pins the versions
            return HEAD + "\n".join(records)
    return HEAD + "\n".join([*records, _record(names, f"version {branch}.*", 990), _record(names, "version *", -1)])


def toolkit_pin(version: str) -> str:
    """apt's preferences that keep the toolkit's four packages at one version."""
    return HEAD + _record(" ".join(TOOLKIT), f"version {version}", 1001)


def _record(names: str, pin: str, priority: int) -> str:
    return f"Package: {names}\nPin: {pin}\nPin-Priority: {priority}\n"


def unattended_blacklist(kernels: bool) -> str:
    """What unattended-upgrades leaves alone: a library that moves under a loaded module ends every GPU program."""
    names = [*_UNATTENDED, *(_KERNELS if kernels else ())]
    lines = "".join(f'  "^{name}";\n' for name in names)
    return HEAD.replace("#", "//") + "Unattended-Upgrade::Package-Blacklist {\n" + lines + "};\n"


def nouveau() -> str:
    return HEAD + "blacklist nouveau\noptions nouveau modeset=0\n"


def coherent(mode: str) -> str:
    """Coherent driver-based memory management: the GPU's memory is no NUMA node that the kubelet would count as its own."""
    return HEAD + f"options nvidia NVreg_CoherentGPUMemoryMode={mode}\n"


def grub_arguments(arguments: t.Sequence[str]) -> str:
    return HEAD + f'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT {" ".join(arguments)}"\n'


def persistence_drop_in(unit: str) -> str:
    """A drop-in that takes C(--no-persistence-mode) out of the packaged unit and keeps its user; empty if it needs none."""
    commands = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
    if not commands or "--no-persistence-mode" not in commands[-1]:
        return ""
    command = commands[-1].replace("--no-persistence-mode", "--persistence-mode")
    return HEAD + f"[Service]\nExecStart=\nExecStart={command}\n"
