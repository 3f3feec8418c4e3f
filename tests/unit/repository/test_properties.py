# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display, fold, stays_inside
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .conftest import Sandbox

# Any bytes that a file system takes for a name, often with the ending that a rule looks for.
NAME = st.builds(
    lambda stem, ending: stem + ending,
    st.one_of(
        st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"_")),
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=8).map(
            str.encode
        ),
        st.sampled_from(
            [b"-a", b"--", b"a b", b"a\nb", b"'", b'"', b"\\", b"*", b"[a]", b"!a", b"#a", b"\xff", b"Archive"]
        ),
    ),
    st.sampled_from([b"", b".old", b"_deprecated.py"]),
).filter(lambda name: name not in (b".", b"..") and name.lower() != b".git")
PATH = st.lists(NAME, min_size=1, max_size=4).map(b"/".join)
FILE = st.tuples(PATH, st.binary(max_size=40), st.booleans())


def fill(box: Sandbox, files: list[tuple[bytes, bytes, bool]]) -> None:
    for path, content, runs in files:
        full = os.path.join(os.fsencode(box.root), path)
        try:
            box.write(path, content)
            os.chmod(full, 0o755 if runs else 0o644)
        except (NotADirectoryError, IsADirectoryError, FileExistsError):
            continue  # Two paths of the example cannot both be: the first stays.


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([(b"\xff/a b.old", b"x", True), (b"a\nb.old", b"", False)])
@given(st.lists(FILE, max_size=8))
def test_any_tree_is_archived_without_loss_or_refused_without_a_trace(files):
    with tempfile.TemporaryDirectory() as folder:
        box = Sandbox(pathlib.Path(folder))
        box.root.mkdir()
        box.git("init", "-q", "-b", "main")
        box.write("README.md", "read me\n")
        fill(box, files)
        box.commit()
        before = box.state()
        try:
            result = box.archive()
        except RefusedError as exc:
            assert "\n" not in str(exc)
            assert box.state() == before
            return
        after = box.state()
        assert sorted(map(repr, after["files"].values())) == sorted(map(repr, before["files"].values()))
        assert after["status"] == ""
        assert result["moved"] == len(after["files"].keys() - before["files"].keys())
        assert not box.archive()["changed"]
        shutil.rmtree(box.backups, ignore_errors=True)


@given(st.binary(max_size=20).map(lambda raw: os.fsdecode(raw.replace(b"\0", b""))))
def test_any_path_can_be_shown_and_folded(path):
    display(path).encode("utf-8")
    assert fold(fold(path)) == fold(path)


@given(st.lists(st.sampled_from(["a", "..", ".", "", ".git", ".GIT", "b"]), min_size=1, max_size=4))
def test_no_path_leads_outside(parts):
    path = "/".join(parts)
    if stays_inside(path):
        assert os.path.normpath(os.path.join("/r", path)) == f"/r/{path}"
        assert ".git" not in path.lower().split("/")
