#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_drain
short_description: Drains a node of a Swarm, makes it active again, demotes or removes it
version_added: 0.1.0
description:
  - Brings one node of a Swarm to a state, one checked step at a time, and returns when the node really is in it.
  - Swarm's own drain checks nothing, waits for nothing, and stops tasks before their replacements start. This module refuses
    where that would lose a service or the quorum, and waits for the real states of the tasks.
  - Runs on a manager. A run that was cut off is resumed by running it again.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
options:
  node:
    description: The node, by host name or ID.
    type: str
    required: true
  state:
    description:
      - V(drained) means that the node takes no tasks and that all tasks on it have ended.
      - V(active) means that the node takes tasks. Tasks that moved away do not come back by themselves.
      - V(demoted) means drained, and a worker.
      - V(removed) means demoted, and no longer listed. It waits until the Engine has left the Swarm, which the Engine does
        itself; see M(sophia.replatform.swarm_leave).
    type: str
    choices: [drained, active, demoted, removed]
    default: drained
  may_stop:
    description:
      - Full names of services whose tasks on the node may stop with no replacement, because their traffic is elsewhere.
      - A node with tasks of any other service is not drained.
    type: list
    elements: str
    default: []
notes:
  - Refuses, with one line and nothing changed, a node that is not ready, a Swarm with a manager that is not reachable, the
    loss of the quorum, the last manager (for V(demoted) and V(removed)), a service whose update is paused, a drain of
    another node that is under way, and services that would stop and are not named in O(may_stop).
  - A service in mid-update is waited for.
seealso:
  - module: sophia.replatform.swarm_leave
  - module: sophia.replatform.swarm_stack
"""

EXAMPLES = r"""
- name: Drain a node of which the backend already serves elsewhere
  sophia.replatform.swarm_drain:
    node: node-5
    may_stop: [shop_backend]

- name: Take it back
  sophia.replatform.swarm_drain:
    node: node-5
    state: active
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: drain
      node: node-5
    - name: wait_for_tasks
      node: node-5
      tasks: 2
      waited_s: 5.6
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: node-5 is drained
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, perform
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, drain, operations


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "default": "drained", "choices": ["drained", "active", "demoted", "removed"]},
            "may_stop": {"type": "list", "elements": "str", "default": []},
            **client.ARGUMENTS,
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    options = module.params
    wanted = drain.Wanted(options["node"], options["state"], frozenset(options["may_stop"]))
    try:
        operation = operations.Drain(client.connect(options), wanted)
        module.exit_json(**perform(operation, "swarm_drain", options["node"], options, module.check_mode))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
