#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: redis_handover
short_description: Hands a Redis from an instance outside of a cluster to one inside, with reads going on
version_added: 0.1.0
description:
  - Makes the new instance a replica of the old one, waits until it has caught up, makes the old one refuse writes, waits for
    the last offset, and promotes the new one.
  - Writes fail from the moment that the old instance refuses them until the name leads to the new one. Reads do not.
  - Works by scripts in the pod of the new instance, whose image must have C(redis-cli).
  - The old instance refuses writes by C(min-replicas-to-write), in its configuration file, too, so it refuses them after a restart as well.
    Where it has no file, or can't write it, a restart ends that, and C(reason) says so. Before the name is switched such a
    restart makes V(copied) copy anew, and nothing is lost. What it takes between the last look and the switch is lost, and V(idle) refuses.
  - The number is 990000 plus what it was, and 980000 where a restart ends that. C(min-replicas-max-lag) is left alone, but 0, with which Redis
    looks at no number, becomes 10; then they are 970000 and 960000.
  - C(state=writable) sets both to what they were, in the file, too. From the 99 or 98 of an earlier version it goes to 0.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.handover
  - sophia.replatform.operation
options:
  password_file:
    description: File in the pod of the new instance that holds the password for both instances, where they have one.
    type: str
notes:
  - Refuses, with one line, when the new instance holds more keys, in all databases, than the old one and O(overwrite) is false. While one
    loads its data after a start, that is waited for.
  - Redis writes the old one's configuration file anew, with its passwords in it, and makes it readable by all (C(0644) less its umask).
    Start it with umask 077, or keep the file in a folder that is closed to others.
seealso:
  - module: sophia.replatform.postgres_handover
"""

EXAMPLES = r"""
- name: Copy and promote
  sophia.replatform.redis_handover:
    name: redis
    namespace: shop
    kubeconfig: /etc/rancher/k3s/k3s.yaml
    source: 192.0.2.14:6379
    state: copied
  delegate_to: localhost
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: replicate
      source: 192.0.2.14:6379
    - name: wait_for_sync
      waited_s: 1.2
    - name: stop_writes
    - name: promote
      offset: 1842
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: the new instance has taken over 3 keys
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import cluster, operations
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, alone, perform


def main() -> None:
    module = AnsibleModule(
        argument_spec={"password_file": {"type": "str", "no_log": False}, **operations.ARGUMENTS, **ARGUMENTS},
        supports_check_mode=True,
    )
    if cluster.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=cluster.IMPORT_ERROR)
    options = module.params
    try:
        at = cluster.Cluster(options["kubeconfig"], options["namespace"], options["deadline"])
        operation = operations.RedisHandover(at, options)
        lock = f"{options['kubeconfig']}.{options['namespace']}.{options['name']}.lock"
        with alone(lock, options["deadline"], module.check_mode):
            result = perform(operation, "redis_handover", options["name"], options, module.check_mode)
        module.exit_json(**result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
