#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack
short_description: Removes a stack from a Swarm once its services serve elsewhere, or makes it again as it was kept
version_added: 0.1.0
description:
  - Removes the services of a stack, waits until their tasks have ended, and then removes its networks, secrets and configs.
  - Or makes them again from what role C(swarm_retirement) has kept of them, spec by spec, and waits until all tasks run.
  - Volumes are no part of a stack for the Swarm and are left as they are.
  - Runs on a manager. A run that was cut off is resumed by running it again.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  state:
    description:
      - V(absent) - the stack is gone.
      - V(present) - every service of it is there as it was kept, and all its tasks run. What is there already stays; a service
        that is there and not as it was kept is refused. Jobs and services whose restart policy is V(none) would run again, and are
        left out. A service that ends and that a scheduler begins has 0 tasks until it does so.
    type: str
    choices: [absent, present]
    default: absent
  handed_over:
    description:
      - Names of the services, without the stack's prefix, that serve elsewhere.
      - A stack with any other service is not removed.
      - Required with O(state=absent).
    type: list
    elements: str
  last_stack:
    description:
      - Whether the Swarm is to go with the stack, as M(sophia.replatform.swarm_leave) takes it away. With O(state=absent).
      - Nothing is removed then while the Swarm has a service of another stack or of none, whatever its number of tasks, since it would be lost; or
        a node that is down and was not drained, or on which tasks of the stack have not ended.
      - What a killed run of M(sophia.replatform.swarm_secret_copy) has left is removed as well.
    type: bool
    default: false
  kept:
    description:
      - File on this manager with what was kept, C(swarm-STACK.json).
      - IDs in it are those of the Swarm of then; the services get those of the things of the same names.
      - Required with O(state=present).
    type: path
  secrets:
    description: Values of secrets that are not there, in base64, by name. A Swarm gives none back, so none was kept.
    type: dict
    default: {}
notes:
  - The registry's credentials are not in a spec. With O(state=present) those of the user's own C(docker login) on this manager
    are sent along.
  - In check mode the nodes that were kept are taken for members of the Swarm, those that are not yet, too, and the steps are told.
"""

EXAMPLES = r"""
- name: Remove the stack
  sophia.replatform.swarm_stack:
    stack: shop
    handed_over: [backend, postgres]

- name: Have it again
  sophia.replatform.swarm_stack:
    stack: shop
    state: present
    kept: /var/lib/replatform/swarm-shop.json
    secrets:
      database_password: "{{ database_password | b64encode }}"
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: remove_service
      service: shop_backend
      id: 7vwcmrpj2ycjvqvz2g4ifoggh
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: stack shop is gone
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, Operation, alone, perform
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, kept, operations


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "state": {"type": "str", "default": "absent", "choices": ["absent", "present"]},
            "handed_over": {"type": "list", "elements": "str"},
            "last_stack": {"type": "bool", "default": False},
            "kept": {"type": "path"},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            **client.ARGUMENTS,
            **ARGUMENTS,
        },
        required_if=[("state", "absent", ["handed_over"]), ("state", "present", ["kept"])],
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    options = module.params
    try:
        operation = _operation(options, module.check_mode)
        # A run that lost its controller goes on by itself for a while.
        with alone(f"/run/replatform-{options['stack']}.lock", options["deadline"], module.check_mode):
            result = perform(operation, "swarm_stack", options["stack"], options, module.check_mode)
        module.exit_json(**result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


def _operation(options: t.Mapping[str, t.Any], check_mode: bool) -> Operation:
    stack = options["stack"]
    if options["state"] == "present":
        whole, values = kept.read(options["kept"]), kept.values(options["secrets"])
        return operations.Restoration(client.connect(options), stack, whole, values, foresee=check_mode)
    names = [f"{stack}_{name}" for name in options["handed_over"]]
    return operations.Removal(client.connect(options), stack, names, options["last_stack"])


if __name__ == "__main__":
    main()
