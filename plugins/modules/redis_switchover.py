#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: redis_switchover
short_description: Makes one of two Redis instances the master and the other its replica
version_added: 0.1.0
description:
  - The new instance becomes a replica of the old one and gets its settings for memory and persistence. Then writes are held
    (C(CLIENT PAUSE ... WRITE)), the offsets are compared, the old one becomes a replica of the new one, and that is promoted.
  - Clients of the old master lose their connections while their writes are held, so nothing that they were not told of is written.
    They find the new master by its role, as clients of Sentinel and HAProxy's checks do, or by a name that is switched.
  - The way back is the same call with O(target) and O(other) exchanged.
  - The pause ends by itself after 10 seconds, whatever becomes of the run. From the demotion on the old one refuses writes, for as long as
    clients are led there.
  - Before the demotion a process of its own stands by, the dead-man, and in a later run as soon as clients may be refused writes; the
    first copy may take until O(deadline). It acts as soon as the module has ended, however it did, and where it has not ended 60 seconds
    later it is killed, and the journal says so. Where neither takes writes, it promotes the one that clients are led to. Where one does
    and clients are led to the other, it waits O(lead_timeout) for whoever ran the module to lead them to it; where nobody has, the one
    that they are led to is made the master again, by the same steps, so there are never two. It tries until O(deadline) has passed.
    Where it is not seen which of the two clients are led to, or one does not answer, writes stay refused and the journal says so (C(dead_man)).
  - A run that fails where neither takes writes does the same first, and its error says what became of it.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
options:
  name:
    description: Name of the store in the journal.
    type: str
    required: true
  state:
    description:
      - V(replica) means that O(target) is a replica of O(other) and is set like it.
      - V(primary) means that O(target) is the master and O(other) its replica, or without a key.
      - V(released) means that O(target), to which clients are led, takes writes, wherever a handover was cut off. A replica becomes the
        master as with V(primary); a master is left as it is, whether or not the other one follows. Clients of one that follows it are
        disconnected for five seconds, for they came there before they were led away, and are refused writes as long as they stay.
    type: str
    required: true
    choices: [replica, primary, released]
  target:
    description: The instance that O(state) speaks of, as C(host:port).
    type: str
    required: true
  other:
    description: The other instance, as C(host:port). Each must reach the other at these addresses.
    type: str
    required: true
  clients:
    description:
      - Where clients reach the store, as C(host:port), e.g. the cluster's address of its Service, for the dead-man to see which of the two
        answers there.
      - Without it the dead-man takes clients to be led to O(other), or to look for the master, and acts only where there is none.
    type: str
  lead_timeout:
    description: Seconds that the dead-man leaves for clients to be led to the new master when the module has ended.
    type: int
    default: 30
  swarm_service:
    description:
      - Full name of the service of an instance on a Swarm. Scripts run in the container of its task on the host that the module runs
        on. Without it they run on that host.
    type: str
  password_file:
    description: File that holds the password of both instances, where they have one, where scripts run.
    type: path
  lock:
    description: File that keeps runs apart, where scripts run and on the host that the module runs on. It need not exist.
    type: path
    default: /run/lock/replatform-redis.lock
  overwrite:
    description: Whether O(target) may lose the keys that it holds.
    type: bool
    default: false
requirements:
  - redis-cli, timeout and flock where scripts run
  - docker (Python package) only where O(swarm_service) is given
notes:
  - Refuses, with one line and nothing changed, when an instance does not answer, is older than 6.2, runs without a configuration file
    (it would forget whom it follows) or with C(replica-read-only no) (what it takes as a replica would be lost), when a master came back
    without the keys that its replica still has, or when O(target) is older than O(other) or holds keys, in any database, and O(overwrite)
    is false. While one loads its data after a start, that is waited for.
  - Redis writes its configuration file anew, with its passwords in it, and makes it readable by all (C(0644) less its umask). Where
    the file is seen from where scripts run, it gets its mode back within a moment, and none for others where O(password_file) is given.
    Elsewhere start Redis with umask 077, or keep the file in a folder that is closed to others.
  - Whoever leads clients to O(target) when the module has ended runs it with C(state=released) after that, for the dead-man may have
    acted at the same moment.
  - The dead-man outlives the module and the connection that it was started by, but neither the host nor a C(KillUserProcesses=yes) of
    systemd-logind.
  - Carries C(appendonly), C(appendfsync), C(maxmemory), C(maxmemory-policy) and C(save).
seealso:
  - module: sophia.replatform.postgres_switchover
  - module: sophia.replatform.redis_handover
"""

EXAMPLES = r"""
- name: Hand over
  sophia.replatform.redis_switchover:
    name: redis
    state: primary
    target: 192.0.2.21:6379
    other: 192.0.2.14:6379
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - {name: replicate, at: "192.0.2.21:6379", from: "192.0.2.14:6379"}
    - {name: wait_for_sync, at: "192.0.2.21:6379", waited_s: 0.2}
    - {name: carry_settings, at: "192.0.2.21:6379", settings: {maxmemory: "67108864"}}
    - {name: demote, at: "192.0.2.14:6379", offset: 1842}
    - {name: promote, at: "192.0.2.21:6379", offset: 1842}
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: 192.0.2.21:6379 is the master and 192.0.2.14:6379 follows it
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import (
    container,
    places,
    redis_pair_run,
    switchover_release,
)
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client


def place_and_lock(options: t.Mapping[str, t.Any]) -> tuple[places.Place, str]:
    """Where scripts run, and the file on this host that keeps runs apart."""
    service, deadline = options["swarm_service"], options["deadline"]
    place = container.Container(client.connect(options), service, deadline) if service else places.Here(deadline)
    return place, f"{options['lock']}.run"


def main() -> None:
    module = AnsibleModule(
        argument_spec={**redis_pair_run.ARGUMENTS, **client.ARGUMENTS, **ARGUMENTS}, supports_check_mode=True
    )
    options = module.params
    if options["swarm_service"] and client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    try:
        places.check_addresses(options, "target", "other", *(["clients"] if options["clients"] else []))
        module.exit_json(**switchover_release.run_module(module, redis_pair_run.RedisPair, place_and_lock))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
