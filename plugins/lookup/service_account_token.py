# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: service_account_token
short_description: A token of a Kubernetes service account that expires by itself
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Asks the cluster for a token of a service account (C(TokenRequest)). Nothing is stored in the cluster.
  - Runs on the controller. Write it straight into the option that takes it, so that it is kept in no variable.
options:
  _terms:
    description: Names of service accounts.
    required: true
  namespace:
    description: The namespace of the service accounts.
    type: str
    required: true
  kubeconfig:
    description: Kubeconfig on the controller of somebody who may create C(serviceaccounts/token).
    type: path
    required: true
  expiration:
    description: Seconds until it expires. Kubernetes takes no less than 600.
    type: int
    default: 600
requirements:
  - kubernetes (Python package)
"""

EXAMPLES = r"""
- name: Copy the secrets of the stack
  sophia.replatform.swarm_secret_copy:
    secrets: [postgres_password]
    namespace: shop
    api_url: https://192.0.2.11:6443
    api_ca: "{{ lookup('ansible.builtin.file', 'ca.pem') }}"
    api_token: "{{ lookup('sophia.replatform.service_account_token', 'secret-copy', namespace='shop', kubeconfig='shop.kubeconfig') }}"
"""

RETURN = r"""
_raw:
  description: A token for each service account.
  type: list
  elements: str
"""

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

try:
    import kubernetes
    import urllib3

    IMPORT_ERROR: ImportError | None = None
except ImportError as exc:
    IMPORT_ERROR = exc

# An API server that is frozen never answers.
_ANSWER_S = 60.0


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        if IMPORT_ERROR:
            raise AnsibleLookupError("service_account_token needs the Python package kubernetes") from IMPORT_ERROR
        self.set_options(var_options=variables, direct=kwargs)
        path = self.get_option("kubeconfig")
        try:
            client = kubernetes.config.new_client_from_config(config_file=path)
        except kubernetes.config.ConfigException as exc:
            raise AnsibleLookupError(f"kubeconfig: {path} can't be used: {exc}") from exc
        return [self._token(kubernetes.client.CoreV1Api(client), str(term)) for term in terms]

    def _token(self, api, name: str) -> str:
        namespace = self.get_option("namespace")
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": self.get_option("expiration")},
        }
        try:
            answer = api.create_namespaced_service_account_token(name, namespace, request, _request_timeout=_ANSWER_S)
            return str(answer.status.token)
        except kubernetes.client.ApiException as exc:
            raise AnsibleLookupError(
                f"no token of service account {name} in namespace {namespace}: {exc.status} {exc.reason}"
            ) from exc
        except urllib3.exceptions.HTTPError as exc:
            raise AnsibleLookupError(f"kubeconfig: its cluster can't be reached: {exc}") from exc
