# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The drift playbook against a release that is a file and a cluster that answers for its Deployments and Traefik's routes."""

from __future__ import annotations

import copy
import http.server
import json
import os
import subprocess
import threading

import pytest
import sample
import yaml
from render import PROJECT, run

pytestmark = pytest.mark.slow

ROUTES = "traefik.io/v1alpha1"
VERBS = ["get", "list"]


def served(version, plural, kind):
    """What an API's discovery says of a group with one kind."""
    group, _slash, name = version.partition("/")
    resource = {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": VERBS}
    here = {"groupVersion": version, "version": name}
    return (
        {"name": group, "versions": [here], "preferredVersion": here},
        {"kind": "APIResourceList", "groupVersion": version, "resources": [resource]},
    )


KINDS = {
    "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.1+k3s1"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
}
for _version, _plural, _kind in (("apps/v1", "deployments", "Deployment"), (ROUTES, "ingressroutes", "IngressRoute")):
    _group, _list = served(_version, _plural, _kind)
    KINDS.setdefault("/apis", {"kind": "APIGroupList", "groups": []})["groups"].append(_group)
    KINDS[f"/apis/{_version}"] = _list


class Cluster:
    """An API that knows the objects of a release, can only be read, and notes whoever tries to write."""

    def __init__(self, objects):
        self.objects = {f"{one['kind'].lower()}s/{one['metadata']['name']}": one for one in objects}
        self.written = []
        cluster = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0].rstrip("/")
                found = KINDS.get(path) or cluster.listed(path)
                content = json.dumps(found or {"kind": "Status", "code": 404, "reason": "NotFound"}).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def refuse(self):
                cluster.written.append(self.path)
                self.send_error(405)

            do_POST = do_PUT = do_PATCH = do_DELETE = refuse

            def log_message(self, *args):
                """Says nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def listed(self, path):
        """What is there of a kind: as the API has it, each without its kind."""
        version, _namespace, plural = path.partition("/apis/")[2].partition("/namespaces/shop/")
        of = [one for key, one in self.objects.items() if key.startswith(f"{plural}/")]
        if not plural:
            return None
        kind = {"deployments": "Deployment", "ingressroutes": "IngressRoute"}[plural]
        items = [{key: value for key, value in one.items() if key not in ("kind", "apiVersion")} for one in of]
        return {"kind": f"{kind}List", "apiVersion": version, "metadata": {"resourceVersion": "1"}, "items": items}

    def kubeconfig(self):
        url = f"http://127.0.0.1:{self.server.server_port}"
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "x",
            "clusters": [{"name": "x", "cluster": {"server": url}}],
            "users": [{"name": "x", "user": {"token": "x"}}],
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        }

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def values():
    """The values files of the environment, in the repository; a test may have others."""
    return ["environments/production.yaml"]


@pytest.fixture
def site(checkout, tmp_path, values):
    """A release of the checkout's own commit, and a cluster that has it."""
    route = {"apiVersion": ROUTES, "kind": "IngressRoute", "metadata": {"name": "web"}, "spec": {"routes": []}}
    template = f'{{{{- if .Capabilities.APIVersions.Has "{ROUTES}" }}}}\n{yaml.safe_dump(route)}{{{{- end }}}}\n'
    sample.write(checkout, {"chart/templates/route.yaml": template})
    sample.git(checkout, "add", "--all")
    sample.git(checkout, "commit", "--quiet", "--message=A route where Traefik is")
    tag = sample.git(checkout, "rev-parse", "HEAD").strip()
    settings = [part for path in values for part in ("--values", str(checkout / path))]
    settings += ["--set-string", f"global.imageTag={tag}", "--api-versions", ROUTES]
    command = [os.environ["HELM"], "template", "shop", str(checkout / "chart"), "--namespace", "shop", *settings]
    manifest = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    (tmp_path / "manifest").write_text(manifest)
    (tmp_path / "values").write_text(json.dumps({"global": {"imageTag": tag}}))
    (tmp_path / "list").write_text('[{"name": "shop"}]')
    helm = tmp_path / "helm"
    helm.write_text(
        f'#!/bin/bash\ncase $1 in\n  list) cat "{tmp_path}/list" ;;\n  get) cat "{tmp_path}/$2" ;;\n'
        f'  template) exec "{os.environ["HELM"]}" "$@" ;;\n  *) exit 9 ;;\nesac\n'
    )
    helm.chmod(0o755)
    cluster = Cluster([one for one in yaml.safe_load_all(manifest) if one])
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(cluster.kubeconfig()))
    environments = copy.deepcopy(sample.SETTINGS["delivery_environments"])
    if values:
        environments["production"]["values"] = values
    else:
        del environments["production"]["values"]
    given = {
        **sample.SETTINGS,
        "delivery_environments": environments,
        "delivery_repository": str(checkout),
        "delivery_drift_kubeconfig": str(tmp_path / "kubeconfig"),
        "delivery_drift_helm": str(helm),
    }

    def drift(*options, **more):
        return run(PROJECT / "playbooks/drift.yml", {**given, **more}, *options)

    yield cluster, drift
    cluster.stop()
    assert cluster.written == [] and sample.git(checkout, "status", "--porcelain") == ""


def test_nothing_has_drifted(site):
    _cluster, drift = site
    played = drift("--check", delivery_drift_strict=True)
    assert not played.failed and played.changed == 0, played.said[-3000:]
    assert "Git, the release and the cluster agree" in played.said


@pytest.mark.parametrize("values", [[]])
def test_an_environment_without_values(site):
    _cluster, drift = site
    played = drift()
    assert not played.failed, played.said[-3000:]
    assert "Git, the release and the cluster agree" in played.said


@pytest.mark.parametrize("strict", ["true", "false"])
def test_how_strict_it_is_as_a_command_line_says_it(site, strict):
    cluster, drift = site
    del cluster.objects["ingressroutes/web"]
    played = drift("-e", f"delivery_drift_strict={strict}")
    assert "IngressRoute shop/web is in the release and not in the cluster" in played.said
    assert played.failed == (strict == "true")
    assert ("1 differences in production" in played.said) == (strict == "true"), played.said[-3000:]


def test_what_has_drifted(site, checkout):
    cluster, drift = site
    cluster.objects["deployments/web"]["spec"]["replicas"] = 7
    del cluster.objects["deployments/chunks"]
    values = checkout / "environments/production.yaml"
    values.write_text(values.read_text().replace("1Gi", "2Gi"))
    sample.git(checkout, "commit", "--quiet", "--all", "--message=More memory")
    played = drift(delivery_drift_strict=True)
    assert played.failed and played.changed == 0, played.said[-3000:]
    for line in (
        "Deployment shop/chunks is in the release and not in the cluster",
        "Deployment shop/web: spec.replicas is 3 in the release, 7 in the cluster",
        "Deployment shop/web: spec.template.spec.containers[web].resources.limits.memory is 2Gi in Git, 1Gi in the release",
        "the release was built from the commit",
    ):
        assert line in played.said


def test_no_release(site, tmp_path):
    _cluster, drift = site
    (tmp_path / "list").write_text("[]")
    played = drift()
    assert not played.failed and "there is no release shop in the namespace shop" in played.said


def test_an_environment_that_is_not_there(site):
    _cluster, drift = site
    played = drift(delivery_drift_environment="nowhere")
    assert played.failed and "delivery_drift_environment: nowhere is none of production, staging" in played.said
