#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: traffic_guard
short_description: Guard the services that have moved at a Traefik edge, and bring one back when it breaks
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - M(sophia.replatform.traffic_shift) watches a service while it shifts it. This module watches, on the edge host, those that have moved for as
    long as there is a way back, by the same counters, probes, metrics and thresholds.
  - Guarded is each of O(services) whose side O(side) has a weight and whose other side has servers, while no M(sophia.replatform.traffic_shift)
    works on it. A row of failed checks is a breach, as there; what is not plain at once is judged every C(interval). Where nothing is asked
    there is nothing to judge, a silent prober says nothing, and the shares of the sides are not judged.
  - On a breach the service goes the way back that a shift goes on one, recorded in the same steps. Where no server of the other side answers
    it stays, and goes back when one does and the breach lasts. A verdict is noted, which a run of role C(cutover) ends by.
  - The other side is probed too; RV(no_way_back) says whose would not take traffic back.
  - There is one guard on an edge. A new one takes the place of the one before, which ends what it is about first.
  - Of a TCP service Traefik counts nothing. It is judged by probes of its servers alone.
extends_documentation_fragment:
  - sophia.replatform.operation
attributes:
  check_mode:
    support: full
    description: Can run in check_mode; neither begins nor ends a guard then, and does not wait for one.
  diff_mode:
    support: none
    description: Returns details on what has changed.
    details: A guard is no state of the host; what it brings back is in its verdicts.
  idempotent:
    support: full
    description: Beginning and ending a guard changes nothing, and is not reported as a change.
options:
  state:
    description:
      - V(guarding) guards until it is ended, another is begun, or O(deadline) seconds have passed. Run it with C(async) and C(poll=0).
      - V(ended) ends the guard and waits until it has ended. Without one there is nothing to do.
      - V(asked) tells what the guard has found so far. With O(id) it waits until that one guards, and fails when it does not.
    type: str
    choices: [guarding, ended, asked]
    default: asked
  id:
    description: Name of the guard, which no other has had. Needed for O(state=guarding).
    type: str
    default: ''
  services:
    description: The services to guard. The names and meanings are options of M(sophia.replatform.traffic_shift).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The service.
        type: str
        required: true
      interval:
        description: Seconds after which all that was measured is judged as it is.
        type: float
        default: 10
      threshold:
        description: Number of failed checks in a row that are a breach.
        type: int
        default: 3
      metrics:
        description: What the canary is judged by.
        type: list
        elements: dict
        default:
          - name: request-success-rate
            threshold_range: {min: 99}
          - name: request-duration
            threshold_range: {max: 500}
        suboptions:
          name:
            description: The metric's name.
            type: str
            required: true
          threshold_range:
            description: The values that are good, bounds included.
            type: dict
            required: true
            suboptions:
              min:
                description: Lowest good value.
                type: float
              max:
                description: Highest good value.
                type: float
          query:
            description: A query for the Prometheus.
            type: str
      prometheus_url:
        description: The Prometheus that answers the queries.
        type: str
  side:
    description: Name of the side that is guarded.
    type: str
    default: k3s
  stores:
    description:
      - Stores that have been handed over, or are being handed over. What goes back would not find them, and its clients would meet errors or old
        data, so a service in breach stays where it is then, and is only noted, unless it is one of O(returns).
    type: list
    elements: str
    default: []
  returns:
    description: Services that go back although there are O(stores), for they need none of them or find them from either side.
    type: list
    elements: str
    default: []
  hold:
    description:
      - For how many seconds a breach is told and nothing else, since a store is handed over and refuses writes meanwhile. What is in breach then is found
        anew after it.
    type: float
    default: 0
  fresh:
    description: Whether to forget, before it begins, what guards before have noted.
    type: bool
    default: false
  prober_dir:
    description: Folder of the prober's files on the edge host. Without it the prober is not looked at.
    type: path
  dynamic_dir:
    description: The folder that Traefik's file provider watches.
    type: path
    default: /etc/replatform/edge/dynamic
  state_dir:
    description:
      - Folder for what M(sophia.replatform.traffic_shift) keeps, and for C(<service>.verdict.json), C(guard.json) (which guard is wanted), C(guard.lock) and
        C(guard.progress.json), which has each second, by service, C(weight), C(breach) and C(way_back).
    type: path
    default: /var/lib/replatform/traffic
  api_url:
    description: Traefik's entry point with API and Prometheus metrics.
    type: str
    default: http://127.0.0.1:8099
  in_effect_timeout:
    description: Seconds that Traefik may take to show a change in its API.
    type: float
    default: 10
  patience:
    description: Seconds to wait for a guard to end, or to begin.
    type: float
    default: 90
  deadline:
    description: Seconds after which the guard ends by itself.
    type: int
    default: 86400
seealso:
  - module: sophia.replatform.traffic_shift
"""

EXAMPLES = r"""
- name: Guard what has moved, for a day
  sophia.replatform.traffic_guard:
    state: guarding
    id: "{{ guard_id }}"
    services:
      - {name: backend, interval: 60}
      - {name: frontend, interval: 60}
    journal: /var/lib/replatform/journal.jsonl
  async: 87000
  poll: 0

- name: See that it guards
  sophia.replatform.traffic_guard:
    id: "{{ guard_id }}"

- name: Ask what it has found
  sophia.replatform.traffic_guard:
  register: guard

- name: End it
  sophia.replatform.traffic_guard:
    state: ended
"""

RETURN = r"""
guarded_by:
  description: The O(id) of the guard that guards, empty without one.
  type: str
  returned: success
  sample: 20261129T073000
verdicts:
  description:
    - What has been in breach, by C(service), with C(reason) and C(time). C(stays) says why it was not brought back, or that this is not verified, and
      is empty when it was. C(returning) is true while it is being brought back, and stays so when the guard is killed meanwhile,
      or when its file has weight 0 and that is not verified.
    - C(time) is empty for a verdict that can not be read, which an edge host that loses its power may leave; C(reason) says so.
  type: list
  elements: dict
  returned: success
  sample: [{service: backend, reason: request-success-rate 50.00 % of 40 requests is below 99 %, time: '2026-11-29T07:30:00.000Z', stays: '', returning: false}]
no_way_back:
  description: By guarded service, why no server of the other side would take its traffic back; those that would are left out.
  type: dict
  returned: success
  sample: {frontend: 'http://10.0.0.11:8002/ does not answer (timed out)'}
edge:
  description: Why nothing is judged at present, empty while all is.
  type: str
  returned: success
  sample: ''
reason:
  description: Why the guard has ended.
  type: str
  returned: when O(state=guarding)
  sample: it was ended, or another took its place
breached:
  description: By service, why it was in breach.
  type: dict
  returned: when O(state=guarding)
  sample: {}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.guard_run import run
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.options import DEFAULT_METRICS, METRIC


def main() -> None:
    service = {
        "name": {"type": "str", "required": True},
        "interval": {"type": "float", "default": 10},
        "threshold": {"type": "int", "default": 3},
        "metrics": {"type": "list", "elements": "dict", "default": DEFAULT_METRICS, "options": METRIC},
        "prometheus_url": {"type": "str"},
    }
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["guarding", "ended", "asked"], "default": "asked"},
            "id": {"type": "str", "default": ""},
            "services": {"type": "list", "elements": "dict", "default": [], "options": service},
            "side": {"type": "str", "default": "k3s"},
            "stores": {"type": "list", "elements": "str", "default": []},
            "returns": {"type": "list", "elements": "str", "default": []},
            "hold": {"type": "float", "default": 0},
            "fresh": {"type": "bool", "default": False},
            "prober_dir": {"type": "path"},
            "dynamic_dir": {"type": "path", "default": "/etc/replatform/edge/dynamic"},
            "state_dir": {"type": "path", "default": "/var/lib/replatform/traffic"},
            "api_url": {"type": "str", "default": "http://127.0.0.1:8099"},
            "in_effect_timeout": {"type": "float", "default": 10},
            "patience": {"type": "float", "default": 90},
            **ARGUMENTS,
            "deadline": {"type": "int", "default": 86400},
        },
        supports_check_mode=True,
    )
    params = {**module.params, **({"state": "asked", "id": ""} if module.check_mode else {})}
    try:
        module.exit_json(**run(params))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
