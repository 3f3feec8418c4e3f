#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_scale
short_description: Sets the number of tasks of a Swarm service and waits for it
version_added: 0.1.0
description:
  - Changes nothing but the number of replicas in the service's specification, and returns when that many tasks run and all
    others have ended. O(spare) adds a label for as long as there is one task more.
  - Runs on a manager, as root. A run that was cut off is resumed by running it again. Runs for the same service on the same manager wait for
    each other.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
options:
  service:
    description:
      - Full name of the service, with the stack's prefix.
      - A service that does not exist counts as one with O(replicas=0).
    type: str
    required: true
  replicas:
    description: How many tasks shall run. Either this or O(spare) is required.
    type: int
  spare:
    description:
      - V(true) starts one task more than the service shall have, once. How many it shall have is kept in the label
        C(replatform.sophia.ai/spare) of the service, in the same write.
      - V(false) brings the service back to that number, unless somebody has set another one meanwhile, and takes the label away.
    type: bool
"""

EXAMPLES = r"""
- name: Stop the old database
  sophia.replatform.swarm_scale:
    service: shop_postgres
    replicas: 0

- name: Start one task more while a node is drained
  sophia.replatform.swarm_scale:
    service: shop_web
    spare: true
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: scale
      service: shop_postgres
      replicas: 0
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: shop_postgres has 0 running tasks
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, Operation, alone, perform
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, operations

# One a service: an old store that has to serve again never waits for a drain, or for another store.
LOCK = "/run/replatform.swarm_scale.{service}.lock"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "service": {"type": "str", "required": True},
            "replicas": {"type": "int"},
            "spare": {"type": "bool"},
            **client.ARGUMENTS,
            **ARGUMENTS,
        },
        mutually_exclusive=[("replicas", "spare")],
        required_one_of=[("replicas", "spare")],
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    options = module.params
    try:
        engine, service = client.connect(options), options["service"]
        operation: Operation = (
            operations.Scaling(engine, service, options["replicas"])
            if options["spare"] is None
            else operations.Spare(engine, service, options["spare"])
        )
        with alone(LOCK.format(service=service), options["deadline"], module.check_mode):
            result = perform(operation, "swarm_scale", service, options, module.check_mode)
        module.exit_json(**result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
