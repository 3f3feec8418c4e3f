"""A Kubernetes API of Secrets and ConfigMaps over real HTTPS, and the CA that signs for it."""

from __future__ import annotations

import http.server
import json
import ssl
import typing as t

import local_ca
import local_http

TOKEN = "a-token-of-ten-minutes"
KINDS = {"secrets": "Secret", "configmaps": "ConfigMap"}


class FakeCluster:
    """C(objects) by (plural, name). C(before_write) is called before a write is judged, to change the world behind it."""

    def __init__(self, folder: t.Any, namespace: str = "shop") -> None:
        self.namespace = namespace
        self.objects: dict[tuple[str, str], dict[str, t.Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.before_write: t.Callable[[], None] = lambda: None
        self.changes_values = False
        self.forbidden: set[str] = set()
        self.invalid = False
        self.ca, certificate = local_ca.make(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.server = local_http.LocalHttp(_Handler, {"cluster": self}, context)
        self.url = self.server.url

    def stop(self) -> None:
        self.server.stop()

    def put(self, plural: str, name: str, **body: t.Any) -> None:
        metadata = {"name": name, "resourceVersion": "1", **body.pop("metadata", {})}
        self.objects[plural, name] = {"kind": KINDS[plural], "metadata": metadata, **body}

    def answer(self, method: str, path: str, headers: t.Mapping[str, str], body: t.Any) -> tuple[int, t.Any]:
        _empty, _api, _v1, _namespaces, namespace, plural, *rest = path.split("/")
        self.requests.append((method, path))
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, {"reason": "Unauthorized"}
        if method in self.forbidden:
            return 403, {"reason": "Forbidden"}
        if method != "GET":
            self.before_write()
        name = rest[0] if rest else body["metadata"]["name"]
        found = self.objects.get((plural, name))
        if method == "GET":
            return (200, found) if found else (404, {"reason": "NotFound"})
        if namespace != self.namespace:
            return 404, {"reason": "NotFound"}
        if self.invalid:
            return 422, {"reason": "Invalid", "message": f"could not read {json.dumps(body)}"}
        if method == "POST":
            if found:
                return 409, {"reason": "AlreadyExists"}
            body["metadata"]["resourceVersion"] = "1"
            self.objects[plural, name] = body
        else:
            assert headers["Content-Type"] == "application/merge-patch+json"
            if not found:
                return 404, {"reason": "NotFound"}
            if body["metadata"].pop("resourceVersion") != found["metadata"]["resourceVersion"]:
                return 409, {"reason": "Conflict"}
            body["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
            self.objects[plural, name] = _merged(found, body)
        if self.changes_values:
            self.objects[plural, name]["data"] = {key: "b3RoZXI=" for key in self.objects[plural, name]["data"]}
        return 200, self.objects[plural, name]


class _Handler(http.server.BaseHTTPRequestHandler):
    cluster: FakeCluster

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        status, answer = self.cluster.answer(self.command, self.path, self.headers, body)
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = _serve

    def log_message(self, format: str, *args: t.Any) -> None:
        """Say nothing."""


def _merged(old: t.Any, new: t.Any) -> t.Any:
    if not isinstance(new, dict) or not isinstance(old, dict):
        return new
    merged = dict(old)
    for key, value in new.items():
        merged.pop(key, None) if value is None else merged.update({key: _merged(old.get(key, {}), value)})
    return merged
