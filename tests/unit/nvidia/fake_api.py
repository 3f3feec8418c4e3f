"""An API server that is a dictionary: enough of Kubernetes' own for the roles' plays to read, patch and delete objects."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS = {
    "Node": ("v1", "nodes", False),
    "Pod": ("v1", "pods", True),
    "ConfigMap": ("v1", "configmaps", True),
    "Service": ("v1", "services", True),
    "ServiceAccount": ("v1", "serviceaccounts", True),
    "DaemonSet": ("apps/v1", "daemonsets", True),
    "ControllerRevision": ("apps/v1", "controllerrevisions", True),
    "RuntimeClass": ("node.k8s.io/v1", "runtimeclasses", False),
    "ClusterRole": ("rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": ("rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
}
VERBS = ["get", "list", "patch", "create", "delete"]


def merged(target, patch):
    """RFC 7386, but that an object that becomes empty stays."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merged(target.setdefault(key, {}), value)
        else:
            target[key] = value
    return target


def selected(item, query):
    labels = item["metadata"].get("labels", {})
    wanted = [term.split("=", 1) for term in query.get("labelSelector", [""])[0].split(",") if term]
    node = query.get("fieldSelector", [""])[0].removeprefix("spec.nodeName=")
    fits = all(labels.get(key) == value for key, value in wanted)
    return fits and (not node or item.get("spec", {}).get("nodeName") == node)


class Api(BaseHTTPRequestHandler):
    def log_message(self, *_args):
        """Says nothing."""

    def answer(self, body, code=200):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def missing(self):
        self.answer(
            {"kind": "Status", "status": "Failure", "reason": "NotFound", "message": "not found", "code": 404}, 404
        )

    def where(self):
        """The kind and the name that a path is about."""
        path = urllib.parse.urlparse(self.path).path.strip("/")
        for kind, (version, plural, _namespaced) in KINDS.items():
            base = ("api/" if version == "v1" else "apis/") + version + "/"
            parts = path.removeprefix(base).split("/") if path.startswith(base) else []
            if parts[:1] == ["namespaces"] and len(parts) > 2:
                parts = parts[2:]
            if parts[:1] == [plural]:
                return kind, (parts[1] if len(parts) > 1 else "")
        return "", path

    def do_GET(self):
        kind, name = self.where()
        objects = self.server.objects
        if not kind:
            return self.discover(name)
        if name:
            found = objects.get((kind, name))
            return self.answer(found) if found else self.missing()
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        items = [item for (of, _name), item in objects.items() if of == kind and selected(item, query)]
        return self.answer({"kind": f"{kind}List", "apiVersion": KINDS[kind][0], "metadata": {}, "items": items})

    def discover(self, path):
        groups = sorted({version for version, _plural, _namespaced in KINDS.values() if "/" in version})
        if path == "version":
            return self.answer({"major": "1", "minor": "35", "gitVersion": "v1.35.7"})
        if path == "api":
            return self.answer({"kind": "APIVersions", "versions": ["v1"]})
        if path == "apis":
            told = [
                {
                    "name": group.split("/")[0],
                    "versions": [{"groupVersion": group, "version": "v1"}],
                    "preferredVersion": {"groupVersion": group, "version": "v1"},
                }
                for group in groups
            ]
            return self.answer({"kind": "APIGroupList", "groups": told})
        version = path.removeprefix("apis/").removeprefix("api/")
        resources = [
            {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": VERBS}
            for kind, (of, plural, namespaced) in KINDS.items()
            if of == version
        ]
        told = {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        return self.answer(told) if resources else self.missing()

    def do_PATCH(self):
        kind, name = self.where()
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found = self.server.objects.get((kind, name))
        if found is None:
            return self.missing()
        after = merged(json.loads(json.dumps(found)), patch)
        if "dryRun" not in self.path:
            self.server.objects[kind, name] = after
            self.server.changes.append(("patch", kind, name))
        return self.answer(after)

    def do_DELETE(self):
        kind, name = self.where()
        if (kind, name) not in self.server.objects:
            return self.missing()
        found = self.server.objects[kind, name]
        if "dryRun" not in self.path:
            del self.server.objects[kind, name]
            self.server.changes.append(("delete", kind, name))
        return self.answer(found)


@contextlib.contextmanager
def cluster(objects):
    """Serves objects; gives the server, whose C(objects) and C(changes) tell what a play has done."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.objects = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    server.changes = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
