#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_handover
short_description: Hands a PostgreSQL database from an instance outside of a cluster to one inside, with reads going on
version_added: 0.1.0
description:
  - Makes the old instance read-only, waits for transactions that may still write and ends those that do not come to an end,
    dumps the database and restores it in one transaction in the new instance, and compares every table and sequence.
  - Writes fail from the moment that the old instance is read-only until the name leads to the new one. Reads do not.
  - Works by scripts in the pod of the new instance, whose image must have C(psql) and C(pg_dump). No data and no password
    passes through the controller.
  - A run that was cut off is resumed by running it again. What the old instance holds is never changed.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.handover
  - sophia.replatform.operation
options:
  user:
    description: Superuser on both instances.
    type: str
    required: true
  database:
    description: The database.
    type: str
    required: true
  password_file:
    description: File in the pod of the new instance that holds the user's password for both instances.
    type: str
    required: true
  grace:
    description: Seconds that transactions begun before the old instance was made read-only have to come to an end.
    type: int
    default: 10
notes:
  - The old instance refuses writes by a default, C(default_transaction_read_only), which a client that sets it itself overrides; what such a
    client writes after the copy is lost.
  - Refuses, with one line, when the new instance is of an older version, or holds more rows than the old one and O(overwrite)
    is false. A table with rows, or a sequence that was used, that the old instance lacks is refused before writes stop.
  - Tables and sequences that the old instance lacks are dropped from the new one as it is copied, with all that depends on them, where they are
    empty and unused; with O(overwrite) all of them. RV(steps) names the first five. An extension goes with a table of its own.
    Other objects that only the new instance has stay. A view of its own on a table of the old instance's fails the copy; drop it there.
  - The comparison reads all rows on both sides. Where a copy leaves a difference, the run ends with the names of what differs.
seealso:
  - module: sophia.replatform.redis_handover
"""

EXAMPLES = r"""
- name: Stop writes and copy
  sophia.replatform.postgres_handover:
    name: postgres
    namespace: shop
    kubeconfig: /etc/rancher/k3s/k3s.yaml
    source: 192.0.2.14:5432
    user: shop
    database: shop
    password_file: /run/secrets/postgres_password
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
    - name: stop_writes
    - name: copy
      tables: 2
      dropped: public.drafts, sequence public.drafts_id_seq
      bytes: 48210
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: 2 tables and sequences are equal on both sides
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import cluster, operations
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, alone, perform


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "required": True},
            "database": {"type": "str", "required": True},
            "password_file": {"type": "str", "required": True, "no_log": False},
            "grace": {"type": "int", "default": 10},
            **operations.ARGUMENTS,
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if cluster.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("kubernetes"), exception=cluster.IMPORT_ERROR)
    options = module.params
    try:
        at = cluster.Cluster(options["kubeconfig"], options["namespace"], options["deadline"])
        operation = operations.PostgresHandover(at, options)
        lock = f"{options['kubeconfig']}.{options['namespace']}.{options['name']}.lock"
        with alone(lock, options["deadline"], module.check_mode):
            result = perform(operation, "postgres_handover", options["name"], options, module.check_mode)
        module.exit_json(**result)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
