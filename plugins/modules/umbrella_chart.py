#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: umbrella_chart
short_description: Writes a Helm umbrella chart, a subchart a group of services, from the values of a stack
version_added: 0.1.0
author:
  - The sophia.replatform maintainers (@sophia-ai)
description:
  - Writes a folder that C(helm install) takes as it is, with helm 3.17 and newer and with helm 4. A subchart a group, the
    library chart C(workload) that all of them are rendered by, values, a schema, notes, and a pod for C(helm test).
  - The objects are those of the chart that takes all services at once, by the same names and selectors. A release of the
    one can be upgraded to the other.
  - Merges the values of a chart that was there before. Each key is carried to the same place, renamed, or reported, and
    C(MIGRATION.md) in the folder says which.
  - What looks like a secret is written to no file, and is in RV(values) alone. A chart whose C(env) has a value hidden does
    not render without it.
  - Works on the controller alone. Files are written aside and renamed. A file that is no longer part of the chart is removed
    when this module wrote it. Any other file in the folder is left alone.
attributes:
  check_mode:
    description: Can run in C(check_mode) and writes nothing.
    support: full
  diff_mode:
    description: Returns what has changed, or would change, as a diff.
    support: full
  idempotent:
    description: When run twice with the same arguments, the second run changes nothing.
    support: full
requirements:
  - PyYAML
options:
  path:
    description: Folder of the chart. It is made when it is not there.
    type: path
    required: true
  source:
    description:
      - Folder of the chart that takes all services at once, that of the role P(sophia.replatform.platform#role). Its library
        chart is copied and its schema is used.
    type: path
    required: true
  name:
    description: Name of the chart.
    type: str
    required: true
  values:
    description: Values as P(sophia.replatform.stack_values#module) returns them.
    type: dict
    required: true
  version:
    description: Version of the chart and its subcharts. Empty means that of O(existing_metadata), else V(0.1.0).
    type: str
    default: ''
  app_version:
    description: Version of what the chart deploys. Empty means that of O(existing_metadata), else none.
    type: str
    default: ''
  description:
    description: What the chart is, in a line. Empty means that of O(existing_metadata), else one is made.
    type: str
    default: ''
  services:
    description:
      - What the inventory knows of services, each with C(name) and any of C(group), C(kind), C(port), C(path) and C(tier).
      - A service whose C(kind) is V(http) is asked for its C(path) by C(helm test). One that is not listed is asked when its
        health check asks for a page.
      - A service of no C(group) belongs to the subchart V(workloads).
    type: list
    elements: dict
    default: []
  chart_names:
    description: From a group to the name of its subchart, where the two differ.
    type: dict
    default: {}
  environments:
    description: From an environment to what differs there, in the form of O(values). Each is written as C(values-NAME.yaml).
    type: dict
    default: {}
  environment:
    description: The one of O(environments) whose differences are in RV(values), as they are in a release there. Empty means none.
    type: str
    default: ''
  architectures:
    description:
      - From a service, or an image as the stack names it, to the architectures that the image exists for. Its pods go to
        nodes of these only.
    type: dict
    default: {}
  existing_values:
    description: Values files of the chart that was there before. Later ones win.
    type: list
    elements: path
    default: []
  existing_metadata:
    description: The Chart.yaml of the chart that was there before.
    type: path
  rules:
    description:
      - What becomes of keys of O(existing_values), each a mapping of C(key) and one of C(to), C(service) and C(report), with
        C(note) if need be. The first that fits counts.
      - C(key) is a path of keys joined by dots, in which C(*) stands for any one key. C(to) is the new path, in which each
        C(*) is what that of C(key) stood for. C(service) says whose block it is. C(report) says why it is not carried.
    type: list
    elements: dict
    default: []
  test_image:
    description:
      - Image for the pod of C(helm test), with busybox unless O(test_command) is given. Name it by its digest where that is known.
    type: str
    default: busybox:1.37
  test_command:
    description:
      - Command of that pod, for an image without busybox. Its arguments are what to ask for, pages as C(http://web:8080/health) and
        connections as C(tcp://feed:9010). It exits with 0 when all of them answer, and otherwise prints a line that begins with
        C(no answer:) for each that does not.
      - Empty means busybox' C(wget) and C(nc), 5 seconds each.
    type: list
    elements: str
    default: []
seealso:
  - module: sophia.replatform.stack_values
"""

EXAMPLES = r"""
- name: Turn the stack into values
  sophia.replatform.stack_values:
    stack_files:
      - /srv/platform/docker-stack.yml
    stack: shop
  register: converted

- name: Write the chart
  sophia.replatform.umbrella_chart:
    path: /srv/platform/kubernetes/helm/shop
    source: /usr/share/ansible/collections/ansible_collections/sophia/replatform/roles/platform/files/chart
    name: shop
    values: "{{ converted['values'] }}"
    services:
      - {name: web, group: front, kind: http, port: 8080, path: /health}
      - {name: postgres, group: data, kind: postgres, port: 5432}
    chart_names:
      front: frontend
    existing_values:
      - /srv/platform/helm/values.yaml
    rules:
      - {key: networkPolicies.enabled, to: global.networkPolicy.enabled}
      - {key: apps.shopWeb, service: web}
      - {key: backup.*, report: backups are made by a job of the data team}
"""

RETURN = r"""
values:
  description: The umbrella's values, whole. They may hold what a stack file holds in the clear.
  returned: success
  type: dict
  sample: {"global": {"stack": "shop"}, "frontend": {"enabled": true, "services": {"web": {"image": "web:1"}}}}
values_public:
  description: The same, with what looks like a secret in an environment hidden.
  returned: success
  type: dict
  sample: {"global": {"stack": "shop"}, "frontend": {"enabled": true, "services": {"web": {"image": "web:1"}}}}
files:
  description: The chart's files, relative to O(path).
  returned: success
  type: list
  elements: str
  sample: [Chart.yaml, charts/frontend/Chart.yaml, values.yaml]
rows:
  description: What became of each key of the existing chart. No value is in it.
  returned: success
  type: list
  elements: dict
  sample: [{"key": "shopWeb.replicaCount", "verdict": "renamed", "to": "frontend.services.web.replicas", "note": ""}]
summary:
  description: How many keys there are of each verdict.
  returned: success
  type: dict
  sample: {"renamed": 12, "carried": 30, "reported": 4}
markdown:
  description: RV(rows) and RV(absent) as a page.
  returned: success
  type: str
  sample: "# What became of the values of the chart before shop"
absent:
  description: Services of O(services) that O(values) do not have.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.chart import run
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "source": {"type": "path", "required": True},
            "name": {"type": "str", "required": True},
            "values": {"type": "dict", "required": True},
            "version": {"type": "str", "default": ""},
            "app_version": {"type": "str", "default": ""},
            "description": {"type": "str", "default": ""},
            "services": {"type": "list", "elements": "dict", "default": []},
            "chart_names": {"type": "dict", "default": {}},
            "environments": {"type": "dict", "default": {}},
            "environment": {"type": "str", "default": ""},
            "architectures": {"type": "dict", "default": {}},
            "existing_values": {"type": "list", "elements": "path", "default": []},
            "existing_metadata": {"type": "path"},
            "rules": {"type": "list", "elements": "dict", "default": []},
            "test_image": {"type": "str", "default": "busybox:1.37"},
            "test_command": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    try:
        result = run.umbrella_chart(module.params, module.check_mode)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
