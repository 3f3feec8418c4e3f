#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_ports
short_description: Closes what a Swarm leaves open on a host that has left it, and opens it again
version_added: 0.1.0
description:
  - Rules of ufw and firewalld that open ports of the Swarm and no other, 2377/tcp, 7946/tcp, 7946/udp and the port for data, are taken out, in
    firewalld also the service C(docker-swarm). Rules for published ports are told in RV(left), since something else may be reached there by now.
  - What Docker leaves behind goes where nobody uses it, the network C(docker_gwbridge), the chain C(DOCKER-INGRESS) of iptables with the rules
    that lead to it, and the network namespace C(ingress_sbox).
  - What goes is first noted in O(note), from which O(state=opened) makes it again. A rule of ufw comes back at the end of its list.
  - Docker is waited for until it listens on none of the ports, and after 10 seconds C(docker.service) is started again, once, where no container runs
    or would begin by that; else the module fails and says how. So does O(state=opened), since a Docker that holds them can not join a Swarm.
  - Who else listens on a port is told in RV(left) and not touched, and a rule for such a port stays.
  - It is refused on a host that is in a Swarm; in check mode the Swarm counts as left. IPv4 alone, as Docker's ingress.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
options:
  state:
    description: V(opened) brings back what V(closed) has noted, and forgets it.
    type: str
    choices: [closed, opened]
    default: closed
  note:
    description: File on the host that says what was closed.
    type: path
    required: true
  published:
    description: The ports that the stack published.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: The port.
        type: int
        required: true
      protocol:
        description: Its protocol.
        type: str
        choices: [tcp, udp, sctp]
        default: tcp
  data_path_port:
    description: The Swarm's port for data.
    type: int
    default: 4789
  firewall:
    description: Whether the rules of firewalls are closed.
    type: str
    choices: [closed, left]
    default: closed
requirements:
  - iproute2 and iptables on the host
seealso:
  - module: sophia.replatform.swarm_leave
"""

EXAMPLES = r"""
- name: Close what the Swarm has left open
  sophia.replatform.swarm_ports:
    note: /var/lib/replatform/swarm-shop.closed.json
    published:
      - {port: 8001}

- name: Open it again, before the Swarm is made
  sophia.replatform.swarm_ports:
    state: opened
    note: /var/lib/replatform/swarm-shop.closed.json
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: close_rule
      rule: ufw allow 2377/tcp
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: nothing of the Swarm is left on this host
left:
  description: What is there still and not the Swarm's, in words.
  type: list
  elements: str
  returned: success
  sample: [port 8001/tcp is held by nginx (pid 4711)]
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, perform
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.leftovers_host import Leftovers, Wanted

PORT = {
    "port": {"type": "int", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp", "sctp"], "default": "tcp"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["closed", "opened"], "default": "closed"},
            "note": {"type": "path", "required": True},
            "published": {"type": "list", "elements": "dict", "default": [], "options": PORT},
            "data_path_port": {"type": "int", "default": 4789},
            "firewall": {"type": "str", "choices": ["closed", "left"], "default": "closed"},
            **client.ARGUMENTS,
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    given = module.params
    wanted = Wanted(
        opens=given["state"] == "opened",
        note=given["note"],
        published=frozenset((each["port"], each["protocol"]) for each in given["published"]),
        data_path_port=given["data_path_port"],
        firewall=given["firewall"] == "closed",
        foreseen=module.check_mode,
    )

    def find(program: str) -> str | None:
        return module.get_bin_path(program, opt_dirs=["/usr/sbin", "/sbin"])

    try:
        operation = Leftovers(client.connect(given), wanted, find)
        result = perform(operation, "swarm_ports", "", given, module.check_mode)
        module.exit_json(left=operation.left if given["state"] == "closed" else [], **result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
