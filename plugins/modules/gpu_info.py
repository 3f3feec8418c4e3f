#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: gpu_info
short_description: Tells the NVIDIA GPUs of a host, their driver, and what they need
version_added: 0.1.0
description:
  - Reads the PCI ids of the GPUs, the loaded and the installed driver, Secure Boot, and the kernels from C(/sys), C(/proc),
    C(/boot) and C(/lib/modules), and resolves from them what the host needs.
  - Reads only, and needs nothing on the host besides Python. There may be no driver, no C(lspci) and no C(nvidia-smi).
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment: sophia.replatform.reads
options:
  root:
    description:
      - Folder that is the root of the host, for one that is mounted elsewhere.
      - What its C(/proc) does not tell (the processor, before Linux 6.1) is taken from the kernel that runs the module.
    type: path
    default: /
  accept_unknown:
    description:
      - GPUs to accept although they are not known, each PCI id (V(10de:2b85) or V(2b85)) with its architecture, one of
        V(Maxwell), V(Pascal), V(Volta), V(Turing), V(Ampere), V(Ada), V(Hopper), V(Grace Hopper) and V(Blackwell).
      - They count as GPUs without MIG. An entry for a GPU that is known has no effect.
    type: dict
    default: {}
notes:
  - Known are NVIDIA's GPUs for data centres and workstations from Turing to Hopper, Grace Hopper, and the RTX PRO 6000
    Blackwell. Data centre GPUs of Blackwell with NVLink are not, since their switches can't be seen on the PCI bus.
  - Fails with one line that names address and id when a GPU is not known, when no one flavour of the kernel modules runs
    all GPUs of the host, and with the path of the file when one can't be read. Run it as root.
  - A device counts as a GPU by its class, a VGA or 3D controller. The sound and USB functions of a card do not count, nor
    do virtual functions, which belong to guests.
  - The installed driver is the one that C(modprobe) finds for the kernel that runs. A newer kernel that waits for a reboot is looked at
    too. C(modinfo) is run for one case, a module
    that is compressed with zstd under a Python before 3.14.
"""

EXAMPLES = r"""
- name: Look at the GPUs
  sophia.replatform.gpu_info:
  register: gpus

- name: Say what they need
  ansible.builtin.debug:
    msg: "branch {{ gpus.profile.minimum_branch }} or newer, {{ gpus.profile.kernel_modules }} kernel modules"
  when: gpus.profile

- name: Accept a GPU that is not known
  sophia.replatform.gpu_info:
    accept_unknown:
      "10de:2b85": Blackwell
"""

RETURN = r"""
gpus:
  description:
    - The GPUs, by address.
    - C(mig_capable) says whether the hardware can be divided into instances.
  type: list
  elements: dict
  returned: success
  sample:
    - address: "0000:07:00.0"
      vendor: 10de
      device: 20b2
      class: "0x030200"
      name: A100 SXM4 80GB
      architecture: Ampere
      mig_capable: true
nvswitches:
  description: Addresses of the NVSwitches.
  type: list
  elements: str
  returned: success
  sample: ["0000:c4:00.0"]
driver:
  description: The driver, as far as there is one.
  type: dict
  returned: success
  contains:
    loaded:
      description: Version of the driver that is loaded, or none.
      type: str
      sample: 580.65.06
    installed:
      description: Version of the driver that C(modprobe) finds for the running kernel, or none.
      type: str
      sample: 580.95.05
    next:
      description:
        - Version of the driver that C(modprobe) will find for the kernel of the next boot (RV(kernel)), or none.
        - Where that kernel can't be told, it is RV(driver.installed).
      type: str
      sample: 580.95.05
    flavour:
      description: V(open) or V(proprietary), of the driver that is loaded, else of the installed one, or none.
      type: str
      sample: open
    reboot_needed:
      description:
        - Whether the installed driver takes over only after a reboot, since another version or flavour, or nouveau, is loaded.
      type: bool
      sample: true
    coherent_memory_mode:
      description:
        - Who manages the memory that processor and GPU of a Grace Hopper share, as it is in effect, V(driver) or V(numa).
        - None without a Grace Hopper, or while no driver is loaded.
      type: str
      sample:
    nouveau_loaded:
      description: Whether the driver nouveau is loaded.
      type: bool
      sample: false
kernel:
  description:
    - The kernel that runs. C(page_size) is in bytes.
    - C(next) is the release that the next boot takes, which is the newest below C(/boot), as in the order of GRUB's menu; none where
      C(/boot) has none.
  type: dict
  returned: success
  sample:
    release: 5.15.0-122-generic
    page_size: 4096
    command_line: [BOOT_IMAGE=/vmlinuz-5.15.0-122-generic, ro, "root=/dev/md0"]
    next: 5.15.0-130-generic
secure_boot:
  description: Whether Secure Boot is on; none when the host was not booted by EFI or does not show its variables.
  type: bool
  returned: success
machine:
  description: The kind of processor, as the kernel calls it.
  type: str
  returned: success
  sample: x86_64
profile:
  description: What the host needs; none when it has no NVIDIA GPU.
  type: dict
  returned: success
  contains:
    architecture:
      description: Architecture of the GPUs; several with commas.
      type: str
      sample: Ampere
    kernel_modules:
      description:
        - The flavour of the kernel modules that runs all GPUs, V(open), V(either), or, for Volta and older, V(proprietary).
      type: str
      sample: either
    minimum_branch:
      description: The oldest driver branch that runs all GPUs in every flavour that RV(profile.kernel_modules) allows.
      type: int
      sample: 515
    coherent_memory_mode:
      description: V(driver) on Grace Hopper, where Kubernetes would count the GPU's memory as the node's otherwise; else none.
      type: str
      sample:
    fabric_manager:
      description: Whether the fabric manager has to run, at the driver's exact version, as it does beside NVSwitches.
      type: bool
      sample: true
    mig_capable:
      description: Whether all GPUs can be divided into instances, which excludes RV(profile.coherent_memory_mode).
      type: bool
      sample: true
    kernel_arguments:
      description: Arguments that the kernel has to be booted with.
      type: list
      elements: str
      sample: []
    gpu_count:
      description: Number of GPUs.
      type: int
      sample: 8
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import driver, pci, profile, sysfs


def modinfo(module: AnsibleModule, path: str, field: str) -> str:
    program = module.get_bin_path("modinfo")
    if not program:
        raise ReplatformError(f"{path} is compressed with zstd, which this Python can't read; install kmod for modinfo")
    code, out, err = module.run_command([program, "-F", field, path])
    if code:
        raise ReplatformError(f"modinfo can't read {path}: {' '.join(err.split())}")
    return out.strip()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "root": {"type": "path", "default": "/"},
            "accept_unknown": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    try:
        tree = sysfs.Tree(module.params["root"])
        devices = pci.devices(tree)
        gpus = profile.identify(devices, profile.accepted(module.params["accept_unknown"]))
        nvswitches = [device.address for device in devices if device.is_nvswitch]
        kernel = sysfs.kernel(tree)
        module.exit_json(
            changed=False,
            gpus=[gpu.described() for gpu in gpus],
            nvswitches=nvswitches,
            driver=driver.state(
                tree,
                kernel["release"],
                kernel["next"],
                lambda path, field: modinfo(module, path, field),
                any(gpu.is_coherent for gpu in gpus),
            ),
            kernel=kernel,
            secure_boot=sysfs.secure_boot(tree),
            machine=sysfs.machine(tree),
            profile=profile.resolve(gpus, nvswitches),
        )
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
