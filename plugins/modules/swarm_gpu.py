#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_gpu
short_description: Withdraws the GPUs of a node from its Swarm, or offers them again
version_added: 0.1.0
description:
  - With V(withdrawn) the Swarm gives the node's GPUs to no task any more, while all else on the node runs on. The node gets the label
    C(replatform.sophia.ai.gpu=k3s), and every service that reserves GPUs the constraint C(node.labels.replatform.sophia.ai.gpu!=k3s); no
    task is started anew for that. The node is paused for the moment before it gets the label.
  - Refuses, with nothing changed, while a task with a GPU has not ended on the node or on one that was withdrawn before, while a service
    that reserves GPUs is in mid-update or has no C(Placement) in its spec, while the node is being drained or is not ready, and without a quorum.
    So it does while a task on the node holds other generic resources, because Swarm would end that one for the label.
  - Runs on a manager, as root. A run that was cut off is resumed by running it again. Runs on the same manager wait for each other.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
options:
  node:
    description: Host name or ID of the node.
    type: str
    required: true
  state:
    description: V(offered) takes the label away and, with the last such label, the constraints, so that every service has its own spec again.
    type: str
    choices: [withdrawn, offered]
    default: withdrawn
  kinds:
    description: Names of the generic resources that are GPUs. Without any, those with C(gpu) in their name, in whatever case.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Keep the Swarm off the GPUs of a node
  sophia.replatform.swarm_gpu:
    node: node-5

- name: Let the Swarm have them again
  sophia.replatform.swarm_gpu:
    node: node-5
    state: offered
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: constrain
      service: shop_rag
    - name: hold
      node: node-5
    - name: give
      node: node-5
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: the Swarm gives the GPUs of node-5 to no task
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, alone, perform
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, gpu, operations

LOCK = "/run/replatform.swarm_gpu.lock"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "default": "withdrawn", "choices": list(gpu.STATES)},
            "kinds": {"type": "list", "elements": "str", "default": []},
            **client.ARGUMENTS,
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    options = module.params
    try:
        engine = client.connect(options)
        operation = operations.Gpu(engine, options["node"], options["state"], options["kinds"])
        with alone(LOCK, options["deadline"], module.check_mode):
            result = perform(operation, "swarm_gpu", options["node"], options, module.check_mode)
        module.exit_json(**result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
