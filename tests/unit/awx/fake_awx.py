"""A stand-in for AWX: a server that keeps objects and speaks the shapes of C(/api/v2/) that awx.awx 24.6.1 asks for.

No registry carries AWX. What it does is written after AWX' source: lists with filters, objects with C(url) and C(related),
associations by POST to a sub-list, surveys, and C(launch), which judges a survey's answers in AWX' words
(awx/main/models/mixins.py, C(_survey_element_validation)). It runs no job. C(requests) holds what was asked, without the token.
"""

from __future__ import annotations

import http.server
import json
import typing as t
import urllib.parse

import local_http

TOKEN = "awx-0123456789abcdef"

# What AWX says of a field that was not sent.
DEFAULTS: dict[str, dict[str, t.Any]] = {
    "inventories": {"kind": "", "host_filter": None, "variables": ""},
    "job_templates": {
        "scm_branch": "",
        "ask_scm_branch_on_launch": False,
        "ask_limit_on_launch": False,
        "ask_tags_on_launch": False,
        "ask_skip_tags_on_launch": False,
        "ask_verbosity_on_launch": False,
        "ask_credential_on_launch": False,
    },
}

# The built-in types of credentials that the data names.
BUILT_IN = ("Machine", "Source Control")


class FakeAwx:
    """C(objects) from a collection's name to its objects by id; C(surveys) and C(links) by the path they are asked at."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[int, dict[str, t.Any]]] = {}
        self.surveys: dict[str, dict[str, t.Any]] = {}
        self.links: dict[str, list[int]] = {}
        self.requests: list[dict[str, t.Any]] = []
        self.last_id = 0
        for name in BUILT_IN:
            self.create("credential_types", {"name": name, "managed": True})
        self.server = local_http.LocalHttp(_Handler, {"awx": self})
        self.url = self.server.url

    def stop(self) -> None:
        self.server.stop()

    def create(self, collection: str, fields: dict[str, t.Any]) -> dict[str, t.Any]:
        self.last_id += 1
        url = f"/api/v2/{collection}/{self.last_id}/"
        related = {name: f"{url}{name}/" for name in ("survey_spec", "launch")}
        made = {"type": _singular(collection), **DEFAULTS.get(collection, {}), **fields}
        made |= {"id": self.last_id, "url": url, "related": related, "summary_fields": {}}
        if collection == "projects":
            made["scm_revision"] = ""
        self.objects.setdefault(collection, {})[self.last_id] = made
        return made

    def named(self, collection: str, name: str) -> dict[str, t.Any]:
        """The one object of that name, or of that identifier."""
        (found,) = [one for one in self._all(collection) if name in (one.get("name"), one.get("identifier"))]
        return found

    def answer(self, method: str, path: str, query: dict[str, str], data: t.Any) -> tuple[int, t.Any]:
        collection, *rest = path.removeprefix("/api/v2/").strip("/").split("/")
        if not rest:
            return (201, self.create(collection, data)) if method == "POST" else (200, self._list(collection, query))
        one = self.objects.get(collection, {}).get(int(rest[0]))
        if one is None:
            return 404, {"detail": "Not found."}
        if len(rest) == 1:
            if method == "PATCH":
                one.update(data)
            return 200, one
        return self._below(method, path, one, rest[1], data)

    def _below(self, method: str, path: str, one: dict[str, t.Any], name: str, data: t.Any) -> tuple[int, t.Any]:
        if name == "survey_spec":
            if method == "POST":
                self.surveys[path] = data
            return 200, self.surveys.get(path, {})
        if name == "create_approval_template":
            made = self.create("workflow_approval_templates", data)
            one["related"]["unified_job_template"] = made["url"]
            return 201, made
        if name == "launch":
            faults = [
                fault
                for question in self.surveys.get(one["related"]["survey_spec"], {}).get("spec", [])
                for fault in _answer_faults(question, data.get("extra_vars", {}))
            ]
            return (400, {"variables_needed_to_start": faults}) if faults else (201, {"id": 1, "status": "pending"})
        linked = self.links.setdefault(path, [])
        if method == "GET":
            return 200, _page([{"id": number} for number in linked])
        if data.get("disassociate"):
            linked.remove(data["id"])
        else:
            linked.append(data["id"])
        return 204, None

    def _all(self, collection: str) -> list[dict[str, t.Any]]:
        names = (
            ("job_templates", "workflow_job_templates", "projects")
            if collection == "unified_job_templates"
            else (collection,)
        )
        return [one for name in names for one in self.objects.get(name, {}).values()]

    def _list(self, collection: str, query: dict[str, str]) -> dict[str, t.Any]:
        assert not any("__" in key for key in query), query
        return _page([one for one in self._all(collection) if all(str(one.get(k)) == v for k, v in query.items())])


def _page(results: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return {"count": len(results), "next": None, "previous": None, "results": results}


def _singular(collection: str) -> str:
    return collection.removesuffix("ies") + "y" if collection.endswith("ies") else collection.removesuffix("s")


def _answer_faults(question: dict[str, t.Any], answers: dict[str, t.Any]) -> list[str]:
    name = question["variable"]
    if name not in answers:
        return []
    answer = answers[name]
    if question["type"] == "integer":
        if isinstance(answer, bool) or not isinstance(answer, int):
            return [f"Value {answer} for '{name}' expected to be an integer."]
        if answer < question["min"]:
            return [f"'{name}' value {answer} is too small (must be at least {question['min']})."]
        if answer > question["max"]:
            return [f"'{name}' value {answer} is too large (must be no more than {question['max']})."]
    elif question["type"] == "multiplechoice" and answer not in question["choices"]:
        return [f"Value {answer} for '{name}' expected to be one of {question['choices']}."]
    return []


class _Handler(http.server.BaseHTTPRequestHandler):
    awx: t.ClassVar[FakeAwx]

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PATCH(self) -> None:
        self._serve("PATCH")

    def log_message(self, format: str, *args: t.Any) -> None:
        """Say nothing."""

    def _serve(self, method: str) -> None:
        url = urllib.parse.urlsplit(self.path)
        data = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status, body = 401, {"detail": "Authentication credentials were not provided."}
        else:
            status, body = self.awx.answer(method, url.path, dict(urllib.parse.parse_qsl(url.query)), data)
            if method != "GET":
                self.awx.requests.append({"method": method, "path": url.path, "data": data, "status": status})
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
