# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a manifest says of platforms and parts. Pure.

Sources: OCI image specification, C(image-index.md) and C(manifest.md); distribution, C(manifest-v2-2.md).
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
SINGLE = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT = ", ".join(INDEXES + SINGLE)


@dataclass(frozen=True)
class Platform:
    """What a node runs, e.g. C(arm64) or, with a variant, C(arm/v7). The operating system is Linux."""

    architecture: str
    variant: str = ""

    def __str__(self) -> str:
        return self.architecture + (f"/{self.variant}" if self.variant else "")

    def runs(self, other: Platform) -> bool:
        """Whether a node of this platform takes an image for O(other); one that names no variant takes any."""
        return self.architecture == other.architecture and self.variant in ("", other.variant)


def platform(text: str) -> Platform:
    """From C(arm64), C(arm/v7) or either after C(linux/)."""
    architecture, _slash, variant = text.removeprefix("linux/").partition("/")
    return Platform(architecture, variant)


def children(index: t.Mapping[str, t.Any]) -> list[tuple[Platform, str]]:
    """The platforms of an index, each with the digest of its manifest. Attestations, of the platform "unknown", are none."""
    found = []
    for entry in index.get("manifests") or []:
        has = entry.get("platform") or {}
        if has.get("os") == "linux" and has.get("architecture"):
            found.append((Platform(has["architecture"], has.get("variant", "")), str(entry["digest"])))
    return found


def config_platform(config: t.Mapping[str, t.Any]) -> Platform | None:
    """The platform that an image's own configuration says it is for; none when that is not Linux."""
    if config.get("os") != "linux" or not config.get("architecture"):
        return None
    return Platform(str(config["architecture"]), str(config.get("variant", "")))


def parts(manifest: t.Mapping[str, t.Any]) -> list[str]:
    """Digests of everything that a node fetches beside the manifest. Foreign layers, with C(urls), are elsewhere."""
    layers = [layer for layer in manifest.get("layers") or [] if not layer.get("urls")]
    return list(dict.fromkeys(str(part["digest"]) for part in [manifest["config"], *layers]))
