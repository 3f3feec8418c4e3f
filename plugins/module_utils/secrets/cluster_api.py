# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets and ConfigMaps of one namespace through the Kubernetes API, over TLS with a given CA and a token.

By the standard library, since a host of a Swarm has no Kubernetes client. What the server says in prose is never passed
on: its message about an object that it could not read quotes the object.
"""

from __future__ import annotations

import http.client
import json
import ssl
import typing as t
import urllib.parse

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

_PLURAL = {"Secret": "secrets", "ConfigMap": "configmaps"}
_REASONS = {
    401: "api_token: the cluster does not accept it, or it has expired",
    403: "api_token: it may not {verb} {plural} in namespace {namespace}",
    404: "namespace: the cluster has no namespace {namespace}",
}
_VERBS = {"GET": "get", "POST": "create", "PATCH": "patch"}


class ConflictError(ReplatformError):
    """Somebody else wrote the object since it was read."""


class ClusterApi:
    """C(get), C(create) and C(patch) for the two kinds; the token needs no other right."""

    def __init__(self, url: str, ca: str, token: str, namespace: str, timeout_s: float) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ReplatformError(f"api_url: '{url}' is no https:// address")
        if not ca.strip():
            raise ReplatformError("api_ca: give the cluster's CA; no other one is trusted")
        try:
            self.context = ssl.create_default_context(cadata=ca)
        except (ssl.SSLError, ValueError) as exc:
            raise ReplatformError("api_ca: it is no certificate in PEM form") from exc
        self.url = url
        self.host, self.port, self.path = parts.hostname, parts.port or 443, parts.path.rstrip("/")
        self.token = token
        self.namespace = namespace
        self.timeout_s = timeout_s

    def get(self, kind: str, name: str) -> dict[str, t.Any] | None:
        """The object, or none when it is not there."""
        return self._ask("GET", kind, name)

    def create(self, kind: str, manifest: t.Mapping[str, t.Any]) -> None:
        """Raises RV(ConflictError) when it is there already."""
        self._ask("POST", kind, "", manifest)

    def patch(self, kind: str, name: str, changes: t.Mapping[str, t.Any]) -> None:
        """A merge patch (RFC 7386). Raises RV(ConflictError) when O(changes) name another C(resourceVersion)."""
        self._ask("PATCH", kind, name, changes)

    def _ask(
        self, method: str, kind: str, name: str, body: t.Mapping[str, t.Any] | None = None
    ) -> dict[str, t.Any] | None:
        path = f"{self.path}/api/v1/namespaces/{self.namespace}/{_PLURAL[kind]}" + (f"/{name}" if name else "")
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json" if method == "PATCH" else "application/json"
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout_s, context=self.context)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        except ssl.SSLCertVerificationError as exc:
            raise ReplatformError(
                f"api_ca: the certificate of {self.url} is not one of its: {exc.verify_message}"
            ) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise ReplatformError(f"api_url: {self.url} can't be reached: {exc}") from exc
        finally:
            connection.close()
        if status == 404 and method == "GET":
            return None
        if status == 409 or (status == 404 and method == "PATCH"):
            raise ConflictError(f"{kind} {name or 'that is to be created'} was written by somebody else meanwhile")
        if status >= 300:
            raise ReplatformError(self._fault(status, method, kind, text))
        return t.cast("dict[str, t.Any]", json.loads(text))

    def _fault(self, status: int, method: str, kind: str, text: bytes) -> str:
        known = _REASONS.get(status)
        if known:
            return known.format(verb=_VERBS[method], plural=_PLURAL[kind], namespace=self.namespace)
        try:
            reason = str(json.loads(text).get("reason") or "no reason")
        except (ValueError, AttributeError):
            reason = "no reason"
        return f"the cluster could not {_VERBS[method]} a {kind}: {status} {reason}"
