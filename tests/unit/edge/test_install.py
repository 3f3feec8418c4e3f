# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Role edge fetches a release of Traefik from a mirror on a host in a network namespace; what is not what it should be is not installed."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import tarfile
import typing as t

import pytest
import yaml
from local_http import LocalHttp

from . import netns
from .test_role import play, prepared

pytestmark = pytest.mark.slow

VERSION = "3.7.15"
ARCHIVE = f"traefik_v{VERSION}_linux_amd64.tar.gz"
SUMS = f"/v{VERSION}/traefik_v{VERSION}_checksums.txt"
WRONG = "0" * 64


class Mirror(http.server.BaseHTTPRequestHandler):
    """Serves RV(files) by their paths."""

    files: t.ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        body = self.files.get(self.path, b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: t.Any) -> None:
        pass


def release() -> bytes:
    archive, binary = io.BytesIO(), b"#!/bin/sh\n"
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        member = tarfile.TarInfo("traefik")
        member.size, member.mode = len(binary), 0o755
        tar.addfile(member, io.BytesIO(binary))
    return archive.getvalue()


@pytest.fixture(name="mirror")
def mirror_fixture(tmp_path):
    """The host, its mirror, and the checksum of what that has."""
    netns.require()
    host, archive = prepared(tmp_path), release()
    known = {"files": {f"/v{VERSION}/{ARCHIVE}": archive}}
    server = host.namespace.within(lambda: LocalHttp(Mirror, known))
    yield host, server.url, known["files"], hashlib.sha256(archive).hexdigest()
    server.stop()
    host.end()


def install(host, tmp_path, url, tasks="main", **changes):
    """See play(); O(tasks) are those of the role."""
    role = {"name": "sophia.replatform.edge", "tasks_from": tasks}
    steps = [{"name": "Go", "ansible.builtin.include_role": role}]
    text = yaml.safe_dump([{"hosts": "edge", "gather_facts": False, "tasks": steps}])
    (tmp_path / "install.yml").write_text(text)
    return play(host, tmp_path, "install.yml", edge_release_url=url, edge_version=VERSION, **changes)


def left(tmp_path):
    """What lies where the role installs; systemctl, which only answers, writes down what it is asked there."""
    folders = [tmp_path / name for name in ("bin", "edge", "state", "edge.service.d")]
    return {path.name for folder in folders for path in folder.rglob("*")} - {"systemctl", "asked"}


@pytest.mark.parametrize(
    ("pinned", "variables"),
    [(f"sha256:{WRONG}", "edge_release_url, edge_version, edge_checksum"), ("", "edge_release_url, edge_version")],
)
def test_a_release_with_another_checksum_is_refused_and_nothing_is_installed(mirror, tmp_path, pinned, variables):
    host, url, files, checksum = mirror
    files[SUMS] = f"{checksum if pinned else WRONG}  {ARCHIVE}\n".encode()
    said, changed, failed = install(host, tmp_path, url, edge_checksum=pinned)
    assert (changed, failed) == (0, 1), said
    line = re.findall(r'^fatal: .*"msg": "(.*)"}$', said, re.MULTILINE)[-1]
    assert line == (
        f"{ARCHIVE} from {url}/v{VERSION} ({variables}) was not installed: The checksum of the fetched file did not match"
        f" {WRONG}; it was {checksum}."
    )
    assert left(tmp_path) == set() and (tmp_path / "edge.service").read_text() == ""
    asked = (tmp_path / "bin/asked").read_text().splitlines()
    assert [one for one in asked if not one.startswith("show")] == []


def test_the_release_with_its_checksum_is_installed(mirror, tmp_path):
    host, url, files, checksum = mirror
    files[SUMS] = f"{checksum}  {ARCHIVE}\n".encode()
    said, _changed, failed = install(host, tmp_path, url, "install")
    assert failed == 0, said
    assert left(tmp_path) == {f"traefik-{VERSION}"}
