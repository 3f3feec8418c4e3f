# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for any repository. With HYPOTHESIS_PROFILE=soak far more of them are tried (make soak)."""

from __future__ import annotations

import collections
import contextlib
import os
import pathlib
import re
import tempfile
import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.repository.contents import look_inside
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Intent
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display, fold, stays_inside
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier, parse_rules
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import listing, survey
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from .conftest import PROTECTED, RULES, Sandbox
from .strategies import EVERYTHING, Tree, trees

pytestmark = pytest.mark.slow

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
ON_REFERENCE = st.sampled_from(["keep", "keep", "rewrite"])
WRITTEN = ("archive/README.md", "archive/manifest.json")
STATUS = ("status", "--porcelain", "--untracked-files=all")
# What a run calls that a kill can come between.
CALLS = ("rename", "replace", "fsync", "unlink", "symlink", "rmdir", "makedirs")
State = t.Dict[str, t.Any]


def some(examples: int) -> settings:
    return settings(
        max_examples=examples * 40 if SOAK else examples,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )


@contextlib.contextmanager
def planted(tree: Tree) -> t.Iterator[Sandbox]:
    with tempfile.TemporaryDirectory() as folder:
        box = Sandbox(pathlib.Path(folder, "one"))
        box.root.parent.mkdir()
        tree.plant(box)
        yield box


def refused(box: Sandbox, **how: t.Any) -> bool:
    """Whether a run is refused; then it is so in one line and without a trace. Otherwise nothing has been done yet."""
    before = box.state()
    try:
        box.archive(check_mode=True, **how)
    except RefusedError as exc:
        event(f"refused: {re.split('[:(]', str(exc))[0]}")
        assert len(str(exc).splitlines()) == 1
        with pytest.raises(RefusedError, match=re.escape(str(exc))):
            box.archive(**how)
        return True
    finally:
        assert box.state() == before
        assert not box.backups.exists()
    return False


def came_from(before: State, after: State) -> dict[str, str]:
    """New path to old, by the promise that an archived file keeps its path and a script of the root its name."""
    found = {}
    for path in after["files"].keys() - before["files"].keys() - set(WRITTEN):
        parts = path.split("/", 2)
        assert parts[0] in ("archive", "scripts") and len(parts) == 3
        found[path] = parts[2]
    return found


def contents(state: State, left_out: t.Collection[str]) -> collections.Counter:
    """The modes and contents of the files, as often as they are there; of links only the mode."""
    return collections.Counter(
        found if isinstance(found[1], bytes) else found[0]
        for path, found in state["files"].items()
        if path not in left_out and found != (0, "an empty folder")
    )


def ends(box: Sandbox, state: State, origin: t.Mapping[str, str]) -> dict[str, object]:
    """What each link, by its first path, leads to: a content, a folder, or nothing."""
    found: dict[str, object] = {}
    for path in state["files"]:
        full = os.path.join(box.root, path)
        if os.path.islink(full):
            found[origin.get(path, path)] = (
                pathlib.Path(full).read_bytes() if os.path.isfile(full) else os.path.isdir(full)
            )
    return found


def broken(box: Sandbox) -> t.Sequence[object]:
    """What the audit after a run calls broken."""
    git = Git(str(box.root))
    seen = survey(git, Classifier(parse_rules(RULES), PROTECTED), Intent(), *listing(git))
    return look_inside(git, seen).broken


@some(10)
@example(EVERYTHING, "keep")
@example(EVERYTHING, "rewrite")
@given(trees(), ON_REFERENCE)
def test_any_tree_is_organised_without_loss_and_restored_or_refused_without_a_trace(tree, on_reference):
    with planted(tree) as box:
        before, status, named = box.state(), box.git(*STATUS), tree.named(box)
        links = ends(box, before, {})
        if refused(box, on_reference=on_reference):
            return
        forecast = box.archive(check_mode=True, on_reference=on_reference)
        event(f"{forecast['moved']} moved, {len(forecast['rewritten'])} rewritten, {len(forecast['kept'])} kept")
        assert not (box.root / ".git" / "replatform").exists()
        result = box.archive(on_reference=on_reference)
        assert (forecast["changed"], forecast["diff"]) == (result["changed"], result["diff"])
        after = box.state()
        origin = came_from(before, after)
        edited = {one["path"] for one in result["rewritten"]}
        rewritten = {path for path in after["files"] if display(path) in edited}
        assert on_reference == "rewrite" or not rewritten
        kept = contents(before, {*WRITTEN, *(origin.get(path, path) for path in rewritten)})
        assert contents(after, {*WRITTEN, *rewritten}) == kept
        assert len(origin) == (result["moved"] if result["changed"] else 0)
        assert ends(box, after, origin) == links
        assert tree.named(box) == named
        assert broken(box) == []
        assert box.git(*STATUS) == status
        assert box.git("fsck", "--no-dangling") == ""
        assert not box.archive(on_reference=on_reference)["changed"]
        assert box.state() == after
        box.restore()
        restored = box.state()
        assert {key: restored[key] for key in ("files", "tree", "status")} == {
            key: before[key] for key in ("files", "tree", "status")
        }
        assert not box.restore()["changed"]


class Deadly(Journal):
    """A journal that ends its process, as SIGKILL would, at one of its records."""

    def __init__(self, records: int) -> None:
        super().__init__(None, "repository", "test")
        self.left = records

    def write(self, step: str, event: str, data: t.Mapping[str, t.Any] | None = None) -> dict[str, t.Any]:
        if self.left == 0:
            os._exit(9)
        self.left -= 1
        return super().write(step, event, data)


def die_at(call: str, count: int) -> None:
    """Make this process end instead of its O(count)th call of a function of C(os)."""
    real = getattr(os, call)
    left = [count]

    def deadly(*args: t.Any, **kwargs: t.Any) -> t.Any:
        if left[0] == 0:
            os._exit(9)
        left[0] -= 1
        return real(*args, **kwargs)

    setattr(os, call, deadly)


def killed(box: Sandbox, state: str, on_reference: str, record: int, call: tuple[str, int] | None) -> None:
    """A run in a process of its own, which is killed at the latest at one record of its journal."""
    child = os.fork()
    if child == 0:
        try:
            box.journal = Deadly(record)
            if call:
                die_at(*call)
            box.archive(state=state, on_reference=on_reference)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


@some(8)
@example(EVERYTHING, "rewrite", "organised", 11, None)
@example(EVERYTHING, "rewrite", "restored", 12, ("rename", 3))
@given(
    trees(),
    ON_REFERENCE,
    st.sampled_from(["organised", "organised", "restored"]),
    st.integers(0, 40),
    st.one_of(st.none(), st.tuples(st.sampled_from(CALLS), st.integers(0, 6))),
)
def test_killed_anywhere_and_run_again_any_tree_ends_the_same(tree, on_reference, state, record, call):
    with planted(tree) as box:
        if refused(box, on_reference=on_reference):
            return
        before = box.state()
        other = box.twin(box.root.parent.parent / "two")
        for one in (box, other) if state == "restored" else ():
            one.archive(on_reference=on_reference)
        steps = box.archive(state=state, on_reference=on_reference)["steps"]
        killed(other, state, on_reference, record % (2 * len(steps) + 1), call)
        other.archive(state=state, on_reference=on_reference)
        assert other.state() == box.state()
        assert not [name for name in os.listdir(other.backups) if name.endswith(".partial")] if steps else True
        other.restore()
        assert (other.state()["files"], other.state()["tree"]) == (before["files"], before["tree"])


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
