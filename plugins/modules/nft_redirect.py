#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: nft_redirect
short_description: Takes a port over from whoever holds it, without a refused connection
version_added: 0.1.0
description:
  - Leads new TCP connections to a port of the host to another port of the same host, by an nftables table of its own that is put in place in one
    transaction. What is connected stays with the one it is connected to. Both IPv4 and IPv6.
  - It comes before the rules of Docker, so that a port that a Swarm service publishes can be taken over, through the ingress routing mesh or
    on the host. Every other table is left as it is.
  - It is refused when nobody answers on the other port on every address, and when another hand already redirects the port.
  - Given back, the port serves whoever held it. What was redirected goes on; the table is kept, without effect, until no such connection is open.
  - UDP (HTTP/3) is not redirected.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.operation
requirements:
  - nftables on the host, with a Linux of 5.2 or newer
options:
  state:
    description: V(absent) gives the ports back.
    type: str
    choices: [present, absent]
    default: present
  redirects:
    description: The ports. Needed with O(state=present); with O(state=absent) all that the table has are given back.
    type: list
    elements: dict
    default: []
    suboptions:
      port:
        description: Port that clients ask.
        type: int
        required: true
      to_port:
        description: Port that they are led to, on which somebody listens on every address.
        type: int
        required: true
  user:
    description: A user whose own connections are not redirected, since it asks the holder of the port itself.
    type: str
  exempt_sources:
    description: Addresses or networks whose connections from outside are not redirected, such as other edges that ask the holder of the port.
    type: list
    elements: str
    default: []
  table:
    description: Name of the table, of family C(inet).
    type: str
    default: replatform_edge
  path:
    description: File for C(nft -f) with the table, for whatever loads it at boot. It is there while the ports are taken over.
    type: path
    default: /etc/replatform/edge/takeover.nft
  force:
    description: Whether a port is given back although nobody else serves it.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Take over what a Swarm publishes
  sophia.replatform.nft_redirect:
    redirects:
      - {port: 80, to_port: 8081}
      - {port: 443, to_port: 8443}
    user: replatform-edge

- name: Give it back
  sophia.replatform.nft_redirect:
    state: absent
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: redirect
      ports: {"80": 8081}
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: new connections are redirected
"""

import pwd

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.edge import takeover
from ansible_collections.sophia.replatform.plugins.module_utils.edge.host import Takeover
from ansible_collections.sophia.replatform.plugins.module_utils.edge.ruleset import Plan, Redirect
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, perform

REDIRECT = {"port": {"type": "int", "required": True}, "to_port": {"type": "int", "required": True}}


def uid_of(user: str | None) -> int | None:
    """Raises C(RefusedError) for a user that is not there."""
    if not user:
        return None
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        raise RefusedError(f"user: there is no user {user} on this host") from None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "redirects": {"type": "list", "elements": "dict", "default": [], "options": REDIRECT},
            "user": {"type": "str"},
            "exempt_sources": {"type": "list", "elements": "str", "default": []},
            "table": {"type": "str", "default": "replatform_edge"},
            "path": {"type": "path", "default": "/etc/replatform/edge/takeover.nft"},
            "force": {"type": "bool", "default": False},
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    present = given["state"] == "present"
    try:
        plan = Plan(
            given["table"],
            tuple(Redirect(**each) for each in given["redirects"]),
            uid_of(given["user"]) if present else None,
            tuple(given["exempt_sources"]),
        )
        takeover.check(plan, present)
        operation = Takeover(plan, present, given["path"], module.get_bin_path, given["force"])
        module.exit_json(**perform(operation, "nft_redirect", given["table"], given, module.check_mode))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
