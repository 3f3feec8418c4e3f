# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import fcntl
import hashlib
import os
import resource
import shutil
import stat
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import backup, bundle

ODD = os.fsdecode(b"\xff odd\n")
PATHS = ["a", "link", "run", "same", ODD]
STAMP = "20260102T030405Z-0123456789ab"


def pack(algorithm="sha1", header=b"# v2 git bundle\n", content=b"PACK" + b"p" * 90):
    return header + b"0" * 40 + b" HEAD\n\n" + content + hashlib.new(algorithm, content).digest()


def write_bundle(path):
    with open(path, "wb") as handle:
        handle.write(pack())


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(b"a" * 3000)
    (root / "run").write_bytes(b"")
    (root / "run").chmod(0o755)
    os.symlink("a", root / "link")
    os.link(root / "a", root / "same")
    (root / ODD).write_bytes(b"odd")
    return root


@pytest.fixture
def store(tmp_path):
    store = tmp_path / "store"
    store.mkdir()
    return store


@pytest.fixture
def made(root, store):
    backup.write_backup(str(root), PATHS, str(store / "one"), {"base": "c0"}, write_bundle)
    return store / "one"


def verify(folder, check=lambda path: None):
    return backup.verify_backup(str(folder), check)


def test_every_member_and_the_bundle_are_read_back(made):
    asked = []
    assert verify(made, asked.append) == {
        "members": 5,
        "sha256": hashlib.sha256((made / backup.TAR).read_bytes()).hexdigest(),
        "bytes": (made / backup.TAR).stat().st_size,
        "bundle_sha256": hashlib.sha256((made / backup.BUNDLE).read_bytes()).hexdigest(),
    }
    assert asked == [str(made / backup.BUNDLE)]
    assert backup.find_backup(str(made.parent), {"base": "c0"}).verified == verify(made)


def test_a_manifest_says_what_there_was(root, made):
    header, members = backup.read_manifest(str(made))
    found = {member.pop("path"): member for member in members}
    assert (header["base"], header["members"], header["submodules"]) == ("c0", 5, [])
    assert found == {name: backup.hash_file(str(root / name)) for name in PATHS}
    assert (found["run"]["mode"], found["link"]["target"]) == ("0755", "a")


def test_submodules_are_listed_and_not_copied(root, store):
    (root / "module" / ".git").mkdir(parents=True)
    backup.write_backup(str(root), ["a", "module"], str(store / "one"), {}, write_bundle)
    header, members = backup.read_manifest(str(store / "one"))
    assert (header["submodules"], [member["path"] for member in members]) == (["module"], ["a"])


def test_the_same_tree_makes_the_same_bytes(root, store, made):
    backup.write_backup(str(root), PATHS, str(store / "two"), {"base": "c0"}, write_bundle)
    assert (store / "two" / backup.TAR).read_bytes() == (made / backup.TAR).read_bytes()


def test_only_its_owner_may_read_it(made):
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_tar_and_git_alone_restore_it(tmp_path, store, algorithm):
    root = tmp_path / "root"
    git = ["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "init", "-q", f"--object-format={algorithm}", "-b", "main", root], check=True)
    (root / "odd \n name").write_bytes(b"content")
    os.symlink("odd \n name", root / "link")
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "one"], check=True)
    (root / "untracked").write_bytes(b"untracked")

    def bundled(path):
        subprocess.run([*git, "bundle", "create", "-q", path, "HEAD", "--all"], check=True)

    def check(path):
        subprocess.run([*git, "bundle", "verify", "-q", path], check=True, capture_output=True)

    backup.write_backup(str(root), ["link", "odd \n name", "untracked"], str(store / "one"), {}, bundled)
    verify(store / "one", check)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", store / "one" / backup.BUNDLE, clone], check=True)
    heads = [subprocess.check_output(["git", "-C", one, "rev-parse", "HEAD"]) for one in (root, clone)]
    assert heads[0] == heads[1]
    subprocess.run(["tar", "--zstd", "-xf", store / "one" / backup.TAR, "-C", clone], check=True)
    status = subprocess.check_output(["git", "-C", clone, "status", "--porcelain"])
    assert status == b"?? untracked\n"


@pytest.mark.parametrize("change", ["mode", "more", "less", "torn", "empty", "gone", "header"])
def test_a_manifest_that_differs_is_found(made, change):
    manifest = made / backup.MANIFEST
    text = manifest.read_text()
    if change == "gone":
        manifest.unlink()
    else:
        manifest.write_text(
            {
                "mode": text.replace('"0755"', '"0644"'),
                "more": text + '{"path": "more"}\n',
                "less": "".join(text.splitlines(keepends=True)[:-1]),
                "torn": text[:-20],
                "empty": "",
                "header": text.replace('"tar"', '"car"'),
            }[change]
        )
    with pytest.raises(ReplatformError, match="could not be read back"):
        verify(made)
    assert backup.find_backup(str(made.parent), {}) is None


@pytest.mark.parametrize("name", [backup.TAR, backup.BUNDLE])
@pytest.mark.parametrize("change", ["flip", "cut", "longer"])
def test_every_byte_counts(made, name, change):
    whole = (made / name).read_bytes()
    assert verify(made)
    for place in range(len(whole)):
        spoilt = {
            "flip": whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :],
            "cut": whole[:place],
            "longer": whole + whole[: place + 1],
        }[change]
        (made / name).write_bytes(spoilt)
        with pytest.raises(ReplatformError, match="could not be read back"):
            verify(made)
        os.rename(f"{made}.partial", made)


def test_a_bundle_that_git_refuses_is_found(made):
    def refuse(path):
        raise ReplatformError("git bundle: it needs other commits")

    with pytest.raises(ReplatformError, match="needs other commits"):
        verify(made, refuse)
    assert not made.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pack(), None),
        (pack("sha256", b"# v3 git bundle\n@object-format=sha256\n"), None),
        (pack(content=b"P" * (5 << 19)), None),
        (pack(content=b"P" * ((1 << 20) - 10)), None),
        (pack("sha256"), "differs from its checksum"),
        (pack()[:-1], "differs from its checksum"),
        (pack()[: pack().index(b"PACK") + 5], "differs from its checksum"),
        (pack()[: pack().index(b"PACK")], "differs from its checksum"),
        (pack()[:30], "holds no pack"),
        (b"", "holds no pack"),
    ],
)
def test_a_pack_is_compared_with_its_own_checksum(tmp_path, content, said):
    (tmp_path / "bundle").write_bytes(content)
    if said is None:
        facts = bundle.read_bundle(str(tmp_path / "bundle"))
        assert facts == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    else:
        with pytest.raises(ReplatformError, match=said):
            bundle.read_bundle(str(tmp_path / "bundle"))


def test_a_full_disk_leaves_nothing(root, store):
    (root / "a").write_bytes(os.urandom(1 << 18))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            backup.write_backup(str(root), PATHS, str(store / "one"), {}, write_bundle)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert os.listdir(store) == []


def fail(*_args):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("part", ["bundle", "hash_whole", "write_tar", "write_whole"])
def test_a_part_that_fails_leaves_nothing(root, store, monkeypatch, part):
    if part != "bundle":
        monkeypatch.setattr(backup, part, fail)
    with pytest.raises(OSError, match="No space left"):
        history = fail if part == "bundle" else write_bundle
        backup.write_backup(str(root), PATHS, str(store / "one"), {}, history)
    assert os.listdir(store) == []


@pytest.mark.parametrize("part", ["bundle", "hash_whole", "write_tar", "write_whole", "rename"])
def test_a_kill_leaves_what_the_next_run_removes(root, store, monkeypatch, part):
    def die(*_args):
        os._exit(9)

    child = os.fork()
    if not child:
        with monkeypatch.context() as patched:
            if part != "bundle":
                patched.setattr(backup.os if part == "rename" else backup, part, die)
            backup.write_backup(
                str(root), PATHS, str(store / f"a-{STAMP}"), {}, die if part == "bundle" else write_bundle
            )
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert os.listdir(store) == [f"a-{STAMP}.partial"]
    assert backup.find_backup(str(store), {}) is None
    backup.drop_partial(str(store), "a-")
    assert os.listdir(store) == []


def test_a_backup_of_another_state_is_not_taken(made):
    assert backup.find_backup(str(made.parent), {"base": "c1"}) is None
    assert backup.find_backup(str(made.parent / "none"), {}) is None


def test_a_spoilt_backup_does_not_hide_a_good_one(made):
    shutil.copytree(made, made.parent / "two")
    (made.parent / "two" / backup.MANIFEST).write_text("{")
    (made / backup.VERIFIED).write_text("{")
    found = backup.find_backup(str(made.parent), {"base": "c0"})
    assert (found.folder, found.verified) == (str(made), {})


@pytest.mark.parametrize("prefix", ["a-", "a b\n-", "a.c-"])
def test_only_half_written_backups_of_the_same_name_are_dropped(store, prefix):
    ours = [f"{prefix}{STAMP}.partial", f"{prefix}{STAMP}-77.partial"]
    others = [f"{prefix}b-{STAMP}.partial", f"{prefix}{STAMP}", f"abc-{STAMP}.partial", "b.partial"]
    for name in (*ours, *others):
        (store / name).mkdir()
    backup.drop_partial(str(store), prefix)
    assert sorted(os.listdir(store)) == sorted(others)


def test_what_another_process_is_writing_is_not_dropped(store):
    (store / f"a-{STAMP}.partial").mkdir()
    fd = os.open(store / f"a-{STAMP}.partial", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    backup.drop_partial(str(store), "a-")
    assert os.listdir(store) == [f"a-{STAMP}.partial"]
    os.close(fd)
    backup.drop_partial(str(store), "a-")
    assert os.listdir(store) == []


def test_a_folder_is_marked_while_it_is_written(root, store):
    def look(path):
        backup.drop_partial(str(store), "a-")
        write_bundle(path)

    backup.write_backup(str(root), PATHS, str(store / f"a-{STAMP}"), {}, look)
    assert os.listdir(store) == [f"a-{STAMP}"]
