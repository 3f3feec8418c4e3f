"""The same files give the same archive, and it still says of itself what is in it."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import runpy
import tarfile

from hypothesis import given
from hypothesis import strategies as st

MAIN = runpy.run_path(str(pathlib.Path(__file__).resolve().parents[3] / "tools/same_archive"))["main"]
TIME = 1795431199
NAMES = st.lists(st.from_regex(r"[a-z]{1,8}(/[a-z]{1,8})?", fullmatch=True), min_size=1, unique=True)


def written(path: pathlib.Path, files: dict[str, bytes], time: int) -> None:
    """An archive as ansible-galaxy writes it, its files in the order in which they are given."""
    listed = [{"name": name, "chksum_sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()]
    whole = json.dumps({"files": listed, "format": 1}, indent=4).encode()
    entry = {"name": "FILES.json", "chksum_sha256": hashlib.sha256(whole).hexdigest()}
    manifest = json.dumps({"collection_info": {"name": "x"}, "file_manifest_file": entry}, indent=4).encode()
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"MANIFEST.json": manifest, "FILES.json": whole, **files}.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(content), time, 0o644
            archive.addfile(info, io.BytesIO(content))


def packed(path: pathlib.Path) -> bytes:
    MAIN(path, TIME)
    return path.read_bytes()


def read(path: pathlib.Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive}


def test_the_order_on_the_disk_and_the_time_do_not_matter(tmp_path: pathlib.Path) -> None:
    files = {"roles/b": b"b", "README.md": b"read me", "a": b""}
    written(tmp_path / "one.tar.gz", files, 1)
    written(tmp_path / "two.tar.gz", dict(reversed(files.items())), 2)
    one = packed(tmp_path / "one.tar.gz")
    assert one == packed(tmp_path / "two.tar.gz")
    assert int.from_bytes(one[4:8], "little") == TIME  # gzip's own time, RFC 1952


def test_another_content_is_another_archive(tmp_path: pathlib.Path) -> None:
    written(tmp_path / "one.tar.gz", {"a": b"1"}, 1)
    written(tmp_path / "two.tar.gz", {"a": b"2"}, 1)
    assert packed(tmp_path / "one.tar.gz") != packed(tmp_path / "two.tar.gz")


@given(names=NAMES)
def test_it_holds_what_it_held_and_its_lists_agree(tmp_path_factory, names: list[str]) -> None:
    files = {name: name.encode() for name in names}
    path = tmp_path_factory.mktemp("archive") / "x.tar.gz"
    written(path, files, 1)
    packed(path)
    now = read(path)
    assert list(now)[:2] == ["FILES.json", "MANIFEST.json"]
    assert {name: content for name, content in now.items() if name in files} == files
    listed = json.loads(now["FILES.json"])["files"]
    assert [one["name"] for one in listed] == sorted(files)
    assert all(hashlib.sha256(now[one["name"]]).hexdigest() == one["chksum_sha256"] for one in listed)
    manifest = json.loads(now["MANIFEST.json"])
    assert manifest["file_manifest_file"]["chksum_sha256"] == hashlib.sha256(now["FILES.json"]).hexdigest()
