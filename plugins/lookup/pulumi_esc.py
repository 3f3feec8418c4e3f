# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: pulumi_esc
short_description: Values of an environment in Pulumi ESC
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Opens an environment in Pulumi ESC and returns what it has at a path.
  - An environment is opened once in a run of Ansible, however many tasks and hosts ask. Until the run ends the values are kept
    encrypted in Ansible's temporary folder for the run, with a key that is made from the access token and is written nowhere.
  - Runs on the controller. The values are secrets; give C(no_log) to the task that uses one, unless the option it goes into has it.
options:
  _terms:
    description:
      - Paths in Pulumi's syntax, such as C(database.password), C(keys["a name"]) or C(list[0]).
      - An empty path is the whole environment.
    required: true
  organization:
    description: Name of the organization.
    type: str
    vars:
      - name: pulumi_esc_organization
    env:
      - name: PULUMI_ORG
  project:
    description: Name of the project of the environment.
    type: str
    default: default
    vars:
      - name: pulumi_esc_project
  environment:
    description: Name of the environment.
    type: str
    vars:
      - name: pulumi_esc_environment
  version:
    description: A revision, or a tag of one. By default the latest.
    type: str
    default: ''
    vars:
      - name: pulumi_esc_version
  access_token:
    description: Access token of Pulumi. Best left to the environment variable.
    type: str
    default: ''
    vars:
      - name: pulumi_esc_access_token
    env:
      - name: PULUMI_ACCESS_TOKEN
  api_url:
    description: Address of Pulumi's service. It must be C(https://), unless it is this very machine's.
    type: str
    default: https://api.pulumi.com
    vars:
      - name: pulumi_esc_api_url
    env:
      - name: PULUMI_BACKEND_URL
  timeout:
    description: Seconds to wait for one answer.
    type: float
    default: 30
    vars:
      - name: pulumi_esc_timeout
requirements:
  - pulumi-esc-sdk (Python package) >= 0.14
notes:
  - An error is one line that names the option - the token, the organization, the project, the environment, the version or the path.
"""

EXAMPLES = r"""
- name: Deploy with a password from Pulumi ESC
  ansible.builtin.include_role:
    name: sophia.replatform.platform
  vars:
    pulumi_esc_organization: shop
    pulumi_esc_environment: production
    platform_secrets:
      postgres_password: "{{ lookup('sophia.replatform.pulumi_esc', 'postgres.password') }}"
"""

RETURN = r"""
_raw:
  description: A value for each path.
  type: list
  elements: raw
"""

import ansible.constants as C
from ansible.errors import AnsibleLookupError
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.lookup import LookupBase
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.esc import environment, paths, run_cache


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        for library, fault in (("pulumi-esc-sdk", environment.IMPORT_ERROR), ("cryptography", run_cache.IMPORT_ERROR)):
            if fault:
                raise AnsibleLookupError(missing_required_lib(library))
        self.set_options(var_options=variables, direct=kwargs)
        given = {name: self.get_option(name) for name in ("organization", "project", "environment", "version")}
        source = environment.Source(self.get_option("api_url"), **{name: value or "" for name, value in given.items()})
        token = self.get_option("access_token")
        try:
            environment.check(source, token)
            values = run_cache.cached(
                C.DEFAULT_LOCAL_TMP,
                f"{source.url} {source}",
                token,
                lambda: environment.read(source, token, self.get_option("timeout")),
            )
            return [paths.pick(values, str(term)) for term in terms]
        except ReplatformError as exc:
            raise AnsibleLookupError(f"pulumi_esc: {exc}") from exc
