# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A repository as a team has it before its delivery is unified: a chart with two subcharts, values for two environments, and
three workflows; and the settings that the role is given for it."""

from __future__ import annotations

import os
import pathlib
import subprocess
import typing as t

FILES = {
    "README.md": "# Shop\n\n[How it is linted](.github/workflows/lint.yml)\n",
    "web/Dockerfile": "FROM scratch\n",
    "recall/Dockerfile": "FROM scratch\n",
    "chart/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n"
    "  - {name: web, version: 1.0.0}\n  - {name: memory, version: 1.0.0, condition: memory.enabled}\n",
    "chart/values.yaml": "global:\n  imageTag: latest\n  registry: registry.example.com/shop\nmemory:\n  enabled: true\n",
    "chart/charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/charts/web/values.yaml": 'image: web\nwhole: ""\nport: 8080\nreplicas: 2\nlimits: {}\n',
    "chart/charts/memory/Chart.yaml": "apiVersion: v2\nname: memory\nversion: 1.0.0\n",
    "chart/charts/memory/values.yaml": "services:\n  recall: {image: recall, port: 8010, replicas: 1}\n"
    "  chunks: {image: recall, port: 8011, replicas: 1}\n",
    "environments/production.yaml": "web:\n  replicas: 3\n  limits: {memory: 1Gi}\n",
    "environments/staging.yaml": "web:\n  replicas: 1\nmemory:\n  services:\n    chunks: {replicas: 0}\n",
    ".github/workflows/deploy.yml": "name: Deploy\non:\n  push:\n    branches: [main]\njobs:\n"
    "  ship:\n    name: Ship it\n    runs-on: ubuntu-latest\n    steps:\n      - run: make ship\n",
    ".github/workflows/build images.yml": "on: [push, workflow_dispatch]\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make images\n",
    ".github/workflows/lint.yml": "on: pull_request\njobs:\n  lint:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make lint\n",
}
_WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
        - name: {name}
          image: {image}
          ports:
            - containerPort: {port}
{more}"""
FILES["chart/charts/web/templates/web.yaml"] = _WORKLOAD.format(
    name="web",
    replicas="{{ .Values.replicas }}",
    image='{{ .Values.whole | default (printf "%s/%s:%s" .Values.global.registry .Values.image .Values.global.imageTag) }}',
    port="{{ .Values.port }}",
    more="{{- with .Values.limits }}\n          resources:\n            limits: {{- toYaml . | nindent 14 }}\n{{- end }}\n",
)
FILES["chart/charts/memory/templates/services.yaml"] = (
    "{{- range $name, $one := .Values.services }}\n---\n"
    + _WORKLOAD.format(
        name="{{ $name }}",
        replicas="{{ $one.replicas }}",
        image="{{ $.Values.global.registry }}/{{ $one.image }}:{{ $.Values.global.imageTag }}",
        port="{{ $one.port }}",
        more="",
    )
    + "{{- end }}\n"
)

#: What an inventory gives, without the paths of this run.
SETTINGS: dict[str, t.Any] = {
    "delivery_branch": "migration",
    "delivery_chart": "chart",
    "delivery_release": "shop",
    "delivery_registry": "registry.example.com/shop",
    "delivery_images": [{"name": "web", "context": "web"}, {"name": "recall", "context": "recall"}],
    "delivery_default_environment": "production",
    "delivery_environments": {
        "production": {
            "namespace": "shop",
            "values": ["environments/production.yaml"],
            "variables": ["SHOP_URL"],
            "secrets": ["SHOP_TOKEN"],
            "endpoints": [{"name": "web", "url": "https://shop.example.com/health"}],
            "image_tag": "1-" + "a" * 40,
            "timeout": "15m",
        },
        "staging": {"namespace": "shop-staging", "values": ["environments/staging.yaml"], "image_tag": "v2"},
    },
    "delivery_services": [
        {"name": "web", "port": 8080},
        {"name": "recall", "port": 8010},
        {"name": "chunks", "port": 8011},
    ],
    "delivery_memory_services": ["recall", "chunks"],
    "delivery_memory_manifests": ["**/*.yaml", "docker-compose*.yml"],
    "delivery_legacy_stores": [{"name": "Oldstore", "words": ["oldstore", "oldstore-client"]}],
    "delivery_archive": [
        {"path": ".github/workflows/deploy.yml", "did": "Deployed | everything"},
        {"path": ".github/workflows/build images.yml", "now": "the job build"},
        {"path": ".github/workflows/lint.yml"},
        {"path": ".github/workflows/never-there.yml"},
    ],
}
FLUX: dict[str, t.Any] = {
    "delivery_flux": True,
    "delivery_flux_url": "ssh://git@git.example.com/shop/shop.git",
    "delivery_flux_secret": "shop-deploy-key",
}


def git(root: pathlib.Path, *args: str) -> str:
    """The output of git, with no configuration but the repository's own."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull, LC_ALL="C")
    for role in ("AUTHOR", "COMMITTER"):
        env.update({f"GIT_{role}_NAME": "a", f"GIT_{role}_EMAIL": "a@example.com"})
    return subprocess.run(["git", *args], cwd=root, env=env, check=True, capture_output=True, text=True).stdout


def write(root: pathlib.Path, files: t.Mapping[str, str]) -> None:
    """Files with what they hold."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def repository(root: pathlib.Path) -> pathlib.Path:
    """The sample as a checkout of its branch main."""
    write(root, FILES)
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=Everything")
    return root
