#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_switchover
short_description: Makes one of two PostgreSQL instances the primary and the other its standby, behind a PgBouncer
version_added: 0.1.0
description:
  - The new instance becomes a streaming standby of the old one. Then clients are held at the pooler, the old one is made read-only,
    is condemned to come back as a standby and is stopped; the new one is promoted when it is proven to have all that the old one
    ever wrote; and the pooler leads the clients on. No transaction that goes through the pooler fails.
  - The old instance comes back as a standby of the new one. The way back is the same call with O(target) and O(other) exchanged.
  - It needs nothing of the instances but their ports and a superuser. C(psql) runs where the module runs, or in the container of
    the pooler. What has to be done beside an instance's data, the instance does (C(COPY ... TO PROGRAM)).
  - A run that was killed is resumed by running it again. While clients are held, they wait; they do not fail. A run that fails lets
    them go first, on with the primary, unless it was fenced completely or is not seen; the error says which.
  - While clients are held, a process of its own stands by, the dead-man. As soon as the module ends, however it does, and where it has
    not ended O(grace) and 60 seconds after clients were held, it does what O(state=released) does, again and again until it is done or
    O(deadline) has passed. It waits for another run that goes on with the handover. Where no instance is provably the only primary,
    clients stay held and the journal says so (C(dead_man)).
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
  - sophia.replatform.switchover
options:
  state:
    description:
      - V(standby) means that O(target) is a standby of O(other) and not far behind.
      - V(primary) means that O(target) is the primary, that clients are led to it, and that O(other) is its standby, where it has
        ever been one.
      - V(released) means that no client is held; whichever instance is the primary, clients are led to it. A handover that was cut off
        between the end of the old primary and the promotion is ended. For a run that failed.
      - V(alone) means that O(target) is the primary and keeps nothing for O(other), which is gone for good, neither WAL nor
        C(replatform.pgpass).
    type: str
    required: true
    choices: [standby, primary, released, alone]
  database:
    description: The database, as the pooler and both instances name it. All databases of the instance move with it.
    type: str
    required: true
  overwrite:
    description:
      - Whether O(target) may lose what it holds beyond O(other). It is kept beside its data, as C(DATA_FOLDER.before), until the next
        copy, or until you remove it.
    type: bool
    default: false
  max_lag:
    description: Bytes of WAL that a standby may be behind before clients are held.
    type: int
    default: 1048576
notes:
  - Refuses, with one line and nothing changed, when the instances are of different major versions, when an extension, a preloaded
    library or a collation (of libc or ICU) of the primary is missing on the other or of another version there, when C(wal_level) is C(minimal), when
    WAL senders, replication slots, room on the disk or a line in C(pg_hba.conf) are missing, when there are tablespaces, unlogged
    tables or sequences, logical slots or C(synchronous_standby_names), when the data folder is a mount point of its own, when the pooler
    keeps a connection for each client (C(pool_mode) C(session)), or lets clients give up too early (C(query_wait_timeout)), when
    O(pooler_file) can't be written, or when the pooler has another database that leads to O(other). Extensions, libraries and collations
    are compared with a standby that streams already, too, and tablespaces, what is unlogged, slots and the pooler looked at again, each
    time before clients are held.
  - From V(standby) until V(alone) the primary keeps WAL for the other instance (replication slot C(replatform_handover)). Where
    C(max_slot_wal_keep_size) is -1, without limit, which is warned of. No copy is begun, and a wait is given up, where less than a
    tenth of the disk, or than 2 GiB of a large one, is free where the WAL lies; a wait only if the slot keeps as much as that.
  - With a limit, a standby that was away for too long has lost its WAL. It is seeded anew by the next run.
  - An instance that comes back on an empty volume while clients are held, or as another database than the one that its standby
    follows, is refused.
  - The dead-man outlives the module and the connection that it was started by, but not a C(KillUserProcesses=yes) of systemd-logind.
  - What starts the instances must start them again when they end.
  - Clients that go past the pooler lose their connections when the old primary is stopped.
  - The password is written to C(replatform.pgpass) (mode 0600) beside the data folder of each instance.
seealso:
  - module: sophia.replatform.postgres_handover
  - name: PgBouncer
    description: PAUSE and RESUME.
    link: https://www.pgbouncer.org/usage.html
"""

EXAMPLES = r"""
- name: Let K3s' instance follow the Swarm's
  sophia.replatform.postgres_switchover:
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
  sophia.replatform.postgres_switchover:
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
    - {name: try_repoint, to: "192.0.2.14:5432"}
    - {name: pause, at: "192.0.2.14:5432", grace_s: 2}
    - {name: fence, at: "192.0.2.14:5432", direct_clients: 0, ended_sessions: 0}
    - {name: prove, at: "192.0.2.21:5432", waited_s: 0.2}
    - {name: promote, at: "192.0.2.21:5432", lsn: 0/3069F50}
    - {name: repoint, to: "192.0.2.21:5432"}
    - {name: resume, to: "192.0.2.21:5432"}
    - {name: release, at: "192.0.2.21:5432"}
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
    switchover_release,
    switchover_run,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.pooler_place import place_and_lock
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client


def main() -> None:
    module = AnsibleModule(
        argument_spec={**switchover_run.ARGUMENTS, **client.ARGUMENTS, **ARGUMENTS},
        required_together=[("service", "namespace", "kubeconfig")],
        mutually_exclusive=[("service", "swarm_service")],
        required_if=[("state", state, ("other",)) for state in switchover_run.STATES_OF_TWO],
        supports_check_mode=True,
    )
    options = module.params
    if options["service"] and cluster.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=cluster.IMPORT_ERROR)
    if options["swarm_service"] and client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    try:
        switchover_run.check(options)
        module.exit_json(**switchover_release.run_module(module, switchover_run.Switchover, place_and_lock))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
