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
  - Swarm's own drain checks nothing, waits for nothing, and stops tasks before their replacements start. This module pauses
    the node, moves one service after the other with the replacement started first, waits for the real states of the tasks,
    and only then drains the node. What it changed in the specs of services it takes out again.
  - It refuses, before anything is changed, what would lose a task, a service or the quorum. What it meets of that once a drain has begun,
    a deadline and a fault of the API end in the same line, and what had begun is taken back before. Where it can't be, because the
    API gives no answer or the Swarm has no quorum, the line says what stays and that O(state=active) takes it back.
  - Runs on a manager. A run that was cut off is resumed by running it again, or taken back with O(state=active). While a replacement starts
    beside the task that still runs, it is waited for first, since Swarm might keep either.
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
      - V(active) means that the node takes tasks, and that no spec has a trace of a drain of it; see also O(rebalance).
      - V(demoted) means drained, and a worker.
      - V(removed) means demoted, and no longer listed. It waits until the Engine has left the Swarm, which the Engine does
        itself; see M(sophia.replatform.swarm_leave).
    type: str
    choices: [drained, active, demoted, removed]
    default: drained
  may_stop:
    description:
      - Full names of services whose tasks on the node may stop with no replacement, because their traffic is elsewhere.
      - Tasks of jobs are not stopped by a drain; those named here are waited for.
    type: list
    elements: str
    default: []
  may_move:
    description:
      - Full names of services that may be moved although it can't be seen that this is safe, since they have a single task (two
        run for a moment), no health check in their spec (the replacement counts before it serves), or mount files of the node
        (which must be the same on every node).
    type: list
    elements: str
    default: []
  move:
    description:
      - Whether services are moved at all. Without it, a node with tasks of a service that O(may_stop) does not name is refused.
      - V(false) is for a Swarm that goes. Whether what stops would ever start again plays no part then.
    type: bool
    default: true
  move_timeout:
    description:
      - Seconds that the move of one service may take, the end of an update that somebody else has begun meanwhile, and the end of another
        drain that began at the same moment. Then the drain is taken back.
      - A drain that is taken back at its O(deadline), or after a fault of the API, gets as many seconds more for that, and before them as many
        until the API answers.
    type: int
    default: 120
  rebalance:
    description:
      - For O(state=active), whether tasks come to the node where another has at least two more of the same service. One task more is
        started, and then one where most are is stopped.
      - Services that O(state=drained) would refuse to move, and those with placement preferences, are left where they are.
    type: bool
    default: true
notes:
  - Not moved, and so refused unless in O(may_stop), are global services and jobs, services with local volumes, services without
    a C(Placement) in their specs, services with fewer running tasks than they shall have, and those for which O(may_move) is
    needed. So is a node whose tasks find no room elsewhere, by host ports, the most tasks per node, constraints, platforms and
    reservations.
  - Refused, too, are a node that is not ready, a Swarm with a manager that is not reachable, V(drained) for a manager without which there
    would be no quorum, the demotion of the last manager, a service whose update is paused, services in O(may_stop) whose restart policy would
    never start them again, a service on the node in mid-update, and a node while another is being drained. An update that begins once the drain has
    begun is waited for.
  - Of two drains that begin at once, on two managers, that of the node with the higher ID is taken back, and the other waits for that. Runs on the same
    manager wait for each other. The lock for that is in C(/run), which wants root.
  - Swarm ends a task that holds generic resources, such as a GPU, when its node is written and is active then, be it by a label; another one is
    started in its place. A drain that is taken back therefore leaves a node with such a task paused, and the line says so. The step
    C(activate) of O(state=active) has the services of such tasks as C(ends). Another leader does that to every node, so the demotion of
    the manager that leads is refused while such a task runs anywhere, unless O(may_stop) names its service.
  - The label C(replatform.sophia.ai/drain) on a service or a node is there while a drain is under way, and says what was there before.
  - Every move writes the spec of a service, so C(docker service rollback) afterwards leads to what the drain wrote, not to the
    version before.
  - Tasks that were moved keep the constraint in their own specs, as Swarm's C(inspect) shows, until they are replaced. Swarm replaces them with the
    next deployment that brings other credentials for the registry. Where those changed since the tasks of a service were started, its move
    replaces all of them, one by one, with the replacement started first.
seealso:
  - module: sophia.replatform.swarm_leave
  - module: sophia.replatform.swarm_stack
"""

EXAMPLES = r"""
- name: Drain a node of which the backend already serves elsewhere
  sophia.replatform.swarm_drain:
    node: node-5
    may_stop: [shop_backend]

- name: Drain a node whose services have health checks and several tasks, and one that may run twice for a moment
  sophia.replatform.swarm_drain:
    node: node-5
    may_move: [shop_mailer]

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
    - name: pause
      node: node-5
    - name: pin
      service: shop_web
    - name: wait_for_move
      service: shop_web
      waited_s: 6.2
    - name: drain
      node: node-5
    - name: revert
      service: shop_web
    - name: restore
      service: shop_web
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: node-5 is drained
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, alone
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, drain, giving_up, operations

LOCK = "/run/replatform.swarm_drain.lock"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "node": {"type": "str", "required": True},
            "state": {"type": "str", "default": "drained", "choices": ["drained", "active", "demoted", "removed"]},
            "may_stop": {"type": "list", "elements": "str", "default": []},
            "may_move": {"type": "list", "elements": "str", "default": []},
            "move": {"type": "bool", "default": True},
            "move_timeout": {"type": "int", "default": 120},
            "rebalance": {"type": "bool", "default": True},
            **client.ARGUMENTS,
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    options = module.params
    wanted = drain.Wanted(
        options["node"],
        options["state"],
        may_stop=frozenset(options["may_stop"]),
        may_move=frozenset(options["may_move"]),
        move=options["move"],
        rebalance=options["rebalance"],
    )
    try:
        operation = operations.Drain(client.connect(options), wanted, options["move_timeout"])
        # A run that lost its controller goes on by itself for a while.
        with alone(LOCK, options["deadline"], module.check_mode):
            result = giving_up.perform(operation, options, module.check_mode)
        module.exit_json(**result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
