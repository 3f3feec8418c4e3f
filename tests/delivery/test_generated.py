# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is generated, by the judgement of others: actionlint, zizmor, shellcheck, yamllint and helm."""

from __future__ import annotations

import copy
import json
import os
import pathlib
import re
import subprocess
import typing as t

import pytest
import sample
import yaml
from render import plays

WORKFLOW = ".github/workflows/unified-deployment.yml"
ENVIRONMENTS = sample.SETTINGS["delivery_environments"]
CASES: dict[str, dict[str, t.Any]] = {
    "plain": {},
    "flux": {
        **sample.FLUX,
        "delivery_flux_image_automation": True,
        "delivery_flux_registry_secret": "shop-registry",
        "delivery_environments": {name: {**one, "deployed_by": "flux"} for name, one in ENVIRONMENTS.items()},
    },
    "whole": {
        **sample.FLUX,
        "delivery_image_tag_value": "",
        "delivery_images": [{"name": "web", "context": "web", "values": ["web.whole"]}],
        "delivery_environments": {"production": ENVIRONMENTS["production"]},
        "delivery_archive": [],
    },
    "other": {
        "delivery_build_environment": "registry",
        "delivery_chart_dependencies": True,
        "delivery_helm_version": "v4.0.0",
        "delivery_native_runners": {},
        "delivery_environments": {"production": {"namespace": "shop"}},
        "delivery_archive": [],
        "delivery_lint": [{"name": "Two: lines", "run": "git ls-files '*.sh' |\n  xargs -r shellcheck\n"}],
    },
}


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    """The role's work on a repository a case."""
    roots = {name: sample.repository(tmp_path_factory.mktemp(name) / "repository") for name in CASES}
    played = plays(tmp_path_factory.mktemp("plays"), {name: (roots[name], CASES[name]) for name in CASES})
    for one in played.values():
        assert not one.failed, one.said[-3000:]
    return roots


@pytest.fixture(params=sorted(CASES))
def generated(request, delivered):
    return delivered[request.param]


def run(*command: str | os.PathLike[str], cwd: pathlib.Path | None = None, given: str | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, input=given)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def jobs(root):
    return yaml.safe_load((root / WORKFLOW).read_text())["jobs"]


def test_actionlint(delivered):
    # All at once, and only one of them with a fault: each start takes seconds.
    run(os.environ["ACTIONLINT"], *(root / WORKFLOW for root in delivered.values()))


def test_actionlint_finds_what_is_wrong(delivered, tmp_path):
    path = tmp_path / "wrong.yml"
    path.write_text((delivered["plain"] / WORKFLOW).read_text().replace("needs: build", "needs: bild"))
    done = subprocess.run([os.environ["ACTIONLINT"], path], check=False, capture_output=True, text=True)
    assert done.returncode == 1 and 'needs job "bild" which does not exist' in done.stdout


def test_zizmor(generated):
    # With an environment for the registry's secrets even what only an auditor would ask is answered.
    persona = "auditor" if jobs(generated)["build"].get("environment") else "pedantic"
    run("zizmor", "--offline", f"--persona={persona}", WORKFLOW, cwd=generated)


def test_yamllint(generated):
    rules = "{extends: relaxed, rules: {line-length: disable}}"
    paths = [path for path in (WORKFLOW, ".replatform", "gitops") if (generated / path).exists()]
    run("yamllint", "--strict", "-d", rules, *paths, cwd=generated)


def test_shellcheck(generated):
    scripts = [step["run"] for job in jobs(generated).values() for step in job["steps"] if "run" in step]
    assert len(scripts) > 10
    for script in scripts:
        run("shellcheck", "--shell=bash", "--severity=style", "-", given=f"set -eo pipefail\n{script}")


def test_least_of_everything(generated):
    whole = yaml.safe_load((generated / WORKFLOW).read_text())
    assert whole["permissions"] == {}
    assert {json.dumps(job["permissions"]) for job in whole["jobs"].values()} == {"{}", '{"contents": "read"}'}
    for job in whole["jobs"].values():
        assert job["timeout-minutes"] and "env" not in job or "secrets." not in json.dumps(job["env"])
        for step in job["steps"]:
            assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", "a@" + "0" * 40))
            assert "${{" not in step.get("run", "")
            secret = [value for value in step.get("env", {}).values() if "secrets." in str(value)]
            assert all("!= ''" in value for value in secret) or step["name"] == "Write the kubeconfig"


def test_the_kubeconfig_is_nobody_elses_and_goes(generated, tmp_path):
    steps = {step["name"]: step for step in jobs(generated)["deploy"]["steps"]}
    env = {**os.environ, "RUNNER_TEMP": str(tmp_path), "CONTENT": "aGVsbG8="}
    subprocess.run(["bash", "-eo", "pipefail", "-c", steps["Write the kubeconfig"]["run"]], env=env, check=True)
    written = tmp_path / "kubeconfig"
    assert written.read_text() == "hello" and written.stat().st_mode & 0o777 == 0o600
    assert steps["Remove the kubeconfig"]["if"] == "always()"
    subprocess.run(["bash", "-eo", "pipefail", "-c", steps["Remove the kubeconfig"]["run"]], env=env, check=True)
    assert not written.exists()


def test_the_generated_scripts_find_nothing_in_the_generated_repository(generated):
    # Such a chart's own dependencies are not in the tree, and the sample's are.
    for name in ("validate_deployment_env.py", "validate_memory_architecture.py"):
        run("python", f"scripts/validation/{name}", cwd=generated)


def pushed(root: pathlib.Path, environment: str, tag: str) -> list[t.Any]:
    """What the workflow's own step deploys: run with a helm that renders in place of upgrading."""
    steps = {step.get("id"): step["run"] for step in jobs(root)["deploy"]["steps"] if "run" in step}
    work = root.parent / environment
    work.mkdir(exist_ok=True)
    helm = work / "helm"
    flags = "--install|--wait|--create-namespace|--atomic|--rollback-on-failure"
    helm.write_text(
        "#!/bin/bash\n"
        'test "$1" = upgrade || exit 9\nshift; kept=()\n'
        "while [ $# -gt 0 ]; do case $1 in\n"
        f"  {flags}) shift ;;\n  --timeout) shift 2 ;;\n"
        '  *) kept+=("$1"); shift ;;\nesac; done\n'
        f'exec "{os.environ["HELM"]}" template "${{kept[@]}}"\n'
    )
    helm.chmod(0o755)
    whole = yaml.safe_load((root / WORKFLOW).read_text())
    env = {**os.environ, **whole["env"], "ENVIRONMENT": environment, "GITHUB_OUTPUT": str(work / "output")}
    env.update(PATH=f"{work}:{os.environ['PATH']}", TAG=tag)
    subprocess.run(["bash", "-eo", "pipefail", "-c", steps["settings"]], env=env, cwd=root, check=True)
    given = dict(line.split("=", 1) for line in (work / "output").read_text().splitlines())
    env.update(NAMESPACE=given["namespace"], TIMEOUT=given["timeout"], VALUES=given["values"])
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", steps["deploy"]],
        env=env,
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return objects(done.stdout)


def pulled(root: pathlib.Path, release: t.Mapping[str, t.Any]) -> list[t.Any]:
    """What Flux deploys by a HelmRelease: its values files, which take the place of the chart's own values, then its values
    (source-controller merges the files in their order; helm-controller lays the values over them)."""
    spec = release["spec"]
    chart = root.parent / "pulled"
    run("cp", "-rT", root / spec["chart"]["spec"]["chart"], chart)
    merged: dict[str, t.Any] = {}
    for path in spec["chart"]["spec"]["valuesFiles"]:
        merged = laid_over(merged, yaml.safe_load((root / path).read_text()) or {})
    (chart / "values.yaml").write_text(yaml.safe_dump(merged))
    values = root.parent / "values.yaml"
    values.write_text(yaml.safe_dump(spec["values"]))
    command = [os.environ["HELM"], "template", spec["releaseName"], chart, "--values", values]
    return objects(run(*command, "--namespace", spec["targetNamespace"]))


def laid_over(base: t.Any, over: t.Any) -> t.Any:
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    return {key: laid_over(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}


def objects(text: str) -> list[t.Any]:
    found = [one for one in yaml.safe_load_all(text) if one]
    return sorted(found, key=lambda one: (one["kind"], one["metadata"]["name"]))


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_flux_deploys_what_the_workflow_deploys(generated, environment):
    path = generated / f"gitops/environments/{environment}/helmrelease.yaml"
    if not path.exists():
        pytest.skip("without Flux, or without this environment")
    release = yaml.safe_load(path.read_text())
    tag = ENVIRONMENTS[environment]["image_tag"]
    ours = pushed(generated, environment, tag)
    assert ours and ours == pulled(generated, release)
    assert {one["kind"] for one in ours} == {"Deployment"} and len(ours) == 3
    wrong = copy.deepcopy(release)
    wrong["spec"]["chart"]["spec"]["valuesFiles"].pop()
    assert ours != pulled(generated, wrong)
    assert ours != pushed(generated, environment, "another")


def test_flux_objects_lead_to_each_other(generated):
    for cluster in generated.glob("gitops/clusters/*/delivery.yaml"):
        source, kustomization = yaml.safe_load_all(cluster.read_text())
        assert kustomization["spec"]["sourceRef"] == {"kind": "GitRepository", "name": source["metadata"]["name"]}
        folder = generated / kustomization["spec"]["path"]
        resources = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
        assert sorted(resources) == sorted(path.name for path in folder.iterdir() if path.name != "kustomization.yaml")
        release = yaml.safe_load((folder / "helmrelease.yaml").read_text())
        namespace = yaml.safe_load((folder / "namespace.yaml").read_text())
        assert release["spec"]["targetNamespace"] == namespace["metadata"]["name"]
        assert (generated / release["spec"]["chart"]["spec"]["chart"] / "Chart.yaml").exists()
        if not (folder / "image-automation.yaml").exists():
            continue
        repository, policy, _update = yaml.safe_load_all((folder / "image-automation.yaml").read_text())
        assert policy["spec"]["imageRepositoryRef"]["name"] == repository["metadata"]["name"]
        marker = f'{{"$imagepolicy": "flux-system:{policy["metadata"]["name"]}:tag"}}'
        assert marker in (folder / "helmrelease.yaml").read_text()
        pattern = policy["spec"]["filterTags"]["pattern"]
        assert re.match(pattern, "12-" + "0" * 40) and not re.match(pattern, "0" * 40)
