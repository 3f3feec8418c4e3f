#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack_info
short_description: Tells the nodes of a Swarm and the services of one of its stacks
version_added: 0.1.0
description:
  - Reads a Swarm through the Docker Engine of one of its managers, and says where each service of a stack can be reached.
  - A host without Docker, an Engine that is in no Swarm, a worker, and a stack that does not exist are ordinary answers, not errors.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.reads
options:
  stack:
    description: Name of the stack, as given to C(docker stack deploy).
    type: str
    required: true
  specs:
    description:
      - Return the spec of each service too, the labels of each node, and RV(objects), for
        M(sophia.replatform.stack_values).
      - A spec has the environment of its service in the clear. Use C(no_log) where that holds secrets.
    type: bool
    default: false
notes:
  - Fails with one line when the Engine can't be reached, when the Swarm has lost its quorum, or when the Engine is a member
    that is C(pending), C(locked) or in C(error), since such a member must not pass for one that has left.
"""

EXAMPLES = r"""
- name: Read the stack
  sophia.replatform.swarm_stack_info:
    stack: shop
  register: shop

- name: Say where the backend answers
  ansible.builtin.debug:
    msg: "{{ (shop.services | selectattr('name', 'eq', 'backend') | first).endpoints }}"
"""

RETURN = r"""
swarm:
  description: Whether the Engine is a member of a Swarm, V(active) or V(inactive).
  type: str
  returned: success
  sample: active
is_manager:
  description: Whether the Engine is an active manager; only then are RV(nodes) and RV(services) filled.
  type: bool
  returned: success
node_id:
  description: ID of this Engine as a node of the Swarm; empty when it is in none.
  type: str
  returned: success
  sample: 0lk5v2pi0ov5nw0fwqx8fxvxp
hostname:
  description: Host name of this Engine, which is its name as a node too.
  type: str
  returned: success
  sample: node-1
local_services:
  description: Full names of the stack's services that have a container on this Engine, whether or not it is in a Swarm.
  type: list
  elements: str
  returned: success
  sample: [shop_backend]
nodes:
  description: The nodes of the Swarm, by host name. With O(specs) each has its C(labels) too.
  type: list
  elements: dict
  returned: success
  sample:
    - id: 0lk5v2pi0ov5nw0fwqx8fxvxp
      hostname: node-1
      address: 192.0.2.11
      role: manager
      availability: active
      state: ready
      leader: true
      reachability: reachable
objects:
  description:
    - The Swarm's networks, secrets and configs, by name; empty on a worker. C(own) says whether the stack has made it.
    - The content of a secret is never among it, since a Swarm does not give it back. That of a config is, where it is text.
    - C(templating) is the driver that fills in templates of a secret or config, as the API gives it; mostly none.
  type: dict
  returned: with O(specs)
  sample:
    networks:
      - id: rghes5b7xa3y9kienrfuftn4y
        name: shop_front
        own: true
        driver: overlay
        options: {}
        internal: false
        attachable: true
        ipv6: false
    secrets:
      - id: ppziny423gkuf4qcz4ambmwxk
        name: database_password
        own: false
    configs:
      - id: m1uu4bxa2f4wq0ev3sk9oqqcz
        name: shop_settings
        own: true
        templating: {Name: golang}
        content: greeting = "hello"
services:
  description:
    - The services of the stack, by name. C(name) is without the stack's prefix, C(full_name) with it.
    - C(replicas) is how many are wanted, C(running) how many run on nodes that are ready, C(tasks) which those are.
    - C(gpus) is how many GPUs each of its tasks reserves, generic resources with C(gpu) in their name.
    - C(restart_condition) is when a task that has ended is started again (V(any), V(on-failure) or V(none)), and C(restart_max_attempts)
      how often at most, V(0) for ever.
    - C(spare) says whether one of C(replicas) is there for a while only (O(sophia.replatform.swarm_scale#module:spare)).
    - C(spec), with O(specs), is the spec as the API gives it.
    - C(endpoints) has an entry C(ip:port) for every node with a running task where a port is published in host mode, and for
      every ready node where it is published through the ingress network.
  type: list
  elements: dict
  returned: success
  sample:
    - name: backend
      full_name: shop_backend
      id: 7vwcmrpj2ycjvqvz2g4ifoggh
      image: registry.example.com/shop/backend:1.0
      mode: replicated
      replicas: 1
      spare: false
      gpus: 0
      restart_condition: any
      restart_max_attempts: 0
      running: 1
      ports:
        - target: 8001
          published: 8001
          protocol: tcp
          mode: host
      endpoints: ["192.0.2.11:8001"]
      tasks:
        - id: o3s6emxsvgb2iwijrvb8f4yuc
          node: node-1
          container: 2d1ec5bd2b1c
"""

import os

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.stack import observed
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, state


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "specs": {"type": "bool", "default": False},
            **client.ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if client.is_removed(
        module.params, lambda name: module.get_bin_path(name, opt_dirs=["/usr/sbin", "/sbin", "/usr/local/bin"])
    ):
        module.exit_json(changed=False, local_services=[], **{**state.INACTIVE, "hostname": os.uname().nodename})
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    try:
        engine = client.connect(module.params)
        with client.api_errors("read the Swarm"):
            raw = state.read_swarm(engine)
            local = state.read_local(engine, module.params["stack"])
            answer = state.stack_info(raw, module.params["stack"])
            if module.params["specs"]:
                things = observed.read_objects(engine) if answer["is_manager"] else {}
                answer = observed.add_specs(answer, raw, things, module.params["stack"])
        module.exit_json(changed=False, local_services=local, **answer)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
