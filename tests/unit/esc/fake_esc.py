"""A server that speaks what pulumi-esc-sdk 0.14 asks of Pulumi's API (C(/api/esc/environments/...)), in its recorded shapes."""

from __future__ import annotations

import http.server
import json
import typing as t

import local_http

TOKEN = "pul-0123456789abcdef0123456789abcdef01234567"
ORGANIZATION = "shop-org"


def value(of: t.Any, environment: str = "production", secret: bool = False) -> dict[str, t.Any]:
    """A value as the API wraps it, all the way down."""
    if isinstance(of, dict):
        of = {key: one if _is_wrapped(one) else value(one, environment) for key, one in of.items()}
    elif isinstance(of, list):
        of = [value(one, environment) for one in of]
    position = {"line": 2, "column": 3, "byte": 10}
    trace = {"def": {"environment": environment, "begin": position, "end": position}}
    return {"value": of, **({"secret": True} if secret else {}), "trace": trace}


def _is_wrapped(one: t.Any) -> bool:
    return isinstance(one, dict) and "trace" in one


class FakeEsc:
    """C(environments) from (project, name) to properties; C(opened) counts how often each was opened."""

    def __init__(self) -> None:
        self.environments: dict[tuple[str, str], dict[str, t.Any]] = {}
        self.versions = {"latest", "7", "stable"}
        self.opened: list[tuple[str, str, str]] = []
        self.forbidden = False
        self.failing = False
        self.diagnostics: list[dict[str, t.Any]] = []
        self.server = local_http.LocalHttp(_Handler, {"esc": self})
        self.url = self.server.url

    def stop(self) -> None:
        self.server.stop()

    def answer(self, method: str, path: str, authorization: str) -> tuple[int, dict[str, t.Any]]:
        path, _mark, query = path.partition("?")
        parts = path.split("/")
        assert parts[:4] == ["", "api", "esc", "environments"]
        organization, *rest = parts[4:]
        if authorization != f"token {TOKEN}":
            return 401, {"code": 401, "message": "Unauthorized: No credentials provided or are invalid."}
        if self.failing:
            return 503, {"code": 503, "message": "Service Unavailable"}
        if organization != ORGANIZATION:
            return 404, {"code": 404, "message": f"Not Found: organization '{organization}' not found"}
        if not rest:
            return self._list(query)
        if self.forbidden:
            return 403, {"code": 403, "message": "Forbidden"}
        project, name, *action = rest
        found = self.environments.get((project, name))
        version = action.pop(1) if action[0] == "versions" else "latest"
        action = [one for one in action if one != "versions"]
        if found is None or version not in self.versions:
            return 404, {"code": 404, "message": f"Not Found: environment '{name}' not found"}
        if method == "POST" and action == ["open"]:
            if self.diagnostics:
                return 400, {"diagnostics": self.diagnostics}
            self.opened.append((project, name, version))
            return 200, {"id": f"session-{name}"}
        if method == "GET" and action == ["open", f"session-{name}"]:
            return 200, {"properties": found, "schema": {"type": "object"}}
        return 405, {"code": 405, "message": "Method Not Allowed"}

    def _list(self, query: str) -> tuple[int, dict[str, t.Any]]:
        """One environment a page, as a large organization has many pages."""
        names = sorted(self.environments)
        page = int(query.partition("=")[2] or 0)
        project, name = names[page]
        when = "2026-11-01T10:00:00Z"
        listed = [{"organization": ORGANIZATION, "project": project, "name": name, "created": when, "modified": when}]
        more = {"nextToken": str(page + 1)} if page + 1 < len(names) else {}
        return 200, {"environments": listed, **more}


class _Handler(http.server.BaseHTTPRequestHandler):
    esc: FakeEsc

    def _serve(self) -> None:
        status, answer = self.esc.answer(self.command, self.path, self.headers.get("Authorization", ""))
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = _serve

    def log_message(self, format: str, *args: t.Any) -> None:
        """Say nothing."""
