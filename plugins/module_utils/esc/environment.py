# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that imports Pulumi's ESC SDK: an environment, opened and read, and its errors as ours."""

from __future__ import annotations

import ipaddress
import traceback
import typing as t
import urllib.parse
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.esc.paths import plain

try:
    import pulumi_esc_sdk
    import pydantic
    import urllib3

    IMPORT_ERROR: str | None = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()


@dataclass(frozen=True)
class Source:
    """Where an environment is; O(version) is a revision or a tag, or empty for the latest."""

    url: str
    organization: str
    project: str
    environment: str
    version: str = ""

    def __str__(self) -> str:
        return f"{self.organization}/{self.project}/{self.environment}" + (f"@{self.version}" if self.version else "")


def check(source: Source, token: str) -> None:
    """Raises C(ReplatformError) that names the option for what can be seen without asking."""
    if not token:
        raise ReplatformError("access_token: give it, or set PULUMI_ACCESS_TOKEN")
    for name in ("organization", "project", "environment"):
        value = getattr(source, name)
        if not value or "/" in value:
            raise ReplatformError(
                f"{name}: '{value}' is none; give organization, project and environment each by its name"
            )
    parts = urllib.parse.urlsplit(source.url)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and _is_local(parts.hostname))):
        raise ReplatformError(f"api_url: '{source.url}' is no https:// address")


def read(source: Source, token: str, timeout_s: float) -> dict[str, t.Any]:
    """All values of the environment, opened anew. Raises C(ReplatformError) with one line that names the option."""
    configuration = pulumi_esc_sdk.Configuration(host=source.url, access_token=token)
    api = pulumi_esc_sdk.EscClient(configuration).esc_api
    place: dict[str, t.Any] = {
        "org_name": source.organization,
        "project_name": source.project,
        "env_name": source.environment,
    }
    limit: dict[str, t.Any] = {"_request_timeout": float(timeout_s)}
    try:
        if source.version:
            opened = api.open_environment_at_version(**place, version=source.version, **limit)
        else:
            opened = api.open_environment(**place, **limit)
        found = api.read_open_environment(**place, open_session_id=opened.id, **limit)
    except pulumi_esc_sdk.ApiException as exc:
        raise ReplatformError(_fault(api, source, exc, limit)) from None  # its text quotes the answer
    except pydantic.ValidationError as exc:
        raise ReplatformError(
            f"environment: {source} can't be opened: {_invalid(exc)}"
        ) from None  # it quotes its input
    except urllib3.exceptions.HTTPError as exc:
        raise ReplatformError(f"api_url: {source.url} can't be reached: {type(exc).__name__}") from exc
    properties = found.properties or {}
    return plain({name: {"value": one.value, "unknown": one.unknown} for name, one in properties.items()})


def _fault(api: t.Any, source: Source, exc: t.Any, limit: dict[str, t.Any]) -> str:
    if exc.status == 401:
        return f"access_token: {source.url} does not accept it"
    if exc.status == 403:
        return f"access_token: it may not open {source}"
    if exc.status == 404:
        return _missing(api, source, limit)
    if exc.status == 400:
        said = getattr(exc.data, "diagnostics", None) or []
        return f"environment: {source} has errors: {'; '.join(_diagnostic(one) for one in said) or exc.reason}"
    return f"api_url: {source.url} answered {exc.status} {' '.join(str(exc.reason).split())}"


def _missing(api: t.Any, source: Source, limit: dict[str, t.Any]) -> str:
    """Pulumi answers 404 for an organization, a project and an environment alike; its list tells them apart."""
    listed: list[t.Any] = []
    more = None
    try:
        while True:
            page = api.list_environments(source.organization, more, **limit)
            listed += page.environments or []
            more = page.next_token
            if not more:
                break
    except (pulumi_esc_sdk.ApiException, pydantic.ValidationError, urllib3.exceptions.HTTPError):
        return f"organization: Pulumi knows no '{source.organization}', or the token is not one of its members'"
    names = {one.name for one in listed if one.project == source.project}
    if not names:
        return f"project: {source.organization} has no '{source.project}' with environments"
    if source.environment not in names:
        return f"environment: {source.organization}/{source.project} has no '{source.environment}'"
    return f"version: {source.organization}/{source.project}/{source.environment} has no '{source.version}'"


def _diagnostic(one: t.Any) -> str:
    return f"{one.path}: {one.summary}" if one.path else str(one.summary)


def _invalid(exc: t.Any) -> str:
    return "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in exc.errors())


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
