"""Several releases from the same sources, faults that tests ask for, and a mirror that fails as it is told."""

from __future__ import annotations

import http.client
import subprocess
import sys
import threading
from pathlib import Path

import faulty_mirror
import pack
import pytest
from k3s_standin import faults, programs, version
from k3s_standin.settings import resolve

PACKAGE = Path(pack.__file__).parent / "k3s_standin"


def test_a_packed_release_says_its_own_version_and_differs_from_the_others(tmp_path):
    for name in ("v1.35.7+k3s1", "v1.37.0+k3s1"):
        pack.executable(PACKAGE, tmp_path / name, name)
        said = subprocess.run([sys.executable, tmp_path / name, "-v"], capture_output=True, text=True, check=True)
        assert said.stdout.startswith(f"k3s version {name} (")
    assert (tmp_path / "v1.35.7+k3s1").read_bytes() != (tmp_path / "v1.37.0+k3s1").read_bytes()


def test_every_release_of_the_mirror_can_be_written_into_the_kubelet():
    releases = (Path(pack.__file__).parents[1] / "releases").read_text()
    [line] = [line for line in releases.splitlines() if line.startswith("k3s_versions=(")]
    names = line.partition("(")[2].rstrip(")").split()
    assert names[0] == version.VERSION == version.BUILT and len(names) == len(set(names)) > 2
    assert all(len(name) == len(version.BUILT) for name in names)


def test_the_kubelet_tells_the_version_of_the_release(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/kubelet").write_bytes(b"\x7fELF v1.20.2+k3s1 and v1.20.2+k3s1\0rest")
    settings = resolve("server", {"node-ip": ["10.0.0.1"], "data-dir": str(tmp_path / "data")})
    assert programs.kubelet(settings, tmp_path / "bin") == tmp_path / "bin/kubelet"
    for name in ("v1.35.6+k3s1", "v1.35.7+k3s1"):
        monkeypatch.setattr(version, "VERSION", name)
        made = programs.kubelet(settings, tmp_path / "bin")
        assert made.read_bytes() == b"\x7fELF %b and %b\0rest" % (name.encode(), name.encode())
        assert made.stat().st_mode & 0o111
    assert [p.name for p in (tmp_path / "data/data").iterdir()] == ["v1.35.7+k3s1"]


@pytest.mark.parametrize("wanted, said", [("v1.9.1+k3s1", "not as long"), ("v1.35.7+k3s1", "does not hold")])
def test_a_kubelet_that_cannot_tell_it_is_refused(wanted, said):
    with pytest.raises(ValueError, match=said):
        programs.renamed(b"something else", version.BUILT, wanted)


def test_faults_are_read_and_an_unknown_one_is_an_error(tmp_path):
    file = tmp_path / "faults"
    assert faults.read(file) == {}
    file.write_text("start-delay: 3\nfail-start: {v1.35.7+k3s1: it does not work}\nnot-voter: [two]\n")
    read = faults.read(file)
    assert faults.start_failure(read, "v1.35.7+k3s1") == "it does not work"
    assert faults.start_failure(read, "v1.35.6+k3s1") == ""
    assert faults.start_failure({"fail-start": "always"}, "v1.35.6+k3s1") == "always"
    assert faults.not_voters(read) == {"two"}
    for text in ("start-delya: 3\n", "- a\n"):
        file.write_text(text)
        with pytest.raises(ValueError, match="unknown: "):
            faults.read(file)


@pytest.fixture
def mirror(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r/k3s").write_bytes(b"0123456789" * 10)
    (tmp_path / "r/sha256sum-amd64.txt").write_text("sum  k3s\n")
    (tmp_path.parent / "outside").write_text("secret")
    made = faulty_mirror.Mirror(tmp_path)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.close()


def ask(mirror, path):
    connection = http.client.HTTPConnection("127.0.0.1", mirror.server_address[1], timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_mirror_with_each_fault(mirror):
    whole = b"0123456789" * 10
    assert ask(mirror, "/plain/r/k3s") == (200, whole)
    assert ask(mirror, "/slow-1000/r/k3s") == (200, whole)
    status, content = ask(mirror, "/changed/r/k3s")
    assert status == 200 and len(content) == len(whole) and content != whole
    with pytest.raises(http.client.IncompleteRead):
        ask(mirror, "/cut/r/k3s")
    for fault in ("changed", "cut"):
        assert ask(mirror, f"/{fault}/r/sha256sum-amd64.txt") == (200, b"sum  k3s\n")


@pytest.mark.parametrize("path", ["/plain/r/nothing", "/other/r/k3s", "/plain/../outside", "/plain/r", "/slow-x/r/k3s"])
def test_nothing_else_is_served(mirror, path):
    assert ask(mirror, path)[0] == 404


def test_a_silent_mirror_does_not_answer(mirror):
    connection = http.client.HTTPConnection("127.0.0.1", mirror.server_address[1], timeout=0.2)
    connection.request("GET", "/silent/r/k3s")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
