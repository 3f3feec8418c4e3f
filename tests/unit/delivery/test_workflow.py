# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.filter.delivery import delivery_record, delivery_view
from ansible_collections.sophia.replatform.plugins.module_utils.delivery import archived, files, workflow


def test_every_image_is_built_for_every_platform_natively_where_there_is_a_runner(settings):
    rows = workflow.build_matrix(settings(native_runners={"linux/amd64": "big"}, runner="small"))
    assert [(row["image"], row["arch"], row["runner"], row["emulated"]) for row in rows] == [
        ("web", "amd64", "big", False),
        ("web", "arm64", "small", True),
        ("recall", "amd64", "big", False),
        ("recall", "arm64", "small", True),
    ]
    assert [row["dockerfile"] for row in rows][::2] == ["web/Dockerfile", "recall/Dockerfile"]


@pytest.mark.parametrize("version, flag", [("v3.17.2", "--atomic"), ("v4.0.0", "--rollback-on-failure")])
def test_helm_takes_back_what_does_not_become_ready(version, flag):
    assert workflow.rollback_flag(version) == flag


def test_what_flux_deploys_the_workflow_does_not(settings):
    assert workflow.deploy_condition(settings()) == ""
    environments = {name: {**one, "deployed_by": "flux"} for name, one in settings()["environments"].items()}
    chosen = "(inputs.environment || 'production')"
    assert (
        workflow.deploy_condition(settings(environments=environments))
        == f"{chosen} != 'production' && {chosen} != 'staging'"
    )


def test_the_data_holds_names_and_no_value(settings):
    data = workflow.data(settings())
    assert data["environments"]["production"]["required"] == ["KUBECONFIG_B64", "SHOP_TOKEN", "SHOP_URL"]
    assert data["environments"]["staging"] == {
        "values": ["environments/staging.yaml"],
        "required": ["KUBECONFIG_B64"],
        "endpoints": [],
    }


def test_the_files_of_each_environment(settings):
    paths = [one["path"] for one in files.sources(settings(flux=True, archive=[]))]
    assert "gitops/environments/staging/helmrelease.yaml" in paths and "docs/archived-workflows.md" not in paths
    assert not [path for path in paths if "image-automation" in path]
    assert not [one for one in files.sources(settings()) if one["path"].startswith("gitops")]


WHOLE = {
    "image_tag_value": "",
    "images": [
        {"name": "web", "context": ".", "values": ["front.services.web.image", "front.services.admin.image"]},
        {"name": "my_api", "context": ".", "values": ["api.image"]},
    ],
}


def test_images_that_the_values_name_whole(settings):
    assert workflow.image_values(settings(**WHOLE)) == {
        "front.services.web.image": "$REGISTRY/web:$TAG",
        "front.services.admin.image": "$REGISTRY/web:$TAG",
        "api.image": "$REGISTRY/my_api:$TAG",
    }
    values = {"front": {"services": {"web": {"image": "x/web:1"}}}, "api": None}
    assert workflow.image_settings(settings(**WHOLE), values) == ["--set-string", "front.services.web.image=x/web:1"]


@pytest.mark.parametrize("automation", [False, True])
def test_the_values_of_a_release_and_what_flux_has_written_stays(settings, tmp_path, automation):
    folder = tmp_path / "gitops/environments/staging"
    folder.mkdir(parents=True)
    (folder / "helmrelease.yaml").write_text("spec: {values: {api: {image: registry.example.com/shop/my_api:7-ab}}}")
    given = settings(flux=True, flux_image_automation=automation, **WHOLE)
    text = delivery_view(given, str(tmp_path))["release_values"]["staging"]
    tag = "7-ab" if automation else "v2"
    registry = "registry.example.com/shop"
    web = {"services": {"web": {"image": f"{registry}/web:v2"}, "admin": {"image": f"{registry}/web:v2"}}}
    assert yaml.safe_load(text) == {"front": web, "api": {"image": f"{registry}/my_api:{tag}"}}
    assert text.count('# {"$imagepolicy": "flux-system:shop-staging-my-api"}') == automation
    assert text.count('# {"$imagepolicy": "flux-system:shop-staging-web"}') == 2 * automation


def test_one_tag_for_all_goes_by_the_image_that_is_tagged_last(settings):
    given = settings(flux=True, flux_image_automation=True)
    assert workflow.policies(given) == {"web": "web"}
    assert workflow.release_values(given, "staging", None).splitlines() == [
        "    global:",
        '      imageTag: "v2" # {"$imagepolicy": "flux-system:shop-staging-web:tag"}',
    ]


@pytest.mark.parametrize(
    "content, said",
    [
        ({True: "push", "jobs": {"a": {"name": "Ship | it"}}}, "On push: Ship | it"),
        ({"on": ["push", "pull_request"], "jobs": {"a": {}, "b": None}}, "On push, pull_request: a, b"),
        ({"on": {"schedule": []}, "jobs": {}}, "On schedule: "),
        ({"jobs": {"a": {}}}, "On nothing: a"),
        ({"on": "push"}, ""),
        (None, ""),
    ],
)
def test_what_a_workflow_says_of_itself(content, said):
    assert archived.summary(content) == said


def test_the_record_names_what_was_archived_and_what_stays(checkout, settings):
    (checkout / "archive/workflows/.github/workflows").mkdir(parents=True)
    (checkout / ".github/workflows/deploy.yml").rename(checkout / archived.place(".github/workflows/deploy.yml"))
    kept = [{"path": ".github/workflows/lint.yml", "reason": "README.md uses it"}]
    rows = delivery_record(settings()["archive"], str(checkout), kept)
    assert [(row["did"], row["where"], row["now"]) for row in rows] == [
        (
            "Deployed \\| everything",
            "`archive/workflows/.github/workflows/deploy.yml`",
            "`.github/workflows/unified-deployment.yml`",
        ),
        (
            "On push, workflow_dispatch: build",
            "`archive/workflows/.github/workflows/build images.yml`",
            "the job build",
        ),
        ("On pull_request: lint", "still there: README.md uses it", "it still runs"),
    ]


def test_the_rules_name_one_file_each():
    (rule,) = archived.rules([{"path": "a/[b] c*.yml", "did": "x"}])
    assert rule["patterns"] == ["/a/\\[b\\]\\ c\\*.yml"] and rule["reason"] == "x"
