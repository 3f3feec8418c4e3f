#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_logical_switchover
short_description: Hands a database over between two PostgreSQL instances of different versions, by logical replication behind a PgBouncer
version_added: 0.1.0
description:
  - For instances that M(sophia.replatform.postgres_switchover) refuses, for they are of different major versions or were built on
    different libraries. One database moves, and the states mean the same.
  - The schema is dumped and restored, the tables are subscribed to with a copy of their rows, and the schema is frozen on both sides.
    Then clients are held at the pooler, the old instance is made read-only and all its sessions are ended; when the new one has
    confirmed all that was ever written, sequences are carried and tables compared; the old one subscribes to the new one; and the
    pooler leads the clients on. No transaction that goes through the pooler fails.
  - The way back is the same call with O(target) and O(other) exchanged. A run that was killed is resumed by running it again.
  - While clients are held, they wait; they do not fail. A run that fails lets them go first, on with the instance that they had, unless
    O(target) may have been opened by then; where it takes writes already, they are led to it. The error says which.
  - While clients are held, a process of its own stands by, the dead-man. As soon as the module ends, however it does, and where it has
    not ended O(grace) and 60 seconds after clients were held, it does what O(state=released) does, again and again until it is done or
    O(deadline) has passed. It waits for another run that goes on with the handover, and for statements of the run that has ended.
    Where no instance is provably the only primary, clients stay held and the journal says so (C(dead_man)).
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
  - sophia.replatform.switchover
options:
  state:
    description:
      - V(standby) means that O(target) is subscribed to O(other), has copied every table and is not far behind.
      - V(primary) means that O(target) is the primary, that clients are led to it, and that O(other) is subscribed to it, where the
        two have ever been a pair.
      - V(released) means that no client is held; whichever instance is the primary, clients are led to it. A handover that was cut off
        when each instance had all that the other has is ended, with O(target) as the primary. For a run that failed.
      - V(alone) means that O(target) is the primary and keeps nothing for O(other), and that its schema is not frozen. It gives up
        the way back, or a handover that has not taken place, and removes C(replatform.pgpass).
    type: str
    required: true
    choices: [standby, primary, released, alone]
  database:
    description: The database, as the pooler and both instances name it. It must exist on both.
    type: str
    required: true
  overwrite:
    description: Whether O(target) may lose what it holds of the database.
    type: bool
    default: false
  max_lag:
    description: Bytes of WAL that the subscriber may be behind before clients are held.
    type: int
    default: 1048576
  compare:
    description:
      - Bytes of tables that are compared, row count and checksum, while clients are held; the smallest tables first. All sequences are.
      - That the subscriber has confirmed all of the WAL is required of every table.
    type: int
    default: 16777216
requirements:
  - pg_dump, base64 and sha256sum beside each instance
notes:
  - Refuses, with one line and nothing changed, when O(target) is older, holds tables, is of another encoding, or lacks extensions,
    roles, settings of the database or room; when either has no C(wal_level) C(logical) or lacks WAL senders, slots or workers; when
    a table of O(other) has no replica identity or is unlogged; when there are large objects, triggers that fire on both sides,
    prepared transactions or slots of others; when O(pooler_file) can't be written; and when the pooler has the database of either
    instance under another name, too.
  - While one follows the other, any DDL but that on temporary tables is refused on both (event triggers in the schema
    C(replatform_logical)), with an error that names this module. V(alone) ends that. A session with C(session_replication_role)
    C(replica), which only a superuser can have, is not bound; what it changes is noticed before clients are held.
  - While clients are held, a primary that lacks the slot for its subscriber is refused, for it came back on an empty volume.
  - The dead-man outlives the module and the connection that it was started by, but neither the host nor a C(KillUserProcesses=yes) of
    systemd-logind.
  - Clients that go past the pooler lose their connections, and what they open then is read-only by default. A client that sets
    C(default_transaction_read_only) itself is not kept from writing to the one that is not the primary.
  - Roles, other databases and the server's settings do not move. Tables are analyzed and materialized views refreshed on O(target)
    once.
  - The password is written to C(replatform.pgpass) (mode 0600) beside the data folder of each instance.
seealso:
  - module: sophia.replatform.postgres_switchover
  - name: Logical replication
    description: Publications, subscriptions and their restrictions.
    link: https://www.postgresql.org/docs/current/logical-replication.html
"""

EXAMPLES = r"""
- name: Let K3s' newer instance follow the Swarm's
  sophia.replatform.postgres_logical_switchover:
    name: postgres
    state: standby
    target: 192.0.2.21:5432
    other: 192.0.2.14:5432
    pooler: 127.0.0.1:6432
    pooler_file: /etc/pgbouncer/databases.ini
    user: shop
    database: shop
    password_file: /run/secrets/postgres_password

- name: Hand over
  sophia.replatform.postgres_logical_switchover:
    name: postgres
    state: primary
    target: 192.0.2.21:5432
    other: 192.0.2.14:5432
    pooler: 127.0.0.1:6432
    pooler_file: /etc/pgbouncer/databases.ini
    user: shop
    database: shop
    password_file: /run/secrets/postgres_password
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - {name: pause, at: "192.0.2.14:5432", grace_s: 2}
    - {name: fence, at: "192.0.2.14:5432", ended_sessions: 0}
    - {name: turn, at: "192.0.2.14:5432", to: "192.0.2.21:5432", compared: 12}
    - {name: open, at: "192.0.2.21:5432"}
    - {name: repoint, to: "192.0.2.21:5432"}
    - {name: resume, to: "192.0.2.21:5432"}
    - {name: drop_slot, at: "192.0.2.14:5432"}
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: 192.0.2.21:5432 is the primary and 192.0.2.14:5432 follows it
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import (
    cluster,
    logical_run,
    switchover_release,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.pooler_place import place_and_lock
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client


def main() -> None:
    module = AnsibleModule(
        argument_spec={**logical_run.ARGUMENTS, **client.ARGUMENTS, **ARGUMENTS},
        required_together=[("service", "namespace", "kubeconfig")],
        mutually_exclusive=[("service", "swarm_service")],
        required_if=[("state", state, ("other",)) for state in logical_run.STATES_OF_TWO],
        supports_check_mode=True,
    )
    options = module.params
    if options["service"] and cluster.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=cluster.IMPORT_ERROR)
    if options["swarm_service"] and client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    try:
        logical_run.check(options)
        module.exit_json(**switchover_release.run_module(module, logical_run.LogicalSwitchover, place_and_lock))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
