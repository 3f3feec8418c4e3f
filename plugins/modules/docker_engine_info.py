#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: docker_engine_info
short_description: Tells whether a host has Docker, who needs it, and what would go with it
version_added: 0.1.0
description:
  - Reads which packages of Docker are installed (apt or rpm), who would stop without them, and where Docker's data is.
  - C(containerd.io) is among the packages only where its containerd runs for Docker alone; a distribution's own containerd never is.
  - Reads only.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.reads
options:
  stack:
    description: Name of a stack whose containers do not count as needing Docker.
    type: str
    required: true
  note:
    description: File on the host with a list of the packages that were removed, for RV(removed).
    type: path
  size:
    description: Whether to measure the data, which reads all of its folders.
    type: bool
    default: false
notes:
  - Run it as root.
"""

EXAMPLES = r"""
- name: Who needs Docker
  sophia.replatform.docker_engine_info:
    stack: shop
  register: engine

- name: Refuse while anything does
  ansible.builtin.assert:
    that: not engine.needed_by
"""

RETURN = r"""
present:
  description: Whether the program C(dockerd) is on the host.
  type: bool
  returned: success
packages:
  description: The packages of Docker that are installed.
  type: list
  elements: str
  returned: success
  sample: [docker.io]
removed:
  description: What O(note) says.
  type: list
  elements: str
  returned: success
  sample: []
manager:
  description: The host's manager of packages, V(apt), V(rpm) or empty.
  type: str
  returned: success
  sample: apt
units:
  description: Docker's units that systemd knows.
  type: list
  elements: str
  returned: success
  sample: [docker.socket, docker.service]
needed_by:
  description: Who would stop without Docker, in words.
  type: list
  elements: str
  returned: success
  sample: [container registry (running)]
goes_along:
  description: Other packages that apt would take away with those.
  type: list
  elements: str
  returned: success
  sample: []
root:
  description: Where Docker's data is.
  type: str
  returned: success
  sample: /var/lib/docker
mib:
  description: How large it is, with O(size).
  type: int
  returned: success
  sample: 5120
"""

import glob
import json
import os

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, engine

ROOT = "/var/lib/docker"
K3S_FILES = (
    "/etc/rancher/k3s/config.yaml",
    "/etc/rancher/k3s/config.yaml.d/*.yaml",
    "/etc/systemd/system/k3s*.service",
)
DPKG = ("dpkg-query", "-W", "-f=${binary:Package} ${db:Status-Abbrev}\n")
RPM = ("rpm", "-qa", "--qf", "%{NAME} ii\n")


def answer(module: AnsibleModule, *words: str) -> str:
    """The output of a program; empty when it fails, or is not there."""
    program = module.get_bin_path(words[0], opt_dirs=["/usr/sbin", "/sbin"])
    if not program:
        return ""
    code, out, _err = module.run_command([program, *words[1:]], environ_update={"LC_ALL": "C"})
    return out if code == 0 else ""


def texts(patterns: tuple[str, ...]) -> dict[str, str]:
    """The files of K3s that say how it runs."""
    found = {}
    for path in sorted(path for pattern in patterns for path in glob.glob(pattern)):
        with open(path, encoding="utf-8", errors="replace") as file:
            found[path] = file.read()
    return found


def noted(path: str | None) -> list[str]:
    """The packages in a note; none where there is none."""
    if not path or not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return [str(one) for one in json.load(file)]


def root_in(path: str) -> str:
    """Docker's folder as its configuration has it, for one that does not run."""
    try:
        with open(path, encoding="utf-8") as file:
            return str(json.load(file).get("data-root") or ROOT)
    except (OSError, ValueError):
        return ROOT


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "note": {"type": "path"},
            "size": {"type": "bool", "default": False},
            **client.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    present = module.get_bin_path("dockerd", opt_dirs=["/usr/sbin", "/sbin", "/usr/local/bin"]) is not None
    containers, root = [], root_in("/etc/docker/daemon.json")
    if present:
        if client.IMPORT_ERROR:
            module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
        try:
            api = client.connect(module.params)
            with client.api_errors("read the Engine"):
                containers, root = api.containers(all=True), str(api.info().get("DockerRootDir") or root)
        except ReplatformError as exc:
            module.fail_json(msg=str(exc))
    k3s = texts(K3S_FILES)
    cri = answer(module, "systemctl", "is-active", "cri-docker.service").strip() == "active"
    there = engine.installed(answer(module, *DPKG) or answer(module, *RPM))
    namespaces = answer(module, "ctr", "namespaces", "list", "--quiet").split()
    packages = engine.to_remove(there, namespaces, k3s)
    simulated = answer(module, "apt-get", "--simulate", "--no-auto-remove", "remove", *packages) if packages else ""
    units = answer(module, "systemctl", "list-unit-files", "--no-legend", *engine.UNITS)
    size = (
        answer(module, "du", "--summarize", "--one-file-system", "--block-size=1M", root)
        if module.params["size"]
        else ""
    )
    module.exit_json(
        changed=False,
        present=present,
        packages=packages,
        removed=noted(module.params["note"]),
        manager="apt" if module.get_bin_path("apt-get") else "rpm" if module.get_bin_path("rpm") else "",
        units=[unit for unit in engine.UNITS if unit in units.split()],
        needed_by=engine.needed_by(containers, module.params["stack"], k3s, cri),
        goes_along=engine.goes_along(simulated, packages),
        root=root if os.path.isdir(root) else "",
        mib=int((size.split() or ["0"])[0]),
    )


if __name__ == "__main__":
    main()
