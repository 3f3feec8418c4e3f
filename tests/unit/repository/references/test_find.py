# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import (
    find_references,
    names_groups,
    parses,
    search_words,
    uses_by_place,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from .conftest import search

TARGETS = (
    "deploy.sh",
    "ops/deploy.sh",
    "ops/my notes.md",
    "ops/tools.py",
    "ops/pkg/__init__.py",
    "a\nb",
    "it's [x]+.md",
    "\udcff.env",
    "crème.md",
    "web/x.js",
    "-a.old",
)
USERS = (
    "Dockerfile",
    "ops/Dockerfile",
    "ops/compose.yml",
    ".github/workflows/ci.yml",
    ".gitlab-ci.yml",
    "Makefile",
    "package.json",
    "pyproject.toml",
    "setup.cfg",
    "MANIFEST.in",
    ".pre-commit-config.yaml",
    "docs/a.md",
    "README.md",
    "ops/main.py",
    "main.py",
    "ops/run.sh",
    "run",
    "web/a.js",
    "notes.txt",
)
PARTS = [
    *(os.fsencode(target) for target in TARGETS),
    *(os.fsencode(os.path.basename(target)) for target in TARGETS),
    *b"\n \t/ . : ; ' \" # $ ( ) [ ] { } < > | & = - \\ ! ? * @ %20 \xff \xc3".split(b" "),
    *(b"\n", b" ", b"  ", b"./", b"../", b": ", b"- ", b"\n  ", b"\\\n", b"```", b"~~~\n", b"\r\n", b"\xef\xbb\xbf"),
    *(
        b"COPY ",
        b"ADD ",
        b"--from=x ",
        b"RUN ",
        b"services:\n  x:\n    ",
        b"build: ",
        b"env_file: ",
        b"volumes: ",
        b"on: ",
    ),
    *(
        b"paths: ",
        b"uses: ",
        b"run: ",
        b"working-directory: ",
        b"include ",
        b"$(wildcard ",
        b"[x](",
        b"[x]: ",
        b"<img src=",
    ),
    *(
        b"import ",
        b"from ",
        b"from . import ",
        b"tools",
        b"pkg",
        b"__file__",
        b"Path(__file__).parent / ",
        b"import_module(",
    ),
    *(
        b'$(dirname "$0")/',
        b'D="$(cd "$(dirname "$0")" && pwd)"\n',
        b"$D/",
        b"source ",
        b"bash ",
        b"cd ops && ",
        b"python -m ",
    ),
    *(
        b'{"main": ',
        b'"files": [',
        b"'ops.tools'",
        b"#!/bin/bash\n",
        b"#!/usr/bin/python3\n",
        b"<<EOF\n",
        b"files: ",
        b"&x ",
        b"*x",
    ),
]
CONTENT = st.lists(st.one_of(st.sampled_from(PARTS), st.binary(max_size=4)), max_size=14).map(b"".join)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(USERS), CONTENT, min_size=1, max_size=3))
def test_whatever_a_file_holds_a_token_names_its_target(files):
    found = search(TARGETS, files)
    for target, references in found.references.items():
        assert target in TARGETS
        for one in references:
            assert one.target == target
            assert one.user in files
            assert 1 <= one.line <= files[one.user].count(b"\n") + 1
            if one.start < 0:
                assert (one.start, one.end, one.base) == (-1, -1, "")
                continue
            token = os.fsdecode(files[one.user][one.start : one.end])
            assert os.path.normpath(os.path.join(one.base, token)) == target
            assert one.line == files[one.user].count(b"\n", 0, one.start) + 1
    for group in found.groups:
        assert set(group.paths) & set(TARGETS)
    for user, content in files.items():
        parses(user, content)
        uses_by_place(user, content, {*TARGETS, *files})
    words = search_words(TARGETS)
    for user, content in files.items():
        if not names_groups(user) and not any(word in content for word in words):
            assert not any(one.user == user for ones in found.references.values() for one in ones)


@settings(max_examples=100)
@example(" #/0", "Makefile")
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=6).filter(
            lambda name: name not in (".", "..")
        ),
        min_size=1,
        max_size=3,
    ).map("/".join),
    st.sampled_from(["Makefile", ".github/workflows/ci.yml", "Dockerfile"]),
)
def test_any_name_is_found_with_certainty(target, user):
    content = os.fsencode(f'x:\n\trun "{target}.x" x\n')
    target += ".x"
    ones = search([target], {user: content}).references[target]
    assert (True, os.fsencode(target)) in [(one.certain, content[one.start : one.end]) for one in ones]


def test_nothing_is_parsed_that_holds_no_word_of_a_target(monkeypatch):
    monkeypatch.setattr("ast.parse", None)
    content = b"import json\nfrom x import y\n" * 10
    assert find_references(["tools.py"], ["a.py"], lambda _path: content, {}, ["a.py", "tools.py"]).references == {}


@pytest.mark.parametrize(
    "target, words",
    [
        ("a/deploy.sh", [b"deploy.sh"]),
        ("a/tools.py", [b"tools", b"tools.py"]),
        ("a/pkg/__init__.py", [b"__init__.py", b"from .", b"pkg"]),
        ("web/x.js", [b"x", b"x.js"]),
        ("BACKEND REPORT (final).md", [b"BACKEND"]),
        ("a\nlonger", [b"longer"]),
        ("文", [b"%E6%96%87", b"%e6%96%87", "文".encode()]),
        ("\udcff", [b"%FF", b"%ff", b"\xff"]),
    ],
)
def test_search_words(target, words):
    assert search_words([target]) == sorted(words)


def test_files_that_name_groups():
    assert names_groups("a/Dockerfile")
    assert names_groups(".github/workflows/x.yml")
    assert names_groups("compose.yml")
    assert not names_groups("compose/main.py")
    assert not names_groups("README.md")


@pytest.mark.parametrize(
    "path, good, bad",
    [
        ("a.yml", b"a: {b: 1}\n---\nc: !x [1]\n", b"a: [b\n"),
        ("a.json", b'{"a": 1}', b'{"a": 1,}'),
        ("pyproject.toml", b"a = 1\n", b"a = \n"),
        ("a.py", b"x = 1\n", b"x = \n"),
        ("setup.cfg", b"[a]\nb = 1\n", b"b = 1\n"),
        ("tox.ini", b"[a]\nb = %(c)s\n", b"\xff"),
        ("Dockerfile", b"FROM x\nCOPY a b\n", b"FROM \xff\n"),
        ("compose.yaml", b"services: {}\n", b"services: {\n"),
    ],
)
def test_parses(path, good, bad):
    assert parses(path, good)
    assert not parses(path, bad)


def test_what_has_no_parser_parses():
    assert parses("a.sh", b"if \xff")
    assert parses("a.md", b"[](\0")
