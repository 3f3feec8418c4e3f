# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The four repositories: the lab's sample, a listing made real, and two Python packages with two releases as history."""

from __future__ import annotations

import hashlib
import os
import pathlib
import posixpath
import re
import shutil
import subprocess
import sys
import tarfile

from content import Contents
from listing import listing

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent.parent
SOURCES = HERE / "sources"
DATE = 1_700_000_000  # Long ago, so that nothing counts as changed of late.
# Untracked, and of the kind that scripts stumble over. They are there before and after.
UNTRACKED = {
    b"untracked 'quoted' \"twice\".old": b"1\n",
    b"untracked\nline.backup": b"2\n",
    b"-untracked": b"",
    b"untracked \xff\xfe_deprecated.py": b"\0\1\2",
    "untracked \N{GRINNING FACE}/deep er/e\N{COMBINING ACUTE ACCENT}.old".encode(): b"3\r\n",
}


def git(root: pathlib.Path, *args: str, stdin: bytes | None = None) -> bytes:
    """The output of git, with no configuration but the repository's own."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    env.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull, GIT_OPTIONAL_LOCKS="0", LC_ALL="C")
    for role in ("AUTHOR", "COMMITTER"):
        env.update({f"GIT_{role}_NAME": "a", f"GIT_{role}_EMAIL": "a@example.com", f"GIT_{role}_DATE": f"{DATE} +0000"})
    return subprocess.run(["git", *args], cwd=root, env=env, input=stdin, check=True, capture_output=True).stdout


def sample(root: pathlib.Path) -> None:
    """The lab's sample repository, as the demo tidies it."""
    subprocess.run([PROJECT / "lab/repository/generate", root], check=True)


def shape(root: pathlib.Path) -> None:
    """A listing made real. The environment's TREE names another listing than the one of listing.py."""
    given = os.environ.get("TREE")
    lines = pathlib.Path(given).read_text().splitlines() if given else listing()
    entries = [line.split("\t") for line in lines]
    sizes = {path: int(size) for mode, size, path in entries if mode.startswith("100")}
    contents = Contents(sizes)
    _init(root)
    for mode, size, path in entries:
        full = root / path
        full.parent.mkdir(parents=True, exist_ok=True)
        if mode == "120000":
            full.symlink_to(_target(path, int(size), sizes))
        elif mode == "160000":
            full.mkdir()  # A submodule that is not checked out.
        else:
            full.write_bytes(contents.of(path))
            full.chmod(int(mode, 8) & 0o777)
    git(root, "add", "--all", "--force")
    modules = "".join(f"160000 {'1' * 40}\t{path}\0" for mode, _size, path in entries if mode == "160000")
    git(root, "update-index", "-z", "--index-info", stdin=modules.encode())
    git(root, "commit", "-q", "-m", "Everything")


def _target(path: str, size: int, sizes: dict[str, int]) -> str:
    """What a link of that many bytes can lead to."""
    texts = [posixpath.relpath(other, posixpath.dirname(path) or ".") for other in sorted(sizes)]
    return next((text for text in texts if len(text.encode()) == size), "x" * size)


def django(root: pathlib.Path) -> None:
    """Two releases of Django."""
    _package(root, "Django")


def ansible_core(root: pathlib.Path) -> None:
    """Two releases of ansible-core."""
    _package(root, "ansible-core")


def _init(root: pathlib.Path) -> None:
    root.mkdir(parents=True)
    git(root, "init", "-q", "-b", "main")
    git(root, "config", "gc.auto", "0")


def _package(root: pathlib.Path, name: str) -> None:
    """Each release replaces the one before, in a commit of its own."""
    _init(root)
    for release in ("older", "newer"):
        for old in root.iterdir():
            if old.name != ".git":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        with tarfile.open(fetched(release)[name]) as tar:
            tar.extractall(root, members=_inside(tar), filter="data")
        git(root, "add", "--all", "--force")
        git(root, "commit", "-q", "-m", f"The {release} release")


def _inside(tar: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """The members without the folder that holds them all."""
    members = [one for one in tar.getmembers() if "/" in one.name]
    for one in members:
        one.name = one.name.split("/", 1)[1]
    return members


def fetched(name: str) -> dict[str, pathlib.Path]:
    """The files that sources/NAME.txt pins, by package: from the cache, or downloaded. A file is taken by its hash."""
    pins = dict(re.findall(r"^([\w.-]+)==.*sha256:(\w+)", (SOURCES / f"{name}.txt").read_text(), re.MULTILINE))
    cache = pathlib.Path(os.environ["REPLATFORM_CACHE"], "sources")
    found = _by_hash(cache)
    if not set(pins.values()) <= set(found):
        form = "--only-binary" if name == "imported" else "--no-binary"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += [form, ":all:", "--require-hashes", "-r", str(SOURCES / f"{name}.txt"), "-d", str(cache)]
        subprocess.run(command, check=True)
        found = _by_hash(cache)
    return {package: found[digest] for package, digest in pins.items()}


def _by_hash(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    files = folder.iterdir() if folder.is_dir() else ()
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in files}


def litter(root: pathlib.Path) -> None:
    """Untracked files with names of every kind."""
    for name, content in UNTRACKED.items():
        full = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as handle:
            handle.write(content)
        os.chmod(full, 0o755 if content else 0o600)
