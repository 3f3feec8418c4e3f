#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_drain
short_description: Drains a node of a K3s cluster, cordons it or makes it schedulable again
version_added: 0.1.0
description:
  - Brings one node to a state, one checked step at a time, and returns when the node really is in it.
  - Evicts through the Eviction API (C(policy/v1), or C(policy/v1beta1) where the server has no other) and never deletes a pod,
    so PodDisruptionBudgets hold. A budget that says no is waited for until O(deadline); then the pod and the budget are named.
  - The cordon carries the annotation C(replatform.sophia.ai/rolling), which says what is going on and since when. A cordon without it
    is somebody else's, and is neither used nor removed.
  - Runs on a server. A run that was cut off is resumed by running it again.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.operation
options:
  node:
    description: The node, by the name that C(kubectl get nodes) shows.
    type: str
    required: true
  state:
    description:
      - V(drained) means cordoned by us, and free of all pods but those of DaemonSets, mirror pods and finished ones.
      - V(cordoned) means that the scheduler puts no more pods on it, and that the cordon is ours.
      - V(schedulable) means that no cordon of ours is on it. A cordon of somebody else stays.
    type: str
    choices: [drained, cordoned, schedulable]
    default: drained
  reason:
    description: What is going on, for the annotation. Empty, what the annotation says already is kept.
    type: str
    default: ''
  fault:
    description:
      - Why the node did not pass, for the annotation, beside O(reason).
      - It is added to a node that is cordoned by us. With it V(cordoned) cordons nothing.
    type: str
    default: ''
  adopt:
    description: Whether a cordon of somebody else is taken over; V(schedulable) removes it afterwards.
    type: bool
    default: false
  grace_period:
    description: Seconds that each pod has to end; by default what the pod itself asks for.
    type: int
  delete_emptydir_data:
    description:
      - Whether pods may be evicted whose data in an C(emptyDir) are lost by it. Without it a node with such pods is refused.
      - The scratch of what K3s itself packages (metrics-server, Traefik) is no such data.
    type: bool
    default: false
  force:
    description: Whether pods may be evicted that nothing starts again, since they have no controller.
    type: bool
    default: false
  kubectl:
    description: The program that talks to the cluster, with its first arguments.
    type: list
    elements: str
    default: [/usr/local/bin/k3s, kubectl]
  lock:
    description:
      - File that keeps two runs from working on one node at once, since a run can outlive the controller that began it.
      - By default C(/run/replatform.k3s_drain.NODE.lock).
    type: path
notes:
  - Refuses, with one line and nothing changed, an unknown node, a cordon of somebody else, pods without a controller, pods with an
    C(emptyDir), pods under more than one budget (the Eviction API can't serve them), and the drain of a node with pods that is not Ready.
  - A pod of a StatefulSet that already runs elsewhere under the same name is never evicted in place of the one that was here.
  - After O(deadline) the node stays cordoned.
"""

EXAMPLES = r"""
- name: Drain a node before its reboot
  sophia.replatform.k3s_drain:
    node: node-5
    reason: reboot
    deadline: 600
  delegate_to: node-1

- name: Take it back
  sophia.replatform.k3s_drain:
    node: node-5
    state: schedulable
  delegate_to: node-1
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: cordon
      node: node-5
      reason: reboot
    - name: evict
      node: node-5
      pods: [shop/web-1]
      evicted: 1
    - name: wait_for_pods
      node: node-5
      pods: [shop/web-1]
      waited_s: 4.1
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: node-5 is drained
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import DeadlineError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, alone, perform
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import drain, operations
from ansible_collections.sophia.replatform.plugins.module_utils.rolling.kubectl import Kubectl


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "default": "drained", "choices": ["drained", "cordoned", "schedulable"]},
            "reason": {"type": "str", "default": ""},
            "fault": {"type": "str", "default": ""},
            "adopt": {"type": "bool", "default": False},
            "grace_period": {"type": "int"},
            "delete_emptydir_data": {"type": "bool", "default": False},
            "force": {"type": "bool", "default": False},
            "kubectl": {"type": "list", "elements": "str", "default": ["/usr/local/bin/k3s", "kubectl"]},
            "lock": {"type": "path"},
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    options = module.params
    node = options["node"]
    keys = ("node", "state", "reason", "fault", "adopt", "delete_emptydir_data", "force")
    wanted = drain.Wanted(**{key: options[key] for key in keys})
    operation = operations.Drain(Kubectl(options["kubectl"]), wanted, options["grace_period"], options["deadline"])
    try:
        with alone(options["lock"] or f"/run/replatform.k3s_drain.{node}.lock", options["deadline"], module.check_mode):
            result = perform(operation, "k3s_drain", node, options, module.check_mode)
        module.exit_json(**result)
    except DeadlineError as exc:
        module.fail_json(msg="; ".join([str(exc), *drain.blockers(operation.world)]))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
