#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_shift
short_description: Move one service's traffic from one side to another at a Traefik edge, step by step
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Keeps one dynamic file of Traefik's file provider for one service. The file holds a router, a weighted service and a child
    service for each side, the B(primary) (where traffic comes from) and the B(canary) (where it goes).
  - Raises the canary's weight in steps. Before each step every canary server is probed directly. The file is then written aside
    and renamed. The step counts only when Traefik's API shows it and, where there is traffic, when the requests that Traefik
    really counted on each side fit the weight. The canary is then watched for O(interval) by Traefik's metrics and by own probes.
  - O(threshold) failed checks in a row bring all traffic back to the primary side, and the task fails with the reason.
  - Nothing is remembered between runs but the weight that last passed its watch. A run that was killed is resumed by
    running it again. A run whose controller was killed goes on on the host; the next run waits for it.
  - Runs on the edge host and needs nothing but Python's standard library there. PyYAML, where installed, is used to name a
    broken file of another hand in O(dynamic_dir).
extends_documentation_fragment:
  - sophia.replatform.operation
attributes:
  check_mode:
    support: full
    description: Can run in check_mode and return changed status prediction without modifying target; the steps are the schedule.
  diff_mode:
    support: full
    description: Will return details on what has changed, the dynamic file before and after.
  idempotent:
    support: full
    description: A second run with the same options changes nothing and probes nothing.
options:
  name:
    description:
      - The service. It names the router and the weighted service in Traefik; the children are called
        C(<name>-<name of the side>).
      - Lower-case letters, digits and dashes.
    type: str
    required: true
  state:
    description:
      - V(present) makes the route. A new route has all its traffic on the primary side; one that is there keeps its weights,
        and keeps the servers of each side for which none are given here.
      - V(shifted) brings the canary to O(max_weight).
      - V(promoted) takes the primary side's servers out of a route that has all its traffic on the canary. From then on there is
        no way back by this module, and nobody asks the old servers for their health.
      - V(rolled_back) brings the canary to weight 0 in one step.
    type: str
    choices: [present, shifted, promoted, rolled_back]
    default: present
  rule:
    description: Traefik's rule of the router, for example C(Host(`app.example.com`)).
    type: str
    required: true
  entry_points:
    description: Traefik's entry points of the router.
    type: list
    elements: str
    default: [web]
  primary:
    description: The side that traffic comes from.
    type: dict
    required: true
    suboptions:
      name:
        description: Name of the side, such as the orchestrator's.
        type: str
        required: true
      servers:
        description: Addresses with port, as C(host:port) or as URLs. Empty keeps those that the route has.
        type: list
        elements: str
        default: []
  canary:
    description: The side that traffic goes to. Needed for O(state=shifted) unless the route has one already.
    type: dict
    suboptions:
      name:
        description: Name of the side, such as the orchestrator's.
        type: str
        required: true
      servers:
        description: Addresses with port, as C(host:port) or as URLs. Empty keeps those that the route has.
        type: list
        elements: str
        default: []
  health_check:
    description: How Traefik checks every server, and how this module probes them.
    type: dict
    default: {}
    suboptions:
      path:
        description: Path of the health check; an answer of 2xx or 3xx is healthy.
        type: str
        default: /
      interval:
        description: Seconds between two checks. Short, because a change marks every server healthy until its next check.
        type: float
        default: 1
      timeout:
        description:
          - Seconds before a check without answer has failed. A refused connection is noticed at once; too short takes a server
            that is merely busy out of the edge.
        type: float
        default: 3
      host:
        description: Host header of the checks. Empty sends the server's address.
        type: str
        default: ''
  retry_attempts:
    description:
      - How often Traefik sends a request, in all, when no server answers it. Methods that are not idempotent are not repeated.
        V(1) switches this off.
    type: int
    default: 3
  interval:
    description: Seconds that each weight is watched.
    type: float
    default: 10
  threshold:
    description: Number of failed checks in a row after which traffic goes back to the primary side.
    type: int
    default: 3
  step_weights:
    description: The canary's weights on the way up, in percent. O(max_weight) ends the way.
    type: list
    elements: int
    default: [5, 25, 50, 75]
  max_weight:
    description: The canary's last weight, in percent.
    type: int
    default: 100
  request_success_rate:
    description: The share of the canary's requests that must not end in a 5xx answer.
    type: dict
    default: {}
    suboptions:
      min:
        description: Percent.
        type: float
        default: 99
  request_duration:
    description: The canary's 99th percentile.
    type: dict
    default: {}
    suboptions:
      max:
        description: Milliseconds.
        type: float
        default: 500
  dynamic_dir:
    description: The folder that Traefik's file provider watches.
    type: path
    default: /etc/replatform/edge/dynamic
  state_dir:
    description: Folder for the lock and the note of the last safe weight.
    type: path
    default: /var/lib/replatform/traffic
  api_url:
    description: Traefik's entry point with API and Prometheus metrics.
    type: str
    default: http://127.0.0.1:8099
  in_effect_timeout:
    description: Seconds that Traefik may take to show a change in its API; then the file is put back as it was.
    type: float
    default: 10
  lock_timeout:
    description: Seconds to wait for another run of the same service on this host.
    type: float
    default: 120
  deadline:
    description: Seconds after which no new step is begun.
    type: int
    default: 1800
"""

EXAMPLES = r"""
- name: Route a service to the Swarm
  sophia.replatform.traffic_shift:
    name: backend
    rule: Host(`backend.example.com`)
    primary:
      name: swarm
      servers: ["10.0.0.11:8001", "10.0.0.12:8001"]
    health_check:
      path: /health

- name: Move it to K3s
  sophia.replatform.traffic_shift:
    name: backend
    state: shifted
    rule: Host(`backend.example.com`)
    primary:
      name: swarm
    canary:
      name: k3s
      servers: ["10.0.0.11:30801", "10.0.0.12:30801"]
    health_check:
      path: /health
    interval: 30
    threshold: 3
    step_weights: [5, 25, 50]
    request_success_rate:
      min: 99.5
    request_duration:
      max: 400
    journal: /var/lib/replatform/journal.jsonl

- name: Bring all of it back at once
  sophia.replatform.traffic_shift:
    name: backend
    state: rolled_back
    rule: Host(`backend.example.com`)
    primary:
      name: swarm
    health_check:
      path: /health
"""

RETURN = r"""
weight:
  description: The canary's weight in percent at the end (in check mode, what it would be).
  returned: success
  type: int
  sample: 100
steps:
  description:
    - The steps in order. C(name) is C(create), C(update), C(precheck), C(settle), C(watch) or C(weight).
    - A step C(weight) has the keys C(service), C(from_weight), C(weight), C(in_effect_ms) (from the rename of the file until
      Traefik's API showed it), C(failed) (requests of this service answered with 5xx during the step, as clients saw it; null when
      Traefik does not count by router), C(ratio) (the canary's measured share, null when too few requests came), C(passed)
      and C(reason).
  returned: always
  type: list
  elements: dict
  sample:
    - name: weight
      service: backend
      from_weight: 5
      weight: 25
      in_effect_ms: 412
      failed: 0
      ratio: 0.2488
      passed: true
      reason: ''
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.run import run


def main() -> None:
    side = {"name": {"type": "str", "required": True}, "servers": {"type": "list", "elements": "str", "default": []}}
    health_check = {
        "path": {"type": "str", "default": "/"},
        "interval": {"type": "float", "default": 1},
        "timeout": {"type": "float", "default": 3},
        "host": {"type": "str", "default": ""},
    }
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "state": {
                "type": "str",
                "choices": ["present", "shifted", "promoted", "rolled_back"],
                "default": "present",
            },
            "rule": {"type": "str", "required": True},
            "entry_points": {"type": "list", "elements": "str", "default": ["web"]},
            "primary": {"type": "dict", "required": True, "options": side},
            "canary": {"type": "dict", "options": side},
            "health_check": {"type": "dict", "default": {}, "options": health_check},
            "retry_attempts": {"type": "int", "default": 3},
            "interval": {"type": "float", "default": 10},
            "threshold": {"type": "int", "default": 3},
            "step_weights": {"type": "list", "elements": "int", "default": [5, 25, 50, 75]},
            "max_weight": {"type": "int", "default": 100},
            "request_success_rate": {
                "type": "dict",
                "default": {},
                "options": {"min": {"type": "float", "default": 99}},
            },
            "request_duration": {"type": "dict", "default": {}, "options": {"max": {"type": "float", "default": 500}}},
            "dynamic_dir": {"type": "path", "default": "/etc/replatform/edge/dynamic"},
            "state_dir": {"type": "path", "default": "/var/lib/replatform/traffic"},
            "api_url": {"type": "str", "default": "http://127.0.0.1:8099"},
            "in_effect_timeout": {"type": "float", "default": 10},
            "lock_timeout": {"type": "float", "default": 120},
            **ARGUMENTS,
            "deadline": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
    )
    result: dict = {"changed": False, "steps": []}
    try:
        run(module.params, module.check_mode, result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc), **result)
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
