from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pack
import pytest

PACKAGE = Path(pack.__file__).parent / "k3s_standin"


@pytest.fixture
def programs(tmp_path):
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in pack.IMAGES.values():
        (folder / name).write_bytes(name.encode() * 100)
    return folder


def test_the_same_sources_give_the_same_bytes_at_any_time(tmp_path, programs):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pack.executable(PACKAGE, tmp_path / name / "k3s")
        pack.images(programs, tmp_path / name / "images.tar")
        for file in programs.iterdir():
            os.utime(file, (1, 1))
    for name in ("k3s", "images.tar"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_executable_runs_by_itself_and_says_its_version(tmp_path):
    pack.executable(PACKAGE, tmp_path / "k3s")
    result = subprocess.run(
        [sys.executable, tmp_path / "k3s", "--version"], capture_output=True, text=True, check=True, cwd="/"
    )
    first, second = result.stdout.splitlines()
    assert first.startswith("k3s version v1.20.2+k3s1 (") and second.startswith("go version go")


def test_an_unknown_command_ends_it(tmp_path):
    pack.executable(PACKAGE, tmp_path / "k3s")
    result = subprocess.run([sys.executable, tmp_path / "k3s", "sevrer"], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "level=fatal" in result.stderr


def test_images_hold_what_their_manifest_promises(tmp_path, programs):
    pack.images(programs, tmp_path / "images.tar")
    with tarfile.open(tmp_path / "images.tar") as archive:
        contents = {info.name: archive.extractfile(info).read() for info in archive}
    manifest = json.loads(contents["manifest.json"])
    assert [image["RepoTags"] for image in manifest] == [[name] for name in pack.IMAGES]
    for image in manifest:
        config = json.loads(contents[image["Config"]])
        digests = [f"sha256:{hashlib.sha256(contents[layer]).hexdigest()}" for layer in image["Layers"]]
        assert config["rootfs"]["diff_ids"] == digests
