#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: stack_values
short_description: Turns Docker stack files, or the live stack, into Helm values, with a verdict for every key
version_added: 0.1.0
author:
  - The sophia.replatform maintainers (@sophia-ai)
description:
  - Reads stack files as C(docker stack deploy) does, and returns the values of the chart of the role
    P(sophia.replatform.platform#role).
  - A service that runs and that no file has is converted from its live spec, where O(live) has it. With no files at all, the
    whole stack is.
  - Every key of every service ends in one verdict. V(mapped) keeps its meaning. V(approximated) says what differs.
    V(reported) has no Kubernetes meaning and says what to do. V(refused) would change behaviour.
  - Fails, and returns the verdicts, when a key is refused. An unknown key is.
  - Works on the controller alone and changes nothing.
attributes:
  check_mode:
    description: Can run in C(check_mode), with the same result.
    support: full
  diff_mode:
    description: Returns what has changed, or would change, as a diff.
    support: none
    details: Nothing is changed.
  idempotent:
    description: When run twice with the same arguments, the second run changes nothing.
    support: full
requirements:
  - PyYAML
options:
  stack_files:
    description: The stack files, merged in this order. May be empty where O(live) has specs.
    type: list
    elements: path
    required: true
  stack:
    description: The name that the stack is deployed under.
    type: str
    required: true
  environment:
    description:
      - Values for C(${VAR}) in the files. The controller's own environment is never read.
      - A variable that has neither a value nor a default is an error.
    type: dict
    default: {}
  external:
    description:
      - Services that are served from elsewhere until they are handed over, as a mapping from the service's name to
        C(addresses) (a list of IP addresses) and C(port).
      - What is left out comes from O(live), then from O(current).
      - With C(singleton), no pod of it runs before it is handed over.
    type: dict
    default: {}
  handed_over:
    description: Those of O(external) whose plain name leads to the pods. Those that O(current) has handed over stay so.
    type: list
    elements: str
    default: []
  handed_back:
    description: Those that O(current) has handed over and whose plain name is to lead elsewhere again.
    type: list
    elements: str
    default: []
  live:
    description:
      - The services that run, as P(sophia.replatform.swarm_stack_info#module) returns them, to report drift.
      - With its C(specs), every key is compared, and a service that no file has is converted from its spec.
    type: list
    elements: dict
  live_objects:
    description:
      - What P(sophia.replatform.swarm_stack_info#module) returns as C(objects).
      - An external secret that is not among its secrets is refused, and an external config has its content from there.
    type: dict
    default: {}
  pin_images:
    description: Take an image by the digest that the Swarm runs, where it has pinned the very image that the file names.
    type: bool
    default: false
  current:
    description: The values of the release that is deployed, if any.
    type: dict
  nodes:
    description: The Swarm's nodes, as P(sophia.replatform.swarm_stack_info#module) returns them, to resolve constraints.
    type: list
    elements: dict
    default: []
  exclude:
    description: Services to leave out.
    type: list
    elements: str
    default: []
  gpu_runtime_class:
    description: RuntimeClass of services that reserve an NVIDIA GPU; empty for none.
    type: str
    default: nvidia
  generic_resources:
    description: From Swarm's generic resources to Kubernetes' extended ones.
    type: dict
    default:
      NVIDIA-GPU: nvidia.com/gpu
  storage_class:
    description: Storage class of the claims that named volumes become.
    type: str
    default: local-path
  volume_size:
    description: Size of a claim that O(volume_sizes) does not name.
    type: str
    default: 1Gi
  volume_sizes:
    description: From a volume's name to the size of its claim.
    type: dict
    default: {}
  bind_root:
    description: The folder on the nodes that relative bind mounts start from. Without it they are refused.
    type: str
    default: ''
  pin_volumes:
    description:
      - Keep a service that writes to a volume or to a folder of the node on the nodes that its tasks run on, as O(live) tells.
      - Those are remembered in RV(values), for when the Swarm is drained.
    type: bool
    default: true
  workload_keys:
    description:
      - Return the keys of the values that say more than those of the first chart took. That is C(networks), C(routes),
        C(middlewares) and C(tcpMiddlewares) from C(traefik.*) labels, C(hostPort) and C(published) of ports, C(architectures), and jobs.
      - Without it jobs are refused, and networks and routes reported.
    type: bool
    default: false
  host_ports:
    description:
      - With O(workload_keys), a port that is published in host mode becomes a host port of the pod.
      - Where K3s runs on the hosts of the Swarm, a host port takes the port from the Swarm at once. Say V(false) until then.
    type: bool
    default: true
  pre_stop_seconds:
    description: Seconds that a pod keeps serving after it has left its Service, before it is told to stop.
    type: int
    default: 5
  http_probes:
    description:
      - A health check that only asks for a page of its own container, such as C(curl -f http://localhost:8080/health), or opens a
        connection, such as C(nc -z localhost 9000), is asked by the kubelet itself. That saves a process a probe, and reaches
        the pod's address instead of localhost.
    type: bool
    default: false
  strict:
    description: Fail on every verdict but V(mapped).
    type: bool
    default: false
seealso:
  - module: sophia.replatform.swarm_stack_info
"""

EXAMPLES = r"""
- name: Turn the stack into Helm values
  sophia.replatform.stack_values:
    stack_files:
      - /srv/platform/docker-stack.yml
    stack: platform
    environment:
      IMAGE_TAG: "2.4"
    external:
      postgres:
        addresses:
          - 192.0.2.11
        port: 5432
  register: converted

- name: Read the stack as it runs
  sophia.replatform.swarm_stack_info:
    stack: platform
    specs: true
  register: running
  no_log: true

- name: Turn what runs into Helm values, with no file
  sophia.replatform.stack_values:
    stack_files: []
    stack: platform
    live: "{{ running.services }}"
    live_objects: "{{ running.objects }}"
    nodes: "{{ running.nodes }}"
  register: converted
  no_log: true
"""

RETURN = r"""
values:
  description: The chart's values.
  returned: success
  type: dict
  sample: {"stack": "platform", "services": {"web": {"image": "web:1", "kind": "Deployment", "replicas": 2}}, "configs": {}}
values_public:
  description: The same, with what looks like a secret in an environment hidden. May be written to disk and shown.
  returned: success
  type: dict
  sample: {"stack": "platform", "services": {}, "configs": {}}
verdicts:
  description: A verdict for every key.
  returned: when the files could be read
  type: list
  elements: dict
  sample: [{"service": "web", "key": "logging", "verdict": "reported", "note": "collect them from the nodes"}]
summary:
  description: How many verdicts there are of each kind.
  returned: when the files could be read
  type: dict
  sample: {"mapped": 12, "approximated": 3, "reported": 2, "refused": 0}
markdown:
  description: The verdicts and the drift as a page.
  returned: when the files could be read
  type: str
  sample: "# Verdicts for the stack platform"
html:
  description: The same as one HTML page that fetches nothing and runs no script.
  returned: when the files could be read
  type: str
  sample: "<!doctype html>"
drift:
  description:
    - Where the files and the running services differ, by key. Swarm's defaults are written out on both sides.
    - What looks like a secret is hidden on both sides.
  returned: when the files could be read
  type: list
  elements: dict
  sample: [{"service": "web", "key": "deploy.replicas", "file": 2, "live": 3}]
secrets:
  description: Names of the Swarm secrets that services mount, each of which must exist before the chart is deployed.
  returned: success
  type: list
  elements: str
  sample: [postgres_password]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.stack import run


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack_files": {"type": "list", "elements": "path", "required": True},
            "stack": {"type": "str", "required": True},
            "environment": {"type": "dict", "default": {}},
            "external": {"type": "dict", "default": {}},
            "handed_over": {"type": "list", "elements": "str", "default": []},
            "handed_back": {"type": "list", "elements": "str", "default": []},
            "live": {"type": "list", "elements": "dict"},
            "live_objects": {"type": "dict", "default": {}},
            "pin_images": {"type": "bool", "default": False},
            "current": {"type": "dict"},
            "nodes": {"type": "list", "elements": "dict", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
            "gpu_runtime_class": {"type": "str", "default": "nvidia"},
            "generic_resources": {"type": "dict", "default": {"NVIDIA-GPU": "nvidia.com/gpu"}},
            "storage_class": {"type": "str", "default": "local-path"},
            "volume_size": {"type": "str", "default": "1Gi"},
            "volume_sizes": {"type": "dict", "default": {}},
            "bind_root": {"type": "str", "default": ""},
            "pin_volumes": {"type": "bool", "default": True},
            "workload_keys": {"type": "bool", "default": False},
            "host_ports": {"type": "bool", "default": True},
            "pre_stop_seconds": {"type": "int", "default": 5},
            "http_probes": {"type": "bool", "default": False},
            "strict": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        result, reason = run.stack_values(module.params)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))
    if reason:
        told = ("verdicts", "summary", "markdown", "html", "drift")
        module.fail_json(msg=reason, **{key: result[key] for key in told})
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
