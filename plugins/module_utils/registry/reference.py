# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The name of an image as Docker and containerd read it. Pure.

Source of the rules: distribution/reference, C(ParseDockerRef) and C(splitDockerDomain).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

HUB = "docker.io"
_HUB_NAMES = frozenset({HUB, "index.docker.io", "registry-1.docker.io"})
_HUB_API = "registry-1.docker.io"
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9A-Fa-f:]+\](?::[0-9]+)?")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """An image in full: the registry (C(host) or C(host:port)), the repository, and a tag or a digest."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def version(self) -> str:
        """What the API is asked for: the digest when there is one, for it says more than the tag beside it."""
        return self.digest or self.tag

    @property
    def api_host(self) -> str:
        return _HUB_API if self.registry == HUB else self.registry


def parse(image: str) -> Reference:
    """O(image) with what Docker fills in: C(docker.io), C(library/) and C(latest)."""
    rest, _at, digest = image.partition("@")
    head, _slash, tail = rest.partition("/")
    if not tail or not ("." in head or ":" in head or head == "localhost" or head.lower() != head):
        head, tail = HUB, rest
    repository, colon, tag = tail.partition(":")
    if head in _HUB_NAMES:
        head = HUB
        if "/" not in repository:
            repository = f"library/{repository}"
    if not tag and not digest and not colon:
        tag = "latest"
    valid = (
        _REGISTRY.fullmatch(head)
        and _REPOSITORY.fullmatch(repository)
        and (_TAG.fullmatch(tag) if tag or not digest or colon else True)
        and (_DIGEST.fullmatch(digest) if digest or "@" in image else True)
    )
    if not valid:
        raise ReplatformError(f"image: '{image}' is no name of an image; write registry/repository:tag or @sha256:...")
    return Reference(head, repository, tag, digest)
