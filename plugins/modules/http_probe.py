#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: http_probe
short_description: Measure what an HTTP service answers, at a steady rate
version_added: 0.2.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Sends GET requests at a steady rate from the host it runs on and counts the answers by outcome and by the side that gave
    them. Each request leaves when it is due, whether or not earlier ones were answered, and its latency runs from that time.
    None is repeated.
  - Fails when fewer than O(min_success_rate) percent went well, or when the 99th percentile is above O(max_p99), so that it can stand as a gate.
  - Role C(prober) asks all the time and keeps what it counted; this module asks once and returns it.
extends_documentation_fragment:
  - sophia.replatform.reads
options:
  url:
    description: What to ask, such as C(http://127.0.0.1/health).
    type: str
    required: true
  host:
    description: Host header, and over TLS the name that is asked for and that the certificate must be of. Without it that of O(url).
    type: str
    default: ''
  ca_path:
    description: File of the authorities, in PEM, one of which must have signed the certificate. Without it those that the host trusts.
    type: path
  validate_certs:
    description: Whether the certificate is looked at. Without, anybody may answer.
    type: bool
    default: true
  requests:
    description: Number of requests.
    type: int
    default: 50
  rate:
    description: Requests a second.
    type: float
    default: 50
  timeout:
    description: Seconds until a request without answer has failed.
    type: float
    default: 5
  side_header:
    description: Header in which a server tells its side. Answers without it count as C(unknown).
    type: str
    default: X-Orchestrator
  min_success_rate:
    description: Percent of the requests that must be answered with a status below 400. V(0) fails for none.
    type: float
    default: 0
  max_p99:
    description: Highest 99th percentile in milliseconds. V(0) has no limit.
    type: float
    default: 0
"""

EXAMPLES = r"""
- name: Measure a service through the edge
  sophia.replatform.http_probe:
    url: http://127.0.0.1/whoami
    host: backend.example.com
    requests: 200
    rate: 100
    min_success_rate: 99.5
    max_p99: 400
  register: measured
"""

RETURN = r"""
total:
  description: Requests that were sent.
  returned: always
  type: int
  sample: 200
failed:
  description: Requests without an answer below 400.
  returned: always
  type: int
  sample: 0
success_rate:
  description: Percent.
  returned: always
  type: float
  sample: 100.0
sides:
  description: Good answers by side.
  returned: always
  type: dict
  sample: {swarm: 104, k3s: 96}
p50_ms:
  description: Median latency in milliseconds, failed requests included.
  returned: always
  type: float
  sample: 2.1
p99_ms:
  description: 99th percentile in milliseconds.
  returned: always
  type: float
  sample: 9.4
reasons:
  description: The five most frequent reasons of failure, with their counts.
  returned: always
  type: dict
  sample: {}
seconds:
  description: How long it took.
  returned: always
  type: float
  sample: 2.0
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.measure import Target, faults, measure


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "host": {"type": "str", "default": ""},
            "ca_path": {"type": "path"},
            "validate_certs": {"type": "bool", "default": True},
            "requests": {"type": "int", "default": 50},
            "rate": {"type": "float", "default": 50},
            "timeout": {"type": "float", "default": 5},
            "side_header": {"type": "str", "default": "X-Orchestrator"},
            "min_success_rate": {"type": "float", "default": 0},
            "max_p99": {"type": "float", "default": 0},
        },
        supports_check_mode=True,
    )
    params = module.params
    target = Target(
        params["url"],
        params["host"],
        params["timeout"],
        params["side_header"],
        params["ca_path"] or "",
        params["validate_certs"],
    )
    try:
        result = measure(target, params["requests"], params["rate"])
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))
    wrong = faults(result, params["min_success_rate"], params["max_p99"])
    if wrong:
        module.fail_json(msg=f"{params['url']}: {wrong}", changed=False, **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
