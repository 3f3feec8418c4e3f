#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: tcp_probe
short_description: See whether a TCP service takes a connection and keeps it open
version_added: 0.2.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Opens a connection from the host it runs on, says nothing, and fails where none is taken, or where it is closed within O(held) without
    a byte. A proxy such as Traefik takes connections of its own accord, and closes those for which it has no server.
  - A service that speaks first answers at once; on one that waits for its client the module waits for O(held).
extends_documentation_fragment:
  - sophia.replatform.reads
options:
  host:
    description: Where the service is.
    type: str
    default: 127.0.0.1
  port:
    description: Its port.
    type: int
    required: true
  timeout:
    description: Seconds until a connection that is not taken has failed.
    type: float
    default: 5
  held:
    description: Seconds for which the connection has to stay open.
    type: float
    default: 2
seealso:
  - module: sophia.replatform.http_probe
"""

EXAMPLES = r"""
- name: See whether the edge leads to a service
  sophia.replatform.tcp_probe:
    port: 9010
"""

RETURN = r"""
open:
  description: Whether the connection was taken and kept.
  returned: always
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.probe import connect


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "required": True},
            "timeout": {"type": "float", "default": 5},
            "held": {"type": "float", "default": 2},
        },
        supports_check_mode=True,
    )
    params = module.params
    fault = connect(f"{params['host']}:{params['port']}", params["timeout"], params["held"])
    if fault:
        module.fail_json(msg=fault, changed=False, open=False)
    module.exit_json(changed=False, open=True)


if __name__ == "__main__":
    main()
