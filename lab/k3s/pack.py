"""Pack the stand-in's package into one executable, and its programs into an archive of images.

Times, owners and orders are fixed: the same sources give the same bytes, hence the same checksums.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path

STAMP = (2026, 1, 1, 0, 0, 0)
CREATED = "2026-01-01T00:00:00Z"
IMAGES = {"docker.io/lab/pause:1.0": "pause", "docker.io/lab/cluster-dns:1.0": "cluster-dns"}


def executable(package: Path, target: Path, version: str = "") -> None:
    """A zip archive that Python runs, with a first line for the kernel; ``version``, where it is not the sources' own."""
    files = {
        f"k3s_standin/{f.relative_to(package)}": f.read_bytes()
        for f in package.rglob("*")
        if f.suffix in (".py", ".yaml")
    }
    if version:
        own = files["k3s_standin/version.py"].decode()
        files["k3s_standin/version.py"] = re.sub(r'(?m)^VERSION = ".*"$', f'VERSION = "{version}"', own).encode()
    files["__main__.py"] = files["k3s_standin/__main__.py"]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, STAMP), files[name], zipfile.ZIP_DEFLATED)
    target.write_bytes(b"#!/usr/bin/python3\n" + content.getvalue())
    target.chmod(0o755)


def member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, mode, 0
    return info


def layer(program: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(member(program.name, program.stat().st_size, 0o755), io.BytesIO(program.read_bytes()))
    return content.getvalue()


def images(programs: Path, target: Path) -> None:
    """An archive as ``docker save`` writes it: each image one layer with one static program."""
    files: dict[str, bytes] = {}
    manifest = []
    for name, program in IMAGES.items():
        content = layer(programs / program)
        digest = hashlib.sha256(content).hexdigest()
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "created": CREATED,
                "config": {"Entrypoint": [f"/{program}"]},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
                "history": [{"created": CREATED}],
            },
            sort_keys=True,
        ).encode()
        config_name = f"{hashlib.sha256(config).hexdigest()}.json"
        files[f"{digest}/layer.tar"], files[config_name] = content, config
        manifest.append({"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}/layer.tar"]})
    files["manifest.json"] = json.dumps(manifest).encode()
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(files):
            archive.addfile(member(name, len(files[name]), 0o644), io.BytesIO(files[name]))


if __name__ == "__main__":
    package_folder, program_folder, output = (Path(word) for word in sys.argv[1:4])
    executable(package_folder, output / "k3s", sys.argv[4] if len(sys.argv) > 4 else "")
    images(program_folder, output / "k3s-airgap-images-amd64.tar")
