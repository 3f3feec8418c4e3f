# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import copy

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.delivery.settings import ACTIONS, faults
from hypothesis import given as examples
from hypothesis import strategies as st

from .conftest import given
from .conftest import sample as shop

PRODUCTION = shop.SETTINGS["delivery_environments"]["production"]
FLUX = {name.removeprefix("delivery_"): value for name, value in shop.FLUX.items()}


def environment(**more):
    return {"environments": {"production": {**PRODUCTION, **more}}}


def test_the_sample_is_sound(settings):
    assert faults(settings()) == []
    assert faults(settings(**FLUX)) == []


@pytest.mark.parametrize(
    "more, said",
    [
        ({"chart": "../chart"}, "delivery_chart is '../chart'"),
        ({"chart": "/chart"}, "delivery_chart is '/chart'"),
        ({"chart": "a/../b"}, "delivery_chart"),
        ({"release": "Shop"}, "delivery_release is 'Shop'"),
        ({"release": "a" * 54}, "delivery_release"),
        ({"registry": "https://registry.example.com"}, "delivery_registry"),
        ({"image_tag_value": "global.imageTag=x,y"}, "delivery_image_tag_value"),
        ({"image_tag_value": ""}, "delivery_image_tag_value is empty and no image has values"),
        ({"images": [{"name": "a", "context": ".", "values": ["x=y"]}]}, "delivery_images: a has ['x=y'] as values"),
        ({"timeout": "10 minutes"}, "delivery_timeout"),
        ({"timeout": ""}, "delivery_timeout"),
        ({"helm_version": "v2.17.0"}, "delivery_helm_version"),
        ({"helm_sha256": "abc"}, "delivery_helm_sha256"),
        ({"kubeconfig_secret": "GITHUB_TOKEN"}, "delivery_kubeconfig_secret"),
        ({"images": []}, "delivery_images is empty"),
        ({"images": [{"name": "a", "context": "."}, {"name": "a", "context": "b"}]}, "delivery_images has a twice"),
        ({"images": [{"name": "a b", "context": "."}]}, "delivery_images: number 1 has no name"),
        ({"images": [{"name": "a", "context": "$(x)"}]}, "delivery_images: a has '$(x)' as context"),
        ({"images": [{"name": "a", "context": ".", "tag": "x"}]}, "unknown key 'tag'"),
        ({"platforms": ["amd64"]}, "delivery_platforms"),
        ({"native_runners": {"linux/amd64": "${{ x }}"}}, "delivery_native_runners"),
        ({"environments": {}}, "delivery_environments is empty"),
        ({"default_environment": "nowhere"}, "delivery_default_environment is 'nowhere': name one of production"),
        (environment(namespace="A"), "delivery_environments: production has 'A' as namespace"),
        (environment(values="x.yaml"), "has 'x.yaml' as values"),
        (environment(values=["a,b.yaml"]), "as values"),
        (environment(secrets=["lower"]), "as secrets"),
        (environment(variables=["PATH"]), "as variables"),
        (environment(endpoints=[{"name": "x", "url": "file:///etc/passwd"}]), "has endpoints that are none"),
        (environment(timeout="soon"), "as timeout"),
        (environment(deployed_by="me"), "as deployed_by"),
        (environment(deployed_by="flux"), "delivery_flux is off"),
        (environment(image_tag=":x"), "as image_tag"),
        (environment(colour="red"), "unknown key 'colour'"),
        ({"build_environment": "a b"}, "delivery_build_environment is 'a b'"),
        ({"actions": []}, "delivery_actions is []"),
        ({"services": [{"name": "a", "port": 70000}], "memory_services": []}, "delivery_services: number 1 has no port"),
        ({"services": [{"name": "a", "port": True}], "memory_services": []}, "delivery_services: number 1 has no port"),
        ({"memory_services": ["other"]}, "delivery_memory_services: other is none of delivery_services"),
        ({"legacy_stores": [{"name": "x", "words": []}]}, "delivery_legacy_stores"),
        ({"lint": [{"name": "x", "run": "echo ${{ github.event.issue.title }}"}]}, "expression of GitHub in a shell"),
        ({"lint": [{"name": "x"}]}, "delivery_lint: number 1"),
        ({"python_requirements": ["PyYAML==6.0.3"]}, "delivery_python_requirements"),
        ({"archive": [{"path": "../x"}]}, "delivery_archive: number 1"),
        ({"archive": [{"path": ".github/workflows/unified-deployment.yml"}]}, "is what this role writes"),
        ({**FLUX, "flux_url": "https://user:secret@git.example.com/x"}, "delivery_flux_url"),
        ({**FLUX, "environments": {"production": {"namespace": "x"}}}, "has no image_tag"),
        ({**FLUX, "environments": {"p" * 50: {**PRODUCTION}}, "default_environment": "p" * 50, "release": "r" * 20}, "too long"),
    ],
)  # fmt: skip
def test_a_fault_names_the_variable_in_one_line(settings, more, said):
    found = faults(settings(**more))
    assert len(found) == 1 and said in found[0] and found[0].startswith("delivery_") and "\n" not in found[0]


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("pin", [None, {"commit": "v4", "version": "v4"}, {"commit": "a" * 40, "version": "latest"}])
def test_every_action_is_pinned_by_a_commit(settings, name, pin):
    actions = copy.deepcopy(settings()["actions"])
    actions[name] = pin
    assert [line for line in faults(settings(actions=actions)) if name in line]


WORDS = (
    "chart",
    "release",
    "registry",
    "image_tag_value",
    "timeout",
    "main_branch",
    "runner",
    "helm_url",
    "scripts_path",
)


@examples(st.sampled_from(WORDS), st.text(), st.sampled_from(list("$`'\"\\;|&<>(){}\n #*,")), st.text())
def test_nothing_that_a_shell_or_yaml_would_read_passes(name, before, sign, after):
    found = faults(given(**{name: before + sign + after}))
    if name == "helm_url" and sign == "&":
        return  # a URL's own
    assert [line for line in found if line.startswith(f"delivery_{name} ")]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@examples(st.sampled_from(sorted(given())), ANYTHING)
def test_a_wrong_type_is_a_fault_and_no_error(name, value):
    faults(given(**{name: value}))
