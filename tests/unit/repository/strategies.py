# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Trees of every kind that git and a file system take, for property tests; the rules are those of conftest."""

from __future__ import annotations

import os
import re
import typing as t
from dataclasses import dataclass

from hypothesis import strategies as st

from .conftest import Sandbox

STEMS = st.one_of(
    st.binary(min_size=1, max_size=10).map(lambda raw: raw.replace(b"\0", b"0").replace(b"/", b"_")),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=6).map(str.encode),
    st.sampled_from(
        [
            b"-a",
            b"--",
            b"a b",
            b" ",
            b"a\nb",
            b"\n",
            b"\t",
            b"'",
            b'"',
            b"\\",
            b"*",
            b"[a]",
            b"?",
            b"!a",
            b"#a",
            b"$(a)",
        ]
    ),
    st.sampled_from([b"\xff", b"\xc3", b"\x1b[31m", b"\xe2\x80\xae", b"plain", b"deploy_it", b"memory", "😀".encode()]),
)
ENDINGS = st.sampled_from([b"", b".old", b".old", b".backup", b"_deprecated.py", b"_deprecated.py", b".txt", b".sh"])
TAKEN = (b".", b"..", b".git", b".gitattributes", b".gitmodules")
STEMS = STEMS.map(lambda name: b"taken" if name.lower() in TAKEN else name)
SHORT = st.builds(lambda stem, ending: stem + ending, STEMS, ENDINGS)
LONG = st.sampled_from([b"x" * 251 + b".old", "é".encode() * 125 + b".old", b"y" * 255])
NAMES = st.one_of(SHORT, SHORT, SHORT, SHORT, LONG)
FOLDERS = st.one_of(
    st.just(b""),
    st.lists(STEMS, min_size=1, max_size=3).map(b"/".join),
    st.sampled_from([b"crlf", b"raw", b"lfs", b"rot", b"/".join([b"deep"] * 60), b"tests", b"a", b"a/b"]),
)


def below(names: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Paths to such names."""
    return st.builds(os.path.join, FOLDERS, names)


PATHS = below(NAMES)
CONTENTS = st.one_of(
    st.just(b""),
    st.binary(max_size=30),
    st.sampled_from([b"one\ntwo\n", b"one\r\ntwo\r\n", b"one\ntwo\r\n", b"\0\r\n", b"$Id$\n"]),
)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12\n" % (b"0" * 64)
# What a folder's name says of its files; the filters are programs of the repository's own configuration.
ATTRIBUTES = (
    b"*.txt text eol=crlf\n/crlf/** text eol=crlf\n/raw/** -text\n/lfs/** filter=lfs diff=lfs merge=lfs -text\n"
    b"/rot/** filter=rot\n.gitattributes -filter\n"
)
FILTERS = {"lfs.clean": "cat", "lfs.smudge": "cat", "rot.clean": "tr a-z n-za-m", "rot.smudge": "tr a-z n-za-m"}
# Pairs that a file system which ignores case, or Unicode's form, takes for one.
TWINS = (
    (b"Readme.old", b"README.old"),
    ("é.old".encode(), "e\u0301.old".encode()),
    (b"a/X.old", b"A/x.old"),
    ("ß.old".encode(), b"ss.old"),
)


@dataclass(frozen=True)
class Use:
    """A file that uses another: what it says, with C(%s) for the other's path, and how that path is found in it."""

    user: str
    says: bytes
    pattern: bytes
    folder: str = ""


USES = (
    Use("run_all.sh", b"./%s\n", rb"^\./(\S+)"),
    Use("Makefile", b"check:\n\tsh %s\n", rb"\tsh (\S+)"),
    Use(".github/workflows/ci.yml", b"jobs:\n  a:\n    steps:\n      - run: sh ./%s\n", rb"sh \./(\S+)"),
    Use("docs/guide.md", b"[it](../%s)\n", rb"\(([^)]+)\)", "docs"),
    Use("Dockerfile", b"FROM scratch\nCOPY %s /x\n", rb"COPY (\S+)"),
)


@dataclass(frozen=True)
class Tree:
    """A repository to be: tracked, untracked and ignored files, links, submodules, nested repositories, and who uses what."""

    files: t.Mapping[bytes, tuple[bytes, bool]]
    links: t.Mapping[bytes, bytes]
    untracked: t.Mapping[bytes, bytes]
    ignored: t.Sequence[bytes]
    uses: t.Sequence[Use]
    used: bytes
    attributes: bool
    module: bytes
    nested: bytes

    def plant(self, box: Sandbox) -> None:
        """Make it, in a folder that is not there yet."""
        box.root.mkdir()
        box.git("init", "-q", "-b", "main", "--template=")
        box.write("README.md", "read me\n")
        box.write(".gitignore", "*.ignored\n")
        if self.attributes:
            box.write(".gitattributes", ATTRIBUTES)
            for name, program in FILTERS.items():
                box.git("config", f"filter.{name}", program)
        for path, (content, runs) in self.files.items():
            plant(box, path, POINTER if path.startswith(b"lfs/") else content, runs)
        for path, text in self.links.items():
            link(box, path, text)
        if self.uses:
            plant(box, self.used, b"#!/bin/sh\n", True)
            for use in self.uses:
                plant(box, use.user.encode(), use.says % self.used, False)
        if self.module:
            box.git("init", "-q", "--template=", os.fsdecode(self.module))
            box.git("-C", os.fsdecode(self.module), "commit", "-q", "--allow-empty", "-m", "module")
        box.commit()
        for path, content in self.untracked.items():
            plant(box, path, content, False)
        for path in self.ignored:
            plant(box, path + b".ignored", b"ignored\n", False)
        if self.nested:
            box.git("init", "-q", "--template=", os.fsdecode(self.nested))
            plant(box, self.nested + b"/a.old", b"nested\n", False)

    def named(self, box: Sandbox) -> dict[str, int]:
        """How many of the paths that the users name are there."""
        found = {}
        for use in self.uses:
            user = box.root / use.user
            words = re.findall(use.pattern, user.read_bytes()) if user.is_file() else []
            found[use.user] = sum((box.root / use.folder / os.fsdecode(word)).exists() for word in words)
        return found


def plant(box: Sandbox, path: bytes, content: bytes, runs: bool) -> None:
    """A file, unless something is there that it cannot be beside."""
    full = os.path.join(os.fsencode(box.root), path)
    try:
        if not os.path.lexists(full):
            box.write(path, content)
            os.chmod(full, 0o755 if runs else 0o644)
    except (NotADirectoryError, FileExistsError):
        return


def link(box: Sandbox, path: bytes, text: bytes) -> None:
    """A symbolic link, unless something is there that it cannot be beside."""
    full = os.path.join(os.fsencode(box.root), path)
    try:
        os.makedirs(os.path.dirname(full), exist_ok=True)
        os.symlink(text, full)
    except (NotADirectoryError, FileExistsError):
        return


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Trees with something of everything; one in a few holds what makes a run impossible."""
    files = draw(st.dictionaries(PATHS, st.tuples(CONTENTS, st.booleans()), min_size=3, max_size=9))
    links = draw(st.dictionaries(PATHS, _texts(sorted(files)), max_size=4))
    twins = draw(st.sampled_from([*[()] * 20, *TWINS]))
    files.update(dict.fromkeys(twins, (b"twin\n", False)))
    if draw(st.integers(0, 9)) == 9:
        links[b"out.old"] = draw(st.sampled_from([b"/etc/passwd", b"../../outside", b"a/../../b"]))
    return Tree(
        files,
        links,
        untracked=draw(st.dictionaries(PATHS, CONTENTS, max_size=2)),
        ignored=draw(st.lists(below(SHORT), max_size=2)),
        uses=draw(st.lists(st.sampled_from(USES), max_size=3, unique=True)),
        used=draw(st.sampled_from([b"it.old", b"deploy_it.sh", b"lib/it_deprecated.py", b"lib/deep/it.backup"])),
        attributes=draw(st.booleans()),
        module=draw(st.sampled_from([b"", b"", b"module.old", b"a/module"])),
        nested=draw(st.sampled_from([b"", b"", b"nested.old", b"a/nested"])),
    )


def _texts(paths: t.Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """What links say: another file, a folder, a file that is not there, the link itself, another link that leads back."""
    beside = st.sampled_from([os.path.basename(path) for path in paths])
    return st.one_of(
        beside,
        st.sampled_from([*paths, *(os.path.dirname(path) or b"." for path in paths)]),
        st.sampled_from(
            [b".", b"./", b"nowhere", b"loop.old", b"a", b"../README.md", b"README.md", b"a//b", b"a/../a"]
        ),
        NAMES,
    )


# Something of everything at once, which is tried every time.
EVERYTHING = Tree(
    files={
        b"a b.old": (b"one\n", False),
        b"-a\n'\".old": (b"", True),
        b"\xff\xc3.old": (b"\0\r\n", False),
        "😀/é.old".encode(): (b"twice\n", False),
        b"x" * 251 + b".old": (b"twice\n", True),
        b"/".join([b"deep"] * 60) + b"/a.backup": (b"deep\n", False),
        b"crlf/a.old": (b"one\r\ntwo\r\n", False),
        b"crlf/a.txt": (b"one\ntwo\n", False),
        b"raw/a.old": (b"one\r\ntwo\n", False),
        b"lfs/a.old": (POINTER, False),
        b"rot/a.old": (b"turned\n", True),
        b"tests/a.old": (b"protected\n", False),
        b"deploy_it.sh": (b"#!/bin/sh\n", True),
    },
    links={
        b"links/near.old": b"../README.md",
        b"links/far": b"../a b.old",
        b"links/folder.old": b"../crlf",
        b"links/self.old": b"self.old",
        b"links/there.old": b"back.old",
        b"links/back.old": b"there.old",
        b"links/nowhere.old": b"../not/here",
        b"links/moved.old": b"../deep/" + b"/".join([b"deep"] * 59) + b"/a.backup",
    },
    untracked={b"links/\xff untracked.old": b"1\n", b"new\nline": b"2\n"},
    ignored=[b"crlf/a.old", b"only"],
    uses=USES,
    used=b"lib/it_deprecated.py",
    attributes=True,
    module=b"module.old",
    nested=b"links/nested.old",
)
