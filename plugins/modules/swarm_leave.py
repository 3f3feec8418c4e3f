#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_leave
short_description: Takes a Docker Engine out of its Swarm
version_added: 0.1.0
description:
  - Leaves the Swarm on the host that it runs on, and waits until no container of a task is left there. Volumes stay.
  - Standalone containers and the Engine itself are left as they are.
  - Runs as root. Two runs on the same host wait for each other.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
options:
  last_manager:
    description:
      - Whether this Engine may leave as a manager, which dissolves the Swarm. It is refused while any other node is listed, and
        while the Swarm has a service other than what M(sophia.replatform.swarm_secret_copy) has left, since all would be lost.
      - Otherwise a manager is waited for until it is demoted; see M(sophia.replatform.swarm_drain).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Leave as a worker
  sophia.replatform.swarm_leave:

- name: Dissolve the Swarm when all others have left
  sophia.replatform.swarm_leave:
    last_manager: true
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: leave
      force: false
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: this Engine is in no Swarm
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, alone, perform
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, operations

LOCK = "/run/replatform.swarm_leave.lock"


def main() -> None:
    module = AnsibleModule(
        argument_spec={"last_manager": {"type": "bool", "default": False}, **client.ARGUMENTS, **ARGUMENTS},
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    try:
        operation = operations.Leave(client.connect(module.params), module.params["last_manager"])
        with alone(LOCK, module.params["deadline"], module.check_mode):
            result = perform(operation, "swarm_leave", "", module.params, module.check_mode)
        module.exit_json(**result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
