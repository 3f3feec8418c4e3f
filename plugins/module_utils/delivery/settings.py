# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every fault of the role's settings at once. What goes into a workflow is text that a shell will see: only plain names,
paths and URLs pass."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.delivery.files import WORKFLOW

Settings = t.Mapping[str, t.Any]
Found = t.Iterator[str]

#: RFC 1123 labels: names of releases and namespaces (helm allows a release 53 characters).
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?")
#: Environments of GitHub that are plain enough to be a folder and a Kubernetes name, too.
_ENVIRONMENT = _LABEL
#: A path in the repository: relative, no `..`, nothing that a shell or a comma-separated list would part.
_PATH = re.compile(r"(?!/)(?!.*(^|/)\.\.(/|$))[A-Za-z0-9._/-]+")
#: The path of an image in a registry, without its tag (distribution's reference grammar).
_IMAGE = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*")
_REGISTRY = re.compile(r"[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")
_PLATFORM = re.compile(r"linux/[a-z0-9]+(/v[0-9]+)?")
_RUNNER = re.compile(r"[A-Za-z0-9._-]+")
#: Names of GitHub's secrets and variables, less what would change how a step runs.
_SECRET = re.compile(r"(?!(GITHUB|RUNNER|LD|PYTHON|BASH)_|(PATH|HOME|SHELL|IFS|ENV)$)[A-Z_][A-Z0-9_]*")
_TAG_PATH = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_-]*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DURATION = re.compile(r"([0-9]+h)?([0-9]+m)?([0-9]+s)?")
_HELM = re.compile(r"v[34]\.[0-9]+\.[0-9]+")
_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"v[0-9][A-Za-z0-9.-]*")
_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/?=&%-]*)?")
_GIT_URL = re.compile(r"(https|ssh)://([a-z][a-z0-9_-]*@)?[A-Za-z0-9.-]+(:[0-9]+)?/[A-Za-z0-9._~/-]+")
_ENDPOINT = re.compile(r"(https?|tcp)://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._~/?=&%-]*)?")
_BRANCH = re.compile(r"(?!-)[A-Za-z0-9._/-]+")

#: The actions that the workflow uses; the settings say at which commit.
ACTIONS = (
    "actions/checkout",
    "actions/download-artifact",
    "actions/setup-python",
    "actions/upload-artifact",
    "docker/build-push-action",
    "docker/login-action",
    "docker/setup-buildx-action",
    "docker/setup-qemu-action",
)

_KINDS: tuple[tuple[type, str, tuple[str, ...]], ...] = (
    (dict, "a mapping", ("actions", "environments", "native_runners")),
    (bool, "true or false", ("chart_dependencies", "flux", "flux_image_automation")),
    (
        list,
        "a list",
        (
            "archive",
            "images",
            "legacy_ignore",
            "legacy_scan",
            "legacy_stores",
            "lint",
            "memory_manifests",
            "memory_services",
            "platforms",
            "python_requirements",
            "services",
        ),
    ),
)
_ENVIRONMENT_KEYS = ("namespace", "values", "variables", "secrets", "endpoints", "deployed_by", "image_tag", "timeout")


def faults(settings: Settings) -> list[str]:
    """One line a fault, each naming the variable and what it takes; an empty list is sound. O(settings) are the role's
    variables without their prefix."""
    found = list(_kinds(settings))
    if found:
        return found
    for check in (_words, _images, _environments, _actions, _services, _memory, _lint, _archive, _flux):
        found += check(settings)
    return [f"delivery_{fault}" for fault in found]


def _fits(pattern: re.Pattern[str], value: t.Any) -> bool:
    return isinstance(value, str) and bool(value) and bool(pattern.fullmatch(value))


def _kinds(settings: Settings) -> Found:
    for kind, what, names in _KINDS:
        for name in names:
            if not isinstance(settings.get(name), kind):
                yield f"delivery_{name} is {settings.get(name)!r}: give {what}"


def _words(settings: Settings) -> Found:
    for name, pattern, what in (
        ("chart", _PATH, "a path in the repository, of letters, digits and ._/-"),
        ("scripts_path", _PATH, "a path in the repository, of letters, digits and ._/-"),
        ("gitops_path", _PATH, "a path in the repository, of letters, digits and ._/-"),
        ("record_path", _PATH, "a path in the repository, of letters, digits and ._/-"),
        ("release", _LABEL, "a name of lower-case letters, digits and hyphens"),
        ("registry", _REGISTRY, "a registry and a path in it, such as registry.example.com/team"),
        ("timeout", _DURATION, "a duration such as 10m"),
        ("helm_version", _HELM, "a release of helm 3 or 4, such as v3.17.2"),
        ("helm_sha256", _SHA256, "the SHA-256 of that release's archive for linux-amd64"),
        ("helm_url", _URL, "a URL of http or https"),
        ("kubeconfig_secret", _SECRET, "the name of a secret on GitHub"),
        ("registry_username_secret", _SECRET, "the name of a secret on GitHub"),
        ("registry_password_secret", _SECRET, "the name of a secret on GitHub"),
        ("main_branch", _BRANCH, "the name of a branch"),
        ("branch", _BRANCH, "the name of a branch"),
        ("runner", _RUNNER, "the label of a runner"),
        ("python_version", re.compile(r"3\.[0-9]+"), "a version of Python such as 3.12"),
    ):
        if not _fits(pattern, settings.get(name)):
            yield f"{name} is {settings.get(name)!r}: give {what}"


def _images(settings: Settings) -> Found:
    images = settings["images"]
    if not images:
        yield "images is empty: list what is built, each with name and context"
        return
    names = [image.get("name") if isinstance(image, dict) else None for image in images]
    for name in sorted({str(name) for name in names if names.count(name) > 1}):
        yield f"images has {name} twice: give each image a name of its own"
    for number, image in enumerate(images, start=1):
        if not isinstance(image, dict) or not _fits(_IMAGE, image.get("name")):
            yield f"images: number {number} has no name of lower-case letters, digits and ._-"
            continue
        yield from (
            f"images: {image['name']} has the unknown key {key!r}: give name, context, dockerfile and values"
            for key in image
            if key not in ("name", "context", "dockerfile", "values")
        )
        for key, default in (("context", None), ("dockerfile", "Dockerfile")):
            if not _fits(_PATH, image.get(key, default)):
                yield f"images: {image['name']} has {image.get(key)!r} as {key}: give a path in the repository"
        keys = image.get("values", [])
        if not isinstance(keys, list) or not all(_fits(_TAG_PATH, key) for key in keys):
            yield f"images: {image['name']} has {keys!r} as values: list keys of the chart's values, such as web.image"
    common = settings.get("image_tag_value")
    if common and not _fits(_TAG_PATH, common):
        yield f"image_tag_value is {common!r}: give a key of the values, such as global.imageTag, or nothing"
    if not common and not any(isinstance(image, dict) and image.get("values") for image in images):
        yield "image_tag_value is empty and no image has values: say which keys of the values name the images"
    platforms = settings["platforms"]
    if not platforms or not all(_fits(_PLATFORM, one) for one in platforms):
        yield f"platforms is {platforms!r}: list platforms such as linux/amd64"
    runners = settings["native_runners"]
    if not all(_fits(_RUNNER, one) for one in runners.values()):
        yield f"native_runners is {runners!r}: map a platform to the label of a runner"


def _environments(settings: Settings) -> Found:
    environments = settings["environments"]
    if not environments:
        yield "environments is empty: name each with its namespace and its values"
        return
    default = settings.get("default_environment")
    if not isinstance(default, str) or default not in environments:
        yield (f"default_environment is {default!r}: name one of {', '.join(map(str, environments))}")
    build = settings.get("build_environment")
    if build and not _fits(_ENVIRONMENT, build):
        yield f"build_environment is {build!r}: give a name of lower-case letters, digits and hyphens, or nothing"
    for name, one in environments.items():
        if not _fits(_ENVIRONMENT, name) or not isinstance(one, dict):
            yield f"environments: {name!r} is no name of lower-case letters, digits and hyphens with settings below it"
            continue
        yield from (f"environments: {name} {fault}" for fault in _environment(settings, one))


def _environment(settings: Settings, one: t.Mapping[str, t.Any]) -> Found:
    for key in one:
        if key not in _ENVIRONMENT_KEYS:
            yield f"has the unknown key {key!r}: give {', '.join(_ENVIRONMENT_KEYS)}"
    if not _fits(_LABEL, one.get("namespace")):
        yield f"has {one.get('namespace')!r} as namespace: give a name of lower-case letters, digits and hyphens"
    values = one.get("values", [])
    if not isinstance(values, list) or not all(_fits(_PATH, path) for path in values):
        yield f"has {values!r} as values: list files in the repository"
    for key in ("variables", "secrets"):
        names = one.get(key, [])
        if not isinstance(names, list) or not all(_fits(_SECRET, name) for name in names):
            yield f"has {names!r} as {key}: list names of capital letters, digits and underscores"
    endpoints = one.get("endpoints", [])
    if not isinstance(endpoints, list) or not all(_endpoint(endpoint) for endpoint in endpoints):
        yield "has endpoints that are none: list each with name, url (http, https or tcp) and, if it is not 200, status"
    if not _fits(_DURATION, one.get("timeout", "10m")):
        yield f"has {one.get('timeout')!r} as timeout: give a duration such as 10m"
    deployer = one.get("deployed_by", "workflow")
    if deployer not in ("workflow", "flux"):
        yield f"has {deployer!r} as deployed_by: give workflow or flux"
    if deployer == "flux" and not settings["flux"]:
        yield "is deployed by flux and delivery_flux is off: turn it on, or let the workflow deploy"
    if not _fits(_TAG, one.get("image_tag", "latest")):
        yield f"has {one.get('image_tag')!r} as image_tag: give the tag of an image, as a text"


def _endpoint(endpoint: t.Any) -> bool:
    return (
        isinstance(endpoint, dict)
        and set(endpoint) <= {"name", "url", "status"}
        and isinstance(endpoint.get("name"), str)
        and _fits(_ENDPOINT, endpoint.get("url"))
        and isinstance(endpoint.get("status", 200), int)
    )


def _actions(settings: Settings) -> Found:
    for name in ACTIONS:
        pin = settings["actions"].get(name)
        if not isinstance(pin, dict) or not _fits(_SHA1, pin.get("commit")) or not _fits(_VERSION, pin.get("version")):
            yield f"actions: {name} needs a commit of 40 hexadecimal digits and a version such as v4.2.1"


def _services(settings: Settings) -> Found:
    for number, service in enumerate(settings["services"], start=1):
        port = service.get("port") if isinstance(service, dict) else None
        if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
            yield f"services: number {number} has no port from 1 to 65535"
        elif not _fits(_LABEL, service.get("name")):
            yield f"services: number {number} has no name of lower-case letters, digits and hyphens"


def _memory(settings: Settings) -> Found:
    names = [service.get("name") for service in settings["services"] if isinstance(service, dict)]
    for name in settings["memory_services"]:
        if name not in names:
            yield f"memory_services: {name} is none of delivery_services: add it there, or take it out"
    for store in settings["legacy_stores"]:
        words = store.get("words") if isinstance(store, dict) else None
        if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
            yield "legacy_stores: each needs a name and words, a list of what names it in code"
        elif not isinstance(store.get("name"), str):
            yield f"legacy_stores: the one of {words[0]} has no name"


def _lint(settings: Settings) -> Found:
    for number, step in enumerate(settings["lint"], start=1):
        if not isinstance(step, dict) or not all(isinstance(step.get(key), str) for key in ("name", "run")):
            yield f"lint: number {number} needs a name and what to run"
        elif "${{" in step["run"] or "${{" in step["name"]:
            yield f"lint: {step['name']} holds an expression of GitHub in a shell line: let it read files instead"
    for line in settings["python_requirements"]:
        if not isinstance(line, str) or not re.fullmatch(r"[A-Za-z0-9._-]+==\S+( --hash=sha256:[0-9a-f]{64})+", line):
            yield f"python_requirements: {line!r} is not of the form NAME==VERSION --hash=sha256:DIGEST"


def _archive(settings: Settings) -> Found:
    for number, one in enumerate(settings["archive"], start=1):
        path = one.get("path") if isinstance(one, dict) else None
        if not isinstance(path, str) or not path or path.startswith(("/", "../", "archive/")):
            yield f"archive: number {number} has no path in the repository"
        elif set(one) - {"path", "did", "now"}:
            yield f"archive: {path} has an unknown key: give path, did and now"
        elif path == WORKFLOW:
            yield f"archive: {path} is what this role writes: take it out of the list"


def _flux(settings: Settings) -> Found:
    if not settings["flux"]:
        return
    for name, pattern, what in (
        ("flux_url", _GIT_URL, "the URL of the repository by https or ssh, without a password"),
        ("flux_branch", _BRANCH, "the name of a branch"),
        ("flux_interval", _DURATION, "a duration such as 5m"),
        ("flux_namespace", _LABEL, "a name of lower-case letters, digits and hyphens"),
    ):
        if not _fits(pattern, settings.get(name)):
            yield f"{name} is {settings.get(name)!r}: give {what}"
    for name in ("flux_secret", "flux_registry_secret"):
        if settings.get(name) and not _fits(_LABEL, settings.get(name)):
            yield f"{name} is {settings.get(name)!r}: give the name of a Secret, or nothing"
    for name, one in settings["environments"].items():
        # Flux puts an object's name into a label, which holds 63 characters.
        if len(f"{settings.get('release')}-{name}") > 63:
            yield f"environments: {name} and delivery_release together are too long a name: shorten one of them"
        if isinstance(one, dict) and not one.get("image_tag"):
            yield f"environments: {name} has no image_tag, and Git must say what Flux deploys: give one"
