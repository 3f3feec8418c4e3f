#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_quiet_info
short_description: Tells who has asked the ports that a stack publishes on a host within a while
version_added: 0.1.0
description:
  - Watches, on a host of a Swarm, the kernel's table of connections for O(window) seconds, and counts the connections to published
    ports by service and source. So those clients are found that go past the edge straight to a port.
  - Counted is a connection that is new, that has ended, or over which a packet went within the window (which one in the first second and a half is
    not always told apart from one before), and that was answered.
  - Left out are this host itself, loopback, O(exempt), connections through this host to elsewhere, and a port that this host has led to a port of its own, as
    M(sophia.replatform.nft_redirect) does.
  - The table is read from C(/proc/net/nf_conntrack), or by the program C(conntrack) where the kernel has no such file. Where there is neither,
    or the table is empty since the kernel follows no connections, a warning says so and RV(looked) is false. Run it as root.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment: sophia.replatform.reads
options:
  ports:
    description: The ports that services publish on this host.
    type: list
    elements: dict
    required: true
    suboptions:
      service:
        description: Name of the service.
        type: str
        required: true
      port:
        description: The published port.
        type: int
        required: true
      protocol:
        description: Its protocol.
        type: str
        choices: [tcp, udp, sctp]
        default: tcp
  exempt:
    description: Addresses and networks whose connections do not count, such as those of the edges and of monitoring.
    type: list
    elements: str
    default: []
  window:
    description: For how many seconds to watch. In check mode they are not spent, and once is looked, which counts nothing.
    type: float
    default: 60
seealso:
  - module: sophia.replatform.edge_quiet_info
  - module: sophia.replatform.swarm_stack_info
"""

EXAMPLES = r"""
- name: Watch for a minute who asks past the edge
  sophia.replatform.swarm_quiet_info:
    ports:
      - {service: backend, port: 8001}
    exempt: [192.0.2.11, 198.51.100.0/24]
  register: watched

- name: Refuse to go on while somebody does
  ansible.builtin.assert:
    that: watched.looked and not watched.asked
"""

RETURN = r"""
looked:
  description: Whether the table could be read; without, the lists below are empty and say nothing.
  type: bool
  returned: success
  sample: true
asked:
  description: The connections from outside of this host, by service, port and source.
  type: list
  elements: dict
  returned: success
  sample:
    - service: backend
      port: 8001
      protocol: tcp
      source: 198.51.100.7
      connections: 3
inside:
  description:
    - The same from containers and pods of this host, as the names of the interfaces tell that they are behind. Those of another host come from the
      address of that one.
  type: list
  elements: dict
  returned: success
  sample: []
idle:
  description: Connections from outside that were open at the end, and over which nothing went.
  type: list
  elements: dict
  returned: success
  sample: []
watched_s:
  description: For how many seconds that was watched.
  type: int
  returned: success
  sample: 60
"""

import ipaddress

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import conntrack
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.past_edge import PastEdge, Port
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.quiet import watch


def main() -> None:
    port = {
        "service": {"type": "str", "required": True},
        "port": {"type": "int", "required": True},
        "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
    }
    module = AnsibleModule(
        argument_spec={
            "ports": {"type": "list", "elements": "dict", "required": True, "options": port},
            "exempt": {"type": "list", "elements": "str", "default": []},
            "window": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        exempt = [ipaddress.ip_network(each, strict=False) for each in params["exempt"]]
    except ValueError as exc:
        module.fail_json(msg=f"exempt: {exc}")
    own, inside = conntrack.read_host()
    past = PastEdge([Port(**each) for each in params["ports"]], own, exempt, inside)
    looked, watched_s = True, 0.0
    try:
        watched_s = watch(lambda: past.look(conntrack.read_table()), 0 if module.check_mode else params["window"])
    except ReplatformError as exc:
        looked = False
        module.warn(
            f"Nobody can say whether clients go past the edge straight to the ports of the Swarm on this host: {exc}"
        )
    module.exit_json(
        changed=False,
        looked=looked,
        asked=past.asked if looked else [],
        inside=past.inside if looked else [],
        idle=past.idle if looked else [],
        watched_s=int(watched_s),
    )


if __name__ == "__main__":
    main()
