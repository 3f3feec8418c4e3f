#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_secret_copy
short_description: Copies secrets and configs of a Swarm into a namespace of a Kubernetes cluster
version_added: 0.1.0
description:
  - Puts each secret into a Kubernetes Secret and each config into a ConfigMap, compares what is there by a keyed hash, and
    writes only what differs.
  - Swarm's API never gives a secret's value. So the module starts a one-shot task on the manager that it runs on, which mounts
    the secrets and only sleeps, reads each of them through the stream of an exec over the local socket, and sends it to the
    cluster over TLS. The task is removed in the end, in whatever way the run ends; what a killed run has left, the next removes.
  - No value is written to a disk or a log on the way, is an argument, or is part of what the module returns.
  - Runs on a manager that takes tasks. A run that was cut off is resumed by running it again.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.operation
options:
  secrets:
    description: Names of secrets, as C(docker secret ls) shows them; external ones, too.
    type: list
    elements: str
    default: []
  configs:
    description: Names of configs, as C(docker config ls) shows them.
    type: list
    elements: str
    default: []
  namespace:
    description: The namespace, which must exist.
    type: str
    required: true
  image:
    description:
      - Image of the task. It needs C(cat) and C(sleep), and no more.
      - By default that of a service that mounts one of the O(secrets), since it is on the Swarm's nodes already.
    type: str
    default: ''
  api_url:
    description: The cluster's API, an C(https://) address that this manager reaches.
    type: str
    required: true
  api_ca:
    description: The cluster's CA in PEM form. No other CA is trusted.
    type: str
    required: true
  api_token:
    description: A token that may C(get), C(create) and C(patch) C(secrets) and C(configmaps) in the O(namespace), and should not
      live long; see P(sophia.replatform.service_account_token#lookup).
    type: str
    required: true
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: partial
    details: No task is started, so a Secret that is there is taken to hold the right value, unless it came from another
      secret of the Swarm.
  diff_mode:
    description: Returns details on what has changed, or would change in check_mode.
    support: full
    details: Names, lengths and hashes; never a value.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
notes:
  - An object is named as the Swarm names it, in lower case and with a hyphen for whatever Kubernetes does not take in a name. Its
    one key is the Swarm's name as it is. Other keys of an object that is there stay.
  - The annotations C(replatform.sophia.ai/swarm-source) and C(replatform.sophia.ai/swarm-id) say where a value came from, and the
    label C(app.kubernetes.io/managed-by=replatform) who wrote it. An object that holds the value already is left as it is.
  - Refuses, with one line and no object changed, a name that the Swarm does not know, two names that would be one object, a manager
    that takes no tasks, and an object with another value that a controller such as External Secrets keeps, or that is immutable.
  - Needs Engine 20.10 or later, and a O(docker_host) that is a C(unix://) socket.
  - One run at a time on a Swarm. Another one takes this one's task for a leftover.
seealso:
  - module: sophia.replatform.swarm_stack_info
  - plugin: sophia.replatform.service_account_token
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Copy the secrets of the stack
  sophia.replatform.swarm_secret_copy:
    secrets: [postgres_password]
    namespace: shop
    api_url: "{{ cluster.server }}"
    api_ca: "{{ cluster['certificate-authority-data'] | b64decode }}"
    api_token: "{{ lookup('sophia.replatform.service_account_token', 'secret-copy', namespace='shop', kubeconfig=kubeconfig) }}"
  vars:
    cluster: "{{ (lookup('ansible.builtin.file', kubeconfig) | from_yaml).clusters[0].cluster }}"
"""

RETURN = r"""
copied:
  description:
    - What became of each secret and config.
    - C(digest) is an HMAC-SHA256 of the value under a key that is thrown away at the end of the run. It is the same for the Swarm's
      value and the cluster's, and can't be compared with that of another run.
    - In check mode a secret has neither C(bytes) nor C(digest), since it is not read.
  type: list
  elements: dict
  returned: success
  sample:
    - kind: Secret
      name: postgres-password
      source: postgres_password
      result: created
      bytes: 32
      digest: 5f0d3f9f0a8dcb2e6f8c5a35b1b1d2f0d5d7a0a2f3e1c49de9c8a1e0b6f7d8c9
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: start_task
      image: registry.example.com/shop/backend:1.0
      secrets: 1
    - name: create
      kind: Secret
      source: postgres_password
      bytes: 32
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: 1 secrets and 0 configs are in the cluster
"""

import uuid

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, alone, perform
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.cluster_api import ClusterApi
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.copying import Wanted
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.operations import Copy
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client

LOCK = "/run/replatform.swarm_secret_copy.lock"


def copy(module: AnsibleModule) -> dict[str, object]:
    """The module's result. Raises C(ReplatformError), and leaves no task behind."""
    options = module.params
    if not options["docker_host"].startswith("unix://"):
        raise ReplatformError("docker_host: a secret is read over a local unix:// socket alone")
    wanted = Wanted(
        tuple(dict.fromkeys(options["secrets"])),
        tuple(dict.fromkeys(options["configs"])),
        options["image"],
        uuid.uuid4().hex[:12],
    )
    cluster = ClusterApi(
        options["api_url"], options["api_ca"], options["api_token"], options["namespace"], options["docker_timeout"]
    )
    with alone(LOCK, options["deadline"], module.check_mode):
        operation = Copy(client.connect(options), cluster, wanted, options["deadline"])
        try:
            result = perform(operation, "swarm_secret_copy", options["namespace"], options, module.check_mode)
        except BaseException:
            if not module.check_mode:
                operation.abandon()
            raise
    return {**result, "copied": operation.copied(result["steps"])}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "configs": {"type": "list", "elements": "str", "default": []},
            "namespace": {"type": "str", "required": True},
            "image": {"type": "str", "default": ""},
            "api_url": {"type": "str", "required": True},
            "api_ca": {"type": "str", "required": True},
            "api_token": {"type": "str", "required": True, "no_log": True},
            **client.ARGUMENTS,
            **ARGUMENTS,
        },
        supports_check_mode=True,
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    try:
        module.exit_json(**copy(module))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
