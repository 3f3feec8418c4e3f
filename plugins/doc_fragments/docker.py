# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a module reaches the Docker Engine; its counterpart is ARGUMENTS in module_utils/swarm/client.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  docker_host:
    description: Address of the Docker Engine on the host that the module runs on.
    type: str
    default: unix:///var/run/docker.sock
  docker_timeout:
    description: Seconds to wait for one answer of the Engine.
    type: int
    default: 60
requirements:
  - docker (Python package) >= 5.0
"""
