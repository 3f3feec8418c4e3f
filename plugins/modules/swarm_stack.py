#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack
short_description: Removes a stack from a Swarm once its services serve elsewhere
version_added: 0.1.0
description:
  - Removes the services of a stack, waits until their tasks have ended, and then removes its networks, secrets and configs.
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
    description: The stack is V(absent).
    type: str
    choices: [absent]
    default: absent
  handed_over:
    description:
      - Names of the services, without the stack's prefix, that serve elsewhere.
      - A stack with any other service is not removed.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Remove the stack
  sophia.replatform.swarm_stack:
    stack: shop
    handed_over: [backend, postgres]
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

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, perform
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, operations


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "state": {"type": "str", "default": "absent", "choices": ["absent"]},
            "handed_over": {"type": "list", "elements": "str", "required": True},
            **client.ARGUMENTS,
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    options = module.params
    names = [f"{options['stack']}_{name}" for name in options["handed_over"]]
    try:
        operation = operations.Removal(client.connect(options), options["stack"], names)
        module.exit_json(**perform(operation, "swarm_stack", options["stack"], options, module.check_mode))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
