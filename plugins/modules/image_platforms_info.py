#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: image_platforms_info
short_description: Tells whether images can be pulled on the architectures that may run them
version_added: 0.1.0
description:
  - Asks each image's registry, as a node that pulls would, for its manifest, for the platforms that it is for, and for all of its
    parts. Nothing is pulled.
  - An image that can't be pulled is an ordinary answer with one line in RV(faults), not an error of the module.
  - Run it where the registries are reached as the nodes reach them.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment: sophia.replatform.reads
options:
  images:
    description: The images; see P(sophia.replatform.image_plan#filter).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The image as a stack file or a pod names it. Docker Hub, C(library/) and C(latest) are filled in.
        type: str
        required: true
      architectures:
        description: Architectures that may run it, such as V(amd64), V(arm64) or V(arm/v7).
        type: list
        elements: str
        required: true
      services:
        description: Who uses it; only repeated in the fault.
        type: list
        elements: str
        default: []
  blobs:
    description: Whether every layer is looked for, too. A registry that has lost one still gives the manifest.
    type: bool
    default: true
  docker_config:
    description:
      - Docker's C(config.json) as a mapping, or what the key C(.dockerconfigjson) of a Kubernetes Secret holds.
      - Of it C(auths) is read. The credentials of a helper program are not; give them in O(credentials).
    type: dict
    default: {}
  credentials:
    description: Users of registries. They go before O(docker_config).
    type: list
    elements: dict
    default: []
    suboptions:
      registry:
        description: The registry, as C(host) or C(host:port); V(docker.io) for Docker Hub.
        type: str
        required: true
      username:
        description: Name of the user.
        type: str
        required: true
      password:
        description: The password or access token.
        type: str
        required: true
  plain_http_registries:
    description: Registries, as C(host) or C(host:port), that are asked over plain HTTP. No other one is.
    type: list
    elements: str
    default: []
  ca_path:
    description: File with the CAs, in PEM form, that registries are trusted by, instead of the host's own.
    type: path
  timeout:
    description: Seconds to wait for one answer.
    type: float
    default: 30
notes:
  - Proxies of the environment (C(HTTPS_PROXY), C(NO_PROXY)) are used.
  - Mirrors that the nodes have in C(registries.yaml) are not asked.
"""

EXAMPLES = r"""
- name: Look at the images of the plan
  sophia.replatform.image_platforms_info:
    images:
      - name: registry.example.com/shop/backend:1.0
        architectures: [amd64, arm64]
    docker_config: "{{ lookup('ansible.builtin.file', '~/.docker/config.json') | from_json }}"
  register: images

- name: Refuse a plan that can't be pulled
  ansible.builtin.assert:
    that: images.faults | length == 0
    fail_msg: "{{ images.faults | join('; ') }}"
"""

RETURN = r"""
faults:
  description: One line for each image that can't be pulled on an architecture that may run it.
  type: list
  elements: str
  returned: success
  sample:
    - "registry.example.com/shop/backend:1.0: not for arm64, only for amd64: build it for them, or keep the service off such nodes (backend)"
images:
  description: What is known of each image.
  type: list
  elements: dict
  returned: success
  sample:
    - image: registry.example.com/shop/backend:1.0
      digest: sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      platforms: [amd64]
      fault: ""
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.registry.check import check
from ansible_collections.sophia.replatform.plugins.module_utils.registry.client import Registry, Settings
from ansible_collections.sophia.replatform.plugins.module_utils.registry.credentials import collect
from ansible_collections.sophia.replatform.plugins.module_utils.registry.manifests import platform

IMAGE = {
    "name": {"type": "str", "required": True},
    "architectures": {"type": "list", "elements": "str", "required": True},
    "services": {"type": "list", "elements": "str", "default": []},
}
CREDENTIALS = {
    "registry": {"type": "str", "required": True},
    "username": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {"type": "list", "elements": "dict", "required": True, "options": IMAGE},
            "blobs": {"type": "bool", "default": True},
            "docker_config": {"type": "dict", "default": {}, "no_log": True},
            "credentials": {"type": "list", "elements": "dict", "default": [], "options": CREDENTIALS},
            "plain_http_registries": {"type": "list", "elements": "str", "default": []},
            "ca_path": {"type": "path"},
            "timeout": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    options = module.params
    if options["ca_path"] and not os.path.isfile(options["ca_path"]):
        module.fail_json(msg=f"ca_path: there is no file {options['ca_path']}")
    aimless = [image["name"] for image in options["images"] if not image["architectures"]]
    if aimless:
        module.fail_json(msg=f"images: {', '.join(aimless)}: name the architectures that may run it")
    try:
        known, helped = collect(options["docker_config"], options["credentials"])
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))
    plain = frozenset(options["plain_http_registries"])
    registry = Registry(Settings(known, helped, plain, options["ca_path"], options["timeout"]))
    images, faults = [], []
    for image in options["images"]:
        wanted = [platform(architecture) for architecture in image["architectures"]]
        images.append(check(registry, image["name"], wanted, options["blobs"]))
        if images[-1]["fault"]:
            users = f" ({', '.join(image['services'])})" if image["services"] else ""
            faults.append(images[-1]["fault"] + users)
    module.exit_json(changed=False, images=images, faults=faults)


if __name__ == "__main__":
    main()
