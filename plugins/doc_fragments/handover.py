# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules that hand a store over have in common; its counterpart is ARGUMENTS in module_utils/handover/operations.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description:
      - Name of the store's Service in the cluster. It must be a Service without selector while the old instance serves, and
        one that selects pods when the new instance does.
      - The new instance must answer as the Service C(<name>-k3s) all the while.
    type: str
    required: true
  namespace:
    description: Namespace of both Services.
    type: str
    required: true
  kubeconfig:
    description: File on the host that the module runs on, that says how the cluster is reached.
    type: path
    required: true
  source:
    description: The old instance as C(host:port), as pods can reach it. Empty when it is stopped.
    type: str
  state:
    description:
      - V(copied) means that the old instance takes no writes and that the new one has all that it holds.
      - V(idle) means that the name leads to the new instance and that nobody is connected to the old one any more.
      - V(writable) is the way back before the name has been switched, that the old instance takes writes again.
    type: str
    required: true
    choices: [copied, idle, writable]
  overwrite:
    description: Whether the new instance may lose what it holds beyond the old one.
    type: bool
    default: false
requirements:
  - kubernetes (Python package)
"""
