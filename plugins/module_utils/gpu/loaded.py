# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the driver that a host was given runs its GPUs, asked after the act and the reboot; and which kernels lack one."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.gpu.driver_plan import reboot_reasons
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.packages import branch_of

Map = t.Mapping[str, t.Any]


def driver_faults(gpu: Map, arguments: t.Sequence[str] = (), modules: str = "dkms", ours: bool = True) -> list[str]:
    """What keeps the GPUs from running as they should, one line a fault.

    C(gpu) is what module C(gpu_info) returned, C(arguments) are the wanted boot arguments. Modules that are C(ours) must be the
    open ones; adopted ones only where the GPUs run with no others. With C(modules) V(none) the kernel's own are not compared.
    """
    driver = gpu["driver"]
    faults = reboot_reasons(gpu, arguments, modules)
    if modules == "none" and driver["nouveau_loaded"]:
        faults.insert(0, "nouveau is loaded")
    if not driver["loaded"]:
        return [*faults, f"no driver is loaded in the kernel {gpu['kernel']['release']}; dmesg tells why"]
    if modules != "none" and not driver["installed"]:
        faults.append(
            f"{driver['loaded']} is loaded, and no module is installed for the kernel {gpu['kernel']['release']}"
        )
    wanted = (ours and modules != "none") or (gpu["profile"] or {}).get("kernel_modules") == "open"
    if wanted and driver["flavour"] != "open":
        faults.append(f"the modules that are loaded are {driver['flavour']}, not the open ones")
    return faults


def kernels_without(gpu: Map, branch: int | str) -> list[str]:
    """The kernels, of that which runs and that which boots next, for which there is no module of this branch."""
    kernel, driver = gpu["kernel"], gpu["driver"]
    modules = {kernel["release"]: driver["installed"]}
    if kernel["next"]:
        modules.setdefault(kernel["next"], driver["next"])
    return [release for release, version in modules.items() if branch_of(version or "") != int(branch)]
