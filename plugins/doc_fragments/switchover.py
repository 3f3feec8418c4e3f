# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the modules have in common that hand PostgreSQL over behind a PgBouncer; its counterpart is ARGUMENTS in
module_utils/handover/switchover_run.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  name:
    description: Name of the store in the journal.
    type: str
    required: true
  target:
    description: The instance that O(state) speaks of, as C(host:port).
    type: str
    required: true
  other:
    description:
      - The other instance, as C(host:port). Each must reach the other at these addresses, and the pooler both.
      - Only V(alone) can do without it.
    type: str
  target_name:
    description:
      - O(target) as the pooler's configuration names it, as C(host:port), where that is another name, such as the one of a service.
        It is understood, and written there when clients are led to O(target).
    type: str
  other_name:
    description: The same for O(other). Without O(other) it is taken for O(target), which has taken its name over.
    type: str
  pooler:
    description: PgBouncer, as C(host:port). O(user) must be in its C(admin_users).
    type: str
    required: true
  pooler_file:
    description:
      - File of PgBouncer's configuration that has the line C(database = host=... port=...), whose host and port are replaced. No other
        file has a line of that database.
      - The file itself is replaced, too, so its folder must be writable, and the file no mount of its own.
      - That it can be replaced and that PgBouncer follows it is tried before clients are held (step C(try_repoint)). For a moment a
        database C(replatform_trial), which leads nowhere, is beside it then, and O(database) has one connection more. In check mode
        the file is only looked at.
      - It is in the container of the pooler where O(swarm_service) or O(service) is given, otherwise on the host that the module
        runs on.
    type: path
    required: true
  swarm_service:
    description:
      - Full name of the pooler's service on a Swarm. Scripts run in the container of its task on the host that the module runs on.
    type: str
  service:
    description:
      - Service in a cluster that selects the pod of the pooler. Without it and O(swarm_service), scripts run on the host that the
        module runs on.
    type: str
  namespace:
    description: Namespace of O(service).
    type: str
  kubeconfig:
    description: File on the host that the module runs on, that says how the cluster is reached.
    type: path
  user:
    description: Superuser of both instances.
    type: str
    required: true
  password_file:
    description: File that holds the user's password, where the scripts run.
    type: str
    required: true
  grace:
    description:
      - Seconds that open transactions have to come to an end, while new ones wait. If they do not, clients go on as before and the run
        fails; its error names the oldest by the process that it has in the primary. End it there, or raise this.
    type: int
    default: 2
requirements:
  - psql, timeout and flock where the scripts run
  - docker (Python package) only where O(swarm_service) is given
  - kubernetes (Python package), where O(service) is given
"""
