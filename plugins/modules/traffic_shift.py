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
  - Raises the canary's weight in steps. Before each step its O(gates) must let it pass and every canary server is probed directly.
    The file is then written aside and renamed. The step counts only when Traefik's API shows it and, where there is traffic, when
    the requests that Traefik really counted on each side fit the weight. The weight is then watched for O(interval).
  - O(threshold) failed checks in a row bring all traffic back to the primary side, and the task fails with the reason. Within a
    watch there is a check every 0.3 seconds, which fails when too many bad requests have come since the last failed one to be
    chance (less than once in 1,000), or when a probe of a canary server failed twice or more in a row. What is not plain at once
    is judged at the end of O(interval) by all that was measured; that too is a check, and a watch that fails it is made again.
  - Nothing is remembered between runs but the weight that last passed its watch. A run that was killed is resumed by
    running it again. With O(dead_man) the last safe weights are put back when a run is killed in mid-step.
  - A file of another hand in O(dynamic_dir) that Traefik can not take stops every change, so it is looked for before each step,
    and the shift is refused. When Traefik does not take the way back for a second, it is put back to what Traefik last took of it, or set aside
    where there is no such copy; what was there stays beside it as C(<name>.set-aside), numbered where there is one.
  - While it runs, C(<state_dir>/<name>.progress.json) says each second what it does; see O(state_dir).
  - Runs on the edge host and needs nothing but Python's standard library there. PyYAML, where installed, is used to name a
    broken file before Traefik meets it.
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
      - V(rolled_back) brings the canary to weight 0 in one step. A run that is shifting the service ends for it. With O(reason) it
        is the way back of a breach.
    type: str
    choices: [present, shifted, promoted, rolled_back]
    default: present
  rule:
    description: Traefik's rule of the router, for example C(Host(`app.example.com`)).
    type: str
    required: true
  entry_points:
    description:
      - Traefik's entry points of the router. Where one of several has TLS or middlewares of its own, Traefik makes a router
        C(<entry point>-<name>) for it, which is looked at and counted too.
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
  protocol:
    description:
      - V(tcp) makes a TCP route, with C(HostSNI(...)) in O(rule), C(host:port) as servers and one entry point that is its own. Probes open a
        connection. Traefik counts nothing for TCP services, so the share of each side is counted from the connections in the kernel's
        tables, and there is no success rate and no duration.
    type: str
    choices: [http, tcp]
    default: http
  tls:
    description:
      - That the router ends TLS by itself, for entry points that do not do so for all routers. An empty dictionary takes Traefik's defaults.
      - Only for O(protocol=http). Without it the router has the TLS of its entry points, or none.
    type: dict
    suboptions:
      cert_resolver:
        description: Name of the certificate resolver in Traefik's static configuration. Empty takes certificates that Traefik has otherwise.
        type: str
        default: ''
      options:
        description: Name of Traefik's TLS options, such as C(modern@file). Empty takes its default.
        type: str
        default: ''
  session_affinity:
    description:
      - Keeps each client on its side by a cookie. A side that has lost its share keeps one of a thousand requests of new clients
        until the clients that it has have asked for nothing for O(interval), at most O(drain_timeout); Traefik cuts the sessions of a
        side of weight 0. A breach cuts them, since they would fail; so does O(state=rolled_back) with O(reason).
      - With cookies, the shares of requests say nothing about the weight, and are not judged.
    type: dict
    suboptions:
      cookie_name:
        description: Name of the cookie.
        type: str
        required: true
  drain_timeout:
    description: Seconds that a side with sessions may take to run empty.
    type: float
    default: 300
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
  until_weight:
    description:
      - Nothing is raised above this weight, in percent; a weight that is above it stays. With it several edges go in step, since the next
        weight can be begun when every edge has passed its watch at this one.
    type: int
    default: 100
  min_weight:
    description:
      - The lowest weight, in percent, that a breach or an error leaves to a canary that was there when the task began and has passed its watch
        there, with the servers that it has or with earlier ones. For a service whose primary side can not serve any more, such as one
        whose store has moved. Going back would lose every request there; so it stays, and the task fails and says so.
      - A canary that is new to this weight goes back as always, since until a moment ago the primary side served.
      - V(0) leaves nothing. What is lowered on purpose, by O(max_weight) or by O(state=rolled_back) without O(reason), is not held up.
    type: int
    default: 0
  reason:
    description:
      - Why O(state=rolled_back) is wanted, where that is a breach which another has seen, such as another edge. It stands in the step and in the
        journal. As on a breach of its own, sessions are cut and not waited for, and O(min_weight) holds.
      - Empty for a way back of a canary that is well.
    type: str
    default: ''
  mirror_weight:
    description:
      - Percentage of the requests of safe methods (GET, HEAD, OPTIONS; no upgrades) of which the canary gets a copy, for one
        watch before its first weight. Clients see nothing of its answers. V(0) leaves that phase out.
    type: int
    default: 0
  skip_analysis:
    description:
      - Goes to O(max_weight) in one step and watches nothing. Gates, probes before the step and the look at Traefik's API stay.
    type: bool
    default: false
  metrics:
    description:
      - What the canary is judged by. C(request-success-rate) is the share of its requests that did not end in a 5xx answer, in percent, with
        a C(min). C(request-duration) is its 99th percentile in milliseconds, with a C(max). Any other needs O(metrics[].query).
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
        description:
          - A query for O(prometheus_url) that yields one number. C(<service>), C(<primary>) and C(<canary>) stand for Traefik's names
            of the service and its children, C(<interval>) for O(interval) as Prometheus writes it, such as C(10s).
          - It is asked every 5 seconds and at the end of the watch. O(threshold) answers out of range in a row are a breach. No value is a
            failed check at the end only.
        type: str
  prometheus_url:
    description: The Prometheus that answers the queries, such as C(http://127.0.0.1:9090).
    type: str
  prober_dir:
    description:
      - Folder of the prober's files on the edge host (C(prober_data_dir) of role C(prober)). What it counted as failed, whichever side answered, is
        judged by the C(min) of C(request-success-rate) too. One that writes nothing in an O(interval) of 3 seconds or more fails the
        watch. Without it the prober is not looked at.
    type: path
  min_requests:
    description:
      - Requests that the canary must have got in a watch. Fewer fail the watch, which is begun again up to O(threshold) times, and is a breach
        then. V(0) lets it pass on what the probes say, with a warning and C(too_few) in the evidence where fewer than 30 came, for a
        quiet service must be movable.
    type: int
    default: 0
  gates:
    description: What has to say yes before a weight is raised, in order.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the gate, lower-case letters, digits and dashes.
        type: str
        required: true
      type:
        description:
          - V(command) runs O(gates[].command). An end other than 0, or none within O(gates[].timeout), is a failed check.
          - V(approval) waits for C(<state_dir>/approvals/<service>-<gate>-<weight>.json), a file of JSON with the keys C(by)
            (who approved) and C(at) (when).
            After O(gates[].timeout) the task fails and the weight stays as it is. The waiting counts into O(deadline).
        type: str
        choices: [command, approval]
        required: true
      weights:
        description: The weights that it stands before. Empty means every one.
        type: list
        elements: int
        default: []
      command:
        description:
          - Program and arguments, run on the edge host without a shell. Its environment has C(REPLATFORM_SERVICE) and
            C(REPLATFORM_WEIGHT), the weight to come.
        type: list
        elements: str
        default: []
      timeout:
        description: Seconds. Without it 60 for a command and 3600 for an approval.
        type: float
  dead_man:
    description:
      - Path of C(deadman.py) on the edge host, which role C(edge) installs. Armed before each step and disarmed after it, it puts the
        last safe weights back when this module gives no sign of life for O(dead_man_patience), and writes so to O(journal). It runs as a
        transient service of systemd, or without systemd as a process of its own.
      - Without it there is none.
    type: path
  dead_man_patience:
    description: Seconds without a sign of life of this module.
    type: float
    default: 15
  controller_timeout:
    description:
      - Seconds without a sign of life of the controller after which the module puts the last safe weights back and fails. The sign is a touch of
        O(controller_sign), which the controller's half of this module makes every 2 seconds, while the module runs beside the
        session to the host. V(0) waits for no such sign and runs in the session.
      - A module whose output nobody reads any more does the same, whatever stands here.
      - Where the module is gone without a result (killed, its host restarted, or no room on its disk), the controller finds that nobody holds the
        service's lock for ten looks in a row, and fails.
    type: float
    default: 0
  controller_sign:
    description: Set by the controller's half of this module, a file in O(state_dir) that is removed at the end.
    type: path
  dynamic_dir:
    description: The folder that Traefik's file provider watches.
    type: path
    default: /etc/replatform/edge/dynamic
  state_dir:
    description:
      - Folder for what is kept beside the dynamic files, each with the service's name. C(.lock), C(.json) (the last safe weight), C(.last-good) (the dynamic
        file of that weight), C(.deadman.json) (the dead-man's orders), C(.progress.json), and the folders C(approvals) and C(strangers).
      - C(.progress.json) has C(service), C(step), C(weight), C(time), and while a weight is watched C(share) (of the canary, 0 to 1), C(primary) and
        C(canary) (each C(requests), C(success_rate) in percent and C(p99_ms)), C(step_left_s), C(shift_left_s) (without gates and probes) and
        C(reason).
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
    metrics:
      - name: request-success-rate
        threshold_range: {min: 99.5}
      - name: request-duration
        threshold_range: {max: 400}
      - name: cpu-seconds
        query: sum(rate(process_cpu_seconds_total{job="backend"}[<interval>]))
        threshold_range: {max: 0.8}
    prometheus_url: http://127.0.0.1:9090
    mirror_weight: 10
    gates:
      - name: smoke
        type: command
        command: [/usr/local/bin/smoke-test, --fast]
      - name: on-call
        type: approval
        weights: [50, 100]
        timeout: 1800
    dead_man: /usr/local/lib/replatform/edge/deadman.py
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
    - The steps in order. C(name) is C(create), C(update), C(precheck), C(gate), C(mirror), C(settle), C(watch), C(weight) or
      C(drain).
    - A step C(weight) has the keys C(service), C(from_weight), C(weight), C(in_effect_ms) (from the rename of the file until
      Traefik's API showed it), C(failed) (requests of this service answered with 5xx during the step, as clients saw it; null when
      Traefik does not count by router), C(ratio) (the canary's measured share, null when too few requests came), C(passed),
      C(reason), C(too_few) (where the canary got fewer than O(min_requests) or 30 requests), and of both sides
      C(primary_requests), C(primary_success_rate), C(primary_p99_ms), C(canary_requests) and so on.
      C(edge_away) says how often Traefik was restarted or did not answer in the watch, which was begun anew each time.
      On the way back after a breach it has C(back_ms), from the breach until Traefik's API showed weight 0.
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
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.options import DEFAULT_METRICS, METRIC
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.run import run

GATE = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["command", "approval"], "required": True},
    "weights": {"type": "list", "elements": "int", "default": []},
    "command": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "float"},
}


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
            "protocol": {"type": "str", "choices": ["http", "tcp"], "default": "http"},
            "tls": {
                "type": "dict",
                "options": {"cert_resolver": {"type": "str", "default": ""}, "options": {"type": "str", "default": ""}},
            },
            "session_affinity": {"type": "dict", "options": {"cookie_name": {"type": "str", "required": True}}},
            "drain_timeout": {"type": "float", "default": 300},
            "interval": {"type": "float", "default": 10},
            "threshold": {"type": "int", "default": 3},
            "step_weights": {"type": "list", "elements": "int", "default": [5, 25, 50, 75]},
            "max_weight": {"type": "int", "default": 100},
            "until_weight": {"type": "int", "default": 100},
            "min_weight": {"type": "int", "default": 0},
            "reason": {"type": "str", "default": ""},
            "mirror_weight": {"type": "int", "default": 0},
            "skip_analysis": {"type": "bool", "default": False},
            "metrics": {"type": "list", "elements": "dict", "default": DEFAULT_METRICS, "options": METRIC},
            "prometheus_url": {"type": "str"},
            "prober_dir": {"type": "path"},
            "min_requests": {"type": "int", "default": 0},
            "gates": {"type": "list", "elements": "dict", "default": [], "options": GATE},
            "dead_man": {"type": "path"},
            "dead_man_patience": {"type": "float", "default": 15},
            "controller_timeout": {"type": "float", "default": 0},
            "controller_sign": {"type": "path"},
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
    fault = ""
    try:
        run(module.params, module.check_mode, result)
    except ReplatformError as exc:
        fault = str(exc)
    for warning in result.pop("warnings", []):
        module.warn(warning)
    if fault:
        module.fail_json(msg=fault, **result)
    if not module._diff:
        result.pop("diff", None)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
