# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import io
import os
import subprocess
import tarfile

import pytest
import zstandard
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import tarball
from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import hash_file
from ansible_collections.sophia.replatform.plugins.module_utils.repository.files import Hashed

DEEP = "/".join(["folder-of-some-length"] * 20)
NAMES = {
    "-rf": b"a leading dash",
    " two  spaces ": b"",
    "new\nline\ttab": b"x" * 511,
    "quote'\"$`\\": b"x" * 512,
    os.fsdecode(b"latin-\xe9-\xff"): b"x" * 513,
    "emoji-\U0001f409": b"\0" * 5000,
    "n" * 99: b"99",
    "n" * 100: b"100",
    "n" * 101: b"101",
    "n" * 255: b"255",
    f"{DEEP}/file": b"deep",
    f"{DEEP}/" + "\u00e9" * 127: b"deep and long",
    "large": bytes(range(256)) * 4096 * 3 + b"and not a multiple of anything",
}
LINKS = {
    "loop": "loop",
    "nowhere": os.fsdecode(b"gone/\xff"),
    "target-100": "t" * 100,
    "target-101": "t" * 101,
    "l" * 150: "../" * 300 + "far",
}
MODES = {"-rf": 0o755, "n" * 101: 0o4711, "large": 0o600}
TIMES = {"-rf": 0, "n" * 99: -86400, "n" * 100: 9_000_000_000, "n" * 101: 1_700_000_000}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for name, content in NAMES.items():
        os.makedirs(os.path.dirname(root / name), exist_ok=True)
        (root / name).write_bytes(content)
        (root / name).chmod(MODES.get(name, 0o644))
        if name in TIMES:
            os.utime(root / name, (0, TIMES[name]))
    for name, target in LINKS.items():
        os.symlink(target, root / name)
    return root


def pack(root, paths):
    raw = io.BytesIO()
    members, repositories = tarball.write_tar(str(root), paths, Hashed(raw))
    return raw.getvalue(), members, repositories


def unpack(data):
    return list(tarball.read_tar(Hashed(io.BytesIO(data))))


def test_what_is_written_is_read_back(tree):
    paths = sorted([*NAMES, *LINKS])
    data, members, _repositories = pack(tree, paths)
    assert unpack(data) == members
    assert members == [{"path": path, **hash_file(os.path.join(tree, path))} for path in paths]


def test_the_standard_library_reads_the_same(tree):
    data, members, _repositories = pack(tree, sorted([*NAMES, *LINKS]))
    plain = zstandard.ZstdDecompressor().stream_reader(data).read()
    assert len(plain) % 10240 == 0
    with tarfile.open(fileobj=io.BytesIO(plain), encoding="utf-8", errors="surrogateescape") as tar:
        infos = tar.getmembers()
        assert [info.name for info in infos] == [member["path"] for member in members]
        for info in infos:
            found = os.lstat(tree / info.name)
            assert (info.mode, info.mtime) == (found.st_mode & 0o7777, found.st_mtime_ns // 10**9)
            assert (info.uid, info.gid) == (found.st_uid, found.st_gid)
            if info.name in LINKS:
                assert (info.type, info.linkname) == (tarfile.SYMTYPE, LINKS[info.name])
            else:
                assert tar.extractfile(info).read() == NAMES[info.name]


def test_the_tar_program_restores_it(tree, tmp_path):
    data, members, _repositories = pack(tree, sorted([*NAMES, *LINKS]))
    (tmp_path / "packed").write_bytes(data)
    restored = tmp_path / "restored"
    restored.mkdir()
    for folder, what in ((restored, "--extract"), (tree, "--compare")):
        subprocess.run(["tar", "--zstd", what, "-f", tmp_path / "packed"], cwd=folder, check=True)
    assert members == [{"path": member["path"], **hash_file(str(restored / member["path"]))} for member in members]
    assert all(int(os.lstat(restored / name).st_mtime) == time for name, time in TIMES.items())


def test_what_is_no_file_is_left_out_and_repositories_are_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for folder in ("folder", "empty", "nested/.git"):
        os.makedirs(tmp_path / folder)
    (tmp_path / "folder" / "a").write_bytes(b"a")
    data, members, repositories = pack(tmp_path, ["empty", "folder", "folder/a", "gone", "nested", "pipe"])
    assert ([member["path"] for member in members], repositories) == (["folder/a"], ["empty", "nested"])
    assert unpack(data) == members


def test_what_was_tracked_in_a_folder_that_is_none_any_more_is_left_out(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a").write_bytes(b"not ours")
    os.symlink("elsewhere", tmp_path / "link")
    (tmp_path / "file").write_bytes(b"")
    data, members, _repositories = pack(tmp_path, ["file", "file/a", "link", "link/a", "link/deep/b"])
    assert [member["path"] for member in members] == ["file", "link"]
    assert unpack(data) == members


def test_a_file_that_becomes_shorter_meanwhile_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"a" * 100)
    whole = os.open

    def cut(path, *args):
        os.truncate(path, 50)
        return whole(path, *args)

    monkeypatch.setattr(tarball.os, "open", cut)
    with pytest.raises(ReplatformError, match="a became shorter"):
        pack(tmp_path, ["a"])


def test_a_file_that_grows_meanwhile_is_cut_where_it_was(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"a" * 100)
    (tmp_path / "b").write_bytes(b"b")
    whole = os.open

    def grow(path, *args):
        with open(path, "ab") as handle:
            handle.write(b"more")
        return whole(path, *args)

    with monkeypatch.context() as patched:
        patched.setattr(tarball.os, "open", grow)
        data, _members, _repositories = pack(tmp_path, ["a", "b"])
    assert [(member["path"], member["size"]) for member in unpack(data)] == [("a", 100), ("b", 1)]


def damaged(change):
    """A tar whose first header, or whose end, is other than it should be, compressed as it should be."""
    info = tarfile.TarInfo("a")
    plain = bytearray(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    change(plain)
    return zstandard.ZstdCompressor().compress(bytes(plain))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plain: None, None),
        (lambda plain: plain.__setitem__(0, ord("b")), "bad checksum"),
        (lambda plain: plain.__setitem__(300, 1), "bad checksum"),
        (lambda plain: plain.__setitem__(slice(148, 156), b"12x4567\0"), "something else than a number"),
        (lambda plain: plain.__setitem__(-1, 1), "something follows its last member"),
        (lambda plain: plain.__delitem__(slice(500, None)), "cut short"),
        (lambda plain: plain.__delitem__(slice(512, None)), "cut short"),
    ],
)
def test_a_damaged_tar_is_refused(change, said):
    if said is None:
        assert [member["path"] for member in unpack(damaged(change))] == ["a"]
    else:
        with pytest.raises(ReplatformError, match=said):
            unpack(damaged(change))


def test_a_file_of_more_than_eight_gibibytes_is_read_by_its_size():
    info = tarfile.TarInfo("a")
    info.size = 9 << 33
    packed = zstandard.ZstdCompressor().compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(5000))
    with pytest.raises(ReplatformError, match="cut short"):
        unpack(packed)


def test_memory_does_not_grow_with_a_file(tmp_path):
    script = (
        "import resource, sys\n"
        "from ansible_collections.sophia.replatform.plugins.module_utils.repository import files, tarball\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "def both(path):\n"
        "    with open(sys.argv[2], 'wb') as raw:\n"
        "        tarball.write_tar(sys.argv[1], [path], files.Hashed(raw))\n"
        "    with open(sys.argv[2], 'rb') as raw:\n"
        "        assert len(list(tarball.read_tar(files.Hashed(raw)))) == 1\n"
        "both('small')\n"
        "before = peak()\n"
        "both('large')\n"
        "assert peak() - before < 16 * 1024, (before, peak())\n"
    )
    for name, size in (("small", 32 << 20), ("large", 160 << 20)):
        with open(tmp_path / name, "wb") as handle:
            handle.truncate(size)
    env = {**os.environ, "PYTHONPATH": "collections"}
    subprocess.run(["python", "-c", script, tmp_path, tmp_path / "out"], env=env, check=True)
