# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether every image can be pulled on every platform that may run it."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.registry import manifests
from ansible_collections.sophia.replatform.plugins.module_utils.registry.client import Registry
from ansible_collections.sophia.replatform.plugins.module_utils.registry.manifests import Platform
from ansible_collections.sophia.replatform.plugins.module_utils.registry.reference import Reference, parse


def check(registry: Registry, image: str, wanted: t.Sequence[Platform], blobs: bool) -> dict[str, t.Any]:
    """C(image), C(digest), the C(platforms) that it is for, and C(fault), one line or empty. With O(blobs) every layer that
    a wanted platform needs must be there, too.
    """
    result: dict[str, t.Any] = {"image": image, "digest": "", "platforms": [], "fault": ""}
    try:
        reference = parse(image)
        found = registry.manifest(reference, reference.version)
        if found is None:
            result["fault"] = f"{image}: {reference.registry} has no {reference.version} of {reference.repository}"
            return result
        kind, manifest, result["digest"] = found
        offered = _offered(registry, reference, kind, manifest, result["digest"])
        result["platforms"] = sorted({str(platform) for platform, _digest in offered})
        missing = [one for one in wanted if not any(one.runs(platform) for platform, _digest in offered)]
        if missing:
            result["fault"] = (
                f"{image}: not for {', '.join(map(str, missing))}, only for {', '.join(result['platforms']) or 'nothing'}:"
                " build it for them, or keep the service off such nodes"
            )
            return result
        needed = dict.fromkeys(d for platform, d in offered if any(one.runs(platform) for one in wanted))
        for digest in needed:
            lost = _lost(registry, reference, digest, blobs)
            if lost:
                result["fault"] = (
                    f"{image}: {reference.registry} names {lost} and does not have it: push the image again"
                )
                return result
    except ReplatformError as exc:
        result["fault"] = f"{image}: {exc}"
    return result


def _offered(
    registry: Registry, reference: Reference, kind: str, manifest: dict[str, t.Any], digest: str
) -> list[tuple[Platform, str]]:
    if kind in manifests.INDEXES:
        return manifests.children(manifest)
    if kind not in manifests.SINGLE:
        raise ReplatformError(f"its manifest is of the type '{kind}', which containerd does not pull")
    config = registry.config(reference, str(manifest["config"]["digest"]))
    if config is None:
        raise ReplatformError(f"{reference.registry} does not have its configuration: push the image again")
    platform = manifests.config_platform(config)
    return [(platform, digest)] if platform else []


def _lost(registry: Registry, reference: Reference, digest: str, blobs: bool) -> str:
    """What of the image with this manifest is not there, as a digest; empty when all of it is."""
    found = registry.manifest(reference, digest)
    if found is None:
        return digest
    needed = manifests.parts(found[1]) if blobs else []
    return next((part for part in needed if not registry.has_blob(reference, part)), "")
