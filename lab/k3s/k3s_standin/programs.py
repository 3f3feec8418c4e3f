"""The kubelet of this release: the one that was compiled, telling this release's version to the cluster."""

from __future__ import annotations

import shutil
from pathlib import Path

from . import logs, pki, version
from .settings import BINARIES, Settings


def renamed(content: bytes, built: str, wanted: str) -> bytes:
    """The program with another version in it. Only a text of the same length leaves everything else in its place."""
    if len(built) != len(wanted):
        raise ValueError(f"{wanted} is not as long as {built}")
    if built.encode() not in content:
        raise ValueError(f"the program does not hold {built}")
    return content.replace(built.encode(), wanted.encode())


def kubelet(settings: Settings, binaries: Path = BINARIES) -> Path:
    """Where the kubelet of this release is; made at the first start of a release, as K3s unpacks its own programs."""
    original = binaries / "kubelet"
    if version.VERSION == version.BUILT:
        return original
    releases = settings.data / "data"
    place = releases / version.VERSION / "bin/kubelet"
    if not place.exists() or place.stat().st_mtime < original.stat().st_mtime:
        try:
            pki.write(place, renamed(original.read_bytes(), version.BUILT, version.VERSION), 0o755)
        except ValueError as error:
            raise logs.Fatal(f"{original}: {error}") from error
    for other in releases.iterdir():
        if other.name != version.VERSION:
            shutil.rmtree(other)
    return place
