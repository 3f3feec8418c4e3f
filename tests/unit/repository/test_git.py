# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository import git as git_module
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git, GitError


@pytest.fixture
def git(sandbox):
    return Git(str(sandbox.root))


def test_grep_finds_tracked_and_untracked_text_and_nothing_else(sandbox, git):
    for name, content in {
        "tracked.txt": "see a.old",
        "untracked.txt": "see a.old",
        "ignored.log": "see a.old",
        "binary": b"\0a.old",
        "no.txt": "see aXold",
        "-odd\nname.txt": "a.old",
    }.items():
        sandbox.write(name, content)
    sandbox.write(".gitignore", "*.log\n")
    sandbox.git("add", "tracked.txt", ".gitignore")
    os.symlink("a.old", sandbox.root / "a.link")
    assert git.grep_files([b"a.old", b"nowhere"]) == {"tracked.txt", "untracked.txt", "-odd\nname.txt"}


@pytest.mark.parametrize("words", [[], [b""], [b"nowhere"], [b"\n"]])
def test_grep_of_nothing_finds_nothing(git, words):
    assert git.grep_files(words) == set()


def test_grep_of_words_that_look_like_options_or_are_no_utf8(sandbox, git):
    sandbox.write("one", b"-rf \xff\xfe\n")
    assert git.grep_files([b"-rf"]) == {"one"}
    assert git.grep_files([b"\xff\xfe"]) == {"one"}


@pytest.mark.parametrize("perl", [True, False])
def test_grep_of_many_words_means_each_as_it_is(sandbox, git, monkeypatch, perl):
    if not perl:
        monkeypatch.setattr(git_module, "any_of", lambda _words: [b"("])
    sandbox.write("one", "a.b*c(d|e)[f]$ \\Q")
    sandbox.write("two", "aXb")
    words = [f"word-{number}/of.some-length.txt".encode() for number in range(2000)]
    sandbox.write("last", words[-1])
    assert git.grep_files([*words, b"a.b*c(d|e)[f]$ \\Q", b"a.b"]) == {"one", "last"}


def test_attributes_of_paths_that_are_there_or_not(sandbox, git):
    sandbox.write(".gitattributes", "*.bat text eol=crlf\n/archive/** -text\n*.bin filter=lfs\n")
    found = git.attributes(["a.bat", "archive/a.bat", "x\ny.bin", "plain"])
    assert found["a.bat"] == ("set", "crlf", "unspecified", "unspecified", "unspecified", "unspecified")
    assert found["archive/a.bat"][:2] == ("unset", "crlf")
    assert found["x\ny.bin"][3] == "lfs"
    assert set(found["plain"]) == {"unspecified"}
    assert git.attributes([]) == {}
    assert git.attributes(["plain", "plain"]) == {"plain": found["plain"]}


def test_recent_counts_people_and_not_runs(sandbox, git):
    env = {**os.environ, "GIT_COMMITTER_DATE": "2001-01-01T00:00:00Z"}
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--amend", "--no-edit"]
    subprocess.run(command, cwd=sandbox.root, env=env, check=True)
    for name, message in {"new\nname.txt": "new", "moved.txt": "moves\n\nReplatform-Run: r.1"}.items():
        sandbox.write(name, "n")
        sandbox.commit(message)
    assert git.recent(14) == {"new\nname.txt"}
    assert "README.md" in git.recent(36500)
    assert git.recent(0) == set()


def test_recent_in_a_repository_without_commits(tmp_path):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert Git(str(tmp_path)).recent(14) == set()


def test_an_object_is_named_as_git_would_store_it(sandbox, git):
    sandbox.write(".gitattributes", "*.bat text eol=crlf\n")
    one = git.hash_object(b"a\r\n", "x.bat", filters=True, write=False)
    assert one == git.hash_object(b"a\n", "x.bat", filters=False, write=True)
    assert sandbox.git("cat-file", "-p", one) == "a\n"
    sandbox.write("x.bat", b"a\r\n")
    sandbox.git("add", "x.bat", ".gitattributes")
    assert one in sandbox.git("ls-files", "-s", "x.bat")


def test_a_remote_that_does_not_answer_is_given_up(sandbox, git, monkeypatch):
    sandbox.git("config", "protocol.ext.allow", "always")
    sandbox.git("remote", "add", "origin", "ext::sleep 600")
    monkeypatch.setattr(git_module, "LOOK_S", 0.2)
    with pytest.raises(GitError, match="no answer within 0.2 s"):
        git.remote_head("origin", "main")


def test_a_remote_is_reached_with_the_persons_own_configuration(sandbox, git, tmp_path, monkeypatch):
    bare = tmp_path / "remote.git"
    subprocess.run(["git", "clone", "-q", "--bare", sandbox.root, bare], check=True)
    (tmp_path / "config").write_text(f'[url "{bare}"]\n\tinsteadOf = company:platform\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    assert git.remote_head("company:platform", "main") == sandbox.git("rev-parse", "main").strip()
    assert git.remote_head("company:platform", "ain") == ""


@pytest.mark.parametrize(
    "url", ["https://ada:pa%40ss@example.com/x", "https://token@example.com/x", "ssh://a:b@c@example.com/x"]
)
def test_what_git_says_holds_no_credentials(url):
    with pytest.raises(GitError) as caught:
        git_module._judge("push", 1, b"", f"fatal: unable to access '{url}'\nmore".encode())
    assert "://example.com/x" in str(caught.value)
    assert "\n" not in str(caught.value)
