# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from .conftest import groups, uses

HEAD = "services:\n  web:\n"


@pytest.mark.parametrize(
    "target, content, expected",
    [
        ("ops/x.env", "    env_file: x.env", [(3, "compose", True, "x.env")]),
        ("ops/x.env", "    env_file: 'x.env'", [(3, "compose", True, "x.env")]),
        ("ops/x.env", "    env_file: [a.env, ./x.env]", [(3, "compose", True, "./x.env")]),
        ("ops/x.env", "    env_file:\n      - path: x.env\n        required: false", [(4, "compose", True, "x.env")]),
        ("x.env", "    env_file: ../x.env", [(3, "compose", True, "../x.env")]),
        ("ops/my x.env", '    env_file: "my x.env"', [(3, "compose", True, "my x.env")]),
        ("ops/b.yml", "    extends:\n      file: b.yml\n      service: b", [(4, "compose", True, "b.yml")]),
        ("ops/x.cnf", "    volumes: ['./x.cnf:/etc/x.cnf:ro']", [(3, "compose", True, "./x.cnf")]),
        ("ops/x.cnf", "    volumes:\n    - type: bind\n      source: ./x.cnf", [(5, "compose", True, "./x.cnf")]),
        ("ops/x.cnf", "    volumes: ['data:/etc/x.cnf']", []),
        ("ops/x.txt", "secrets:\n  a:\n    file: ./x.txt", [(5, "compose", True, "./x.txt")]),
        ("ops/x.txt", "configs:\n  a:\n    file: x.txt", [(5, "compose", True, "x.txt")]),
        ("ops/b.yml", "include:\n  - b.yml", [(4, "compose", True, "b.yml")]),
        ("ops/b.yml", "include:\n  - path: [b.yml]", [(4, "compose", True, "b.yml")]),
        ("ops/svc/D.dev", "    build:\n      context: svc\n      dockerfile: D.dev", [(5, "compose", True, "D.dev")]),
        ("ops/x.env", "    # env_file: x.env", [(3, "compose", False, "x.env")]),
        ("ops/x.env", "    image: example.com/x.env", [(3, "compose", False, None)]),
        ("ops/é.env", "    x: é\n    env_file: é.env", [(4, "compose", True, "é.env")]),
        ("ops/x.env", "    x: é\n    env_file: x.env", [(4, "compose", True, "x.env")]),
        ("ops/x.env", "    env_file: {{ x }} x.env", [(3, "compose", True, "x.env")]),
    ],
)
def test_compose(target, content, expected):
    head = HEAD if content.startswith(" ") else HEAD.replace("web:", "web: {}")
    assert uses(target, "ops/docker-compose.yml", head + content + "\n") == expected


def test_the_compose_files_own_folder_comes_first():
    content = HEAD + "    env_file: x.env\n"
    assert uses("x.env", "ops/compose.yml", content, ["ops/x.env"]) == []
    content = HEAD + "    build:\n      context: svc\n      dockerfile: Other\n"
    assert uses("ops/Other", "ops/compose.yml", content, ["ops/svc/Other"]) == []


@pytest.mark.parametrize(
    "content, line",
    [
        ("    build: ./svc", 3),
        ("    build:\n      context: svc/", 4),
        ("    build:\n      context: .\n      additional_contexts:\n        x: ./svc", 6),
        ("    build:\n      context: .\n      additional_contexts: [x=svc]", 5),
        ("    volumes: ['./svc:/x']", 3),
        ("    volumes:\n    - {type: bind, source: ./svc}", 4),
    ],
)
def test_compose_groups(content, line):
    found = groups(["ops/svc/a.old"], "ops/compose.yml", HEAD + content + "\n", ["ops/svc/b/c", "ops/x"])
    assert (line, "compose", "ops/svc", ("ops/svc/a.old", "ops/svc/b/c")) in found
    # A context that is the file's own folder is one more.
    assert len(found) == 1 + content.count("context: .")


@pytest.mark.parametrize("content", ["    build: .", "    build: ..", "    build: https://x.com/svc", "    image: svc"])
def test_compose_without_groups(content):
    assert groups(["svc/a.old"], "compose.yml", HEAD + content + "\n", ["svc/b"]) == []
