# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: a registry asked over HTTP, as a node that pulls would ask it.

Sources: OCI distribution specification; distribution, C(spec/auth/token.md) and C(spec/auth/oauth.md).
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import typing as t
import urllib.error
import urllib.parse
from dataclasses import dataclass, field

from ansible.module_utils.urls import ConnectionError as AnsibleConnectionError
from ansible.module_utils.urls import open_url
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.registry import challenge
from ansible_collections.sophia.replatform.plugins.module_utils.registry.credentials import Credentials
from ansible_collections.sophia.replatform.plugins.module_utils.registry.manifests import ACCEPT
from ansible_collections.sophia.replatform.plugins.module_utils.registry.reference import Reference

# The specification lets a registry refuse a manifest that is larger; a configuration is held to the same.
_MOST = 4 * 1024 * 1024


@dataclass(frozen=True)
class Settings:
    """How registries are reached. O(helped) are those whose credentials only a helper program of Docker knows."""

    credentials: t.Mapping[str, Credentials] = field(default_factory=dict)
    helped: frozenset[str] = frozenset()
    plain_http: frozenset[str] = frozenset()
    ca_path: str | None = None
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    challenges: tuple[str, ...]


class Registry:
    """Answers of one run; the authorization for a repository is asked for once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._authorizations: dict[tuple[str, str], str] = {}

    def manifest(self, reference: Reference, version: str) -> tuple[str, dict[str, t.Any], str] | None:
        """The media type, the manifest and its digest; none when it is not there."""
        answer = self._ask(reference, f"manifests/{version}", {"Accept": ACCEPT})
        if answer is None:
            return None
        digest = _verified(answer.body, version, reference)
        manifest = _json(answer.body, reference)
        return str(manifest.get("mediaType") or answer.content_type), manifest, digest

    def config(self, reference: Reference, digest: str) -> dict[str, t.Any] | None:
        """An image's configuration; none when it is not there."""
        answer = self._ask(reference, f"blobs/{digest}", {})
        if answer is None:
            return None
        _verified(answer.body, digest, reference)
        return _json(answer.body, reference)

    def has_blob(self, reference: Reference, digest: str) -> bool:
        """Whether the registry has the blob, or sends to where it is; that place is not asked."""
        return self._ask(reference, f"blobs/{digest}", {}, "HEAD") is not None

    def _ask(self, reference: Reference, what: str, headers: dict[str, str], method: str = "GET") -> Answer | None:
        scheme = "http" if reference.registry in self.settings.plain_http else "https"
        url = f"{scheme}://{reference.api_host}/v2/{reference.repository}/{what}"
        place = (reference.registry, reference.repository)
        answer = self._fetch(method, url, headers, self._authorizations.get(place), reference)
        if answer.status == 401:
            self._authorizations[place] = self._authorize(answer.challenges, reference)
            answer = self._fetch(method, url, headers, self._authorizations[place], reference)
        if answer.status == 404:
            return None
        if answer.status in (401, 403):
            raise ReplatformError(self._denied(reference))
        if answer.status == 429:
            raise ReplatformError(
                f"{reference.registry} lets this address pull no more for now: give credentials, or wait"
            )
        if answer.status >= 400:
            raise ReplatformError(f"{reference.registry} answered {answer.status} for {reference.repository}")
        return answer

    def _denied(self, reference: Reference) -> str:
        registry = reference.registry
        if registry in self.settings.helped:
            return f"docker_config: the credentials of {registry} are with a helper; give them in credentials"
        if registry in self.settings.credentials:
            return (
                f"credentials: with those given, {registry} lets nobody pull {reference.repository}, or it is not there"
            )
        return f"credentials: without any, {registry} lets nobody pull {reference.repository}, or it is not there"

    def _authorize(self, challenges: tuple[str, ...], reference: Reference) -> str:
        """The value of the header C(Authorization) that the registry asks for."""
        scheme, given = challenge.parse(challenges)
        credentials = self.settings.credentials.get(reference.registry)
        if scheme == "basic":
            if credentials is None:
                raise ReplatformError(self._denied(reference))
            return _basic(credentials)
        if scheme != "bearer" or "realm" not in given:
            raise ReplatformError(f"{reference.registry} asks for an authorization that is neither basic nor a token")
        if (
            urllib.parse.urlsplit(given["realm"]).scheme != "https"
            and reference.registry not in self.settings.plain_http
        ):
            raise ReplatformError(
                f"{reference.registry} gives its tokens out over plain HTTP: see plain_http_registries"
            )
        return f"Bearer {self._token(given, credentials, reference)}"

    def _token(self, given: dict[str, str], credentials: Credentials | None, reference: Reference) -> str:
        asked = {
            "service": given.get("service", ""),
            "scope": given.get("scope") or f"repository:{reference.repository}:pull",
        }
        if credentials and credentials.identity_token:
            form = {
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": "replatform",
            }
            data = urllib.parse.urlencode({**asked, **form})
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._fetch("POST", given["realm"], kind, None, reference, data)
        else:
            joint = "&" if "?" in given["realm"] else "?"
            authorization = _basic(credentials) if credentials else None
            url = f"{given['realm']}{joint}{urllib.parse.urlencode(asked)}"
            answer = self._fetch("GET", url, {}, authorization, reference)
        if answer.status >= 400:
            raise ReplatformError(self._denied(reference))
        told = _json(answer.body, reference)
        token = told.get("token") or told.get("access_token")
        if not token:
            raise ReplatformError(f"{reference.registry} gave no token for {reference.repository}")
        return str(token)

    def _fetch(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        authorization: str | None,
        reference: Reference,
        data: str | None = None,
    ) -> Answer:
        """One answer. A redirect of HEAD is the answer; that of GET is followed, without the authorization."""
        sent = {**headers, **({"Authorization": authorization} if authorization else {})}
        try:
            response = open_url(
                url,
                data=data,
                headers=sent,
                method=method,
                timeout=self.settings.timeout_s,
                ca_path=self.settings.ca_path,
                follow_redirects="no" if method == "HEAD" else "safe",
                unredirected_headers=["Authorization"],
                use_netrc=False,
                http_agent="replatform",
            )
        except urllib.error.HTTPError as exc:
            response = exc
        except (urllib.error.URLError, AnsibleConnectionError, OSError, http.client.HTTPException) as exc:
            reason = getattr(exc, "reason", None) or exc
            raise ReplatformError(f"{urllib.parse.urlsplit(url).netloc} can't be reached: {reason}") from exc
        with response:
            try:
                body = response.read(_MOST + 1)
            except (OSError, http.client.HTTPException) as exc:
                raise ReplatformError(f"{reference.registry} broke off its answer: {exc}") from exc
            if len(body) > _MOST:
                raise ReplatformError(f"{reference.registry} gave an answer of more than {_MOST} bytes")
            challenges = tuple(response.headers.get_all("WWW-Authenticate") or ())
            kind = str(response.headers.get("Content-Type", "")).partition(";")[0].strip()
            return Answer(int(response.code or 0), kind, body, challenges)


def _basic(credentials: Credentials) -> str:
    return "Basic " + base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _verified(body: bytes, version: str, reference: Reference) -> str:
    """The digest of O(body), which is that of O(version) when that is one."""
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if version.startswith("sha256:") and version != digest:
        raise ReplatformError(f"{reference.registry} gave {reference.repository} with another digest than {version}")
    return digest


def _json(body: bytes, reference: Reference) -> dict[str, t.Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ReplatformError(f"{reference.registry} gave an answer that is no JSON for {reference.repository}")
    return found
