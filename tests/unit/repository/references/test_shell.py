# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import uses_by_place

from .conftest import uses


@pytest.mark.parametrize(
    "content, token",
    [
        ("./lib.sh --all", "./lib.sh"),
        ("ops/lib.sh", "ops/lib.sh"),
        ("source lib.sh", "lib.sh"),
        (". ./lib.sh", "./lib.sh"),
        ('source "./lib.sh"', "./lib.sh"),
        ("bash -x lib.sh && echo", "lib.sh"),
        ("X=1 sudo -E bash ./lib.sh", "./lib.sh"),
        ("if ./lib.sh; then true; fi", "./lib.sh"),
        ("x=$(./lib.sh)", "./lib.sh"),
        ("true || ./lib.sh", "./lib.sh"),
        ('. "$(dirname "$0")/lib.sh"', "lib.sh"),
        ("`dirname $0`/lib.sh", "lib.sh"),
        ('"$(dirname "${BASH_SOURCE[0]}")"/lib.sh', "lib.sh"),
        ('"$(dirname "$(readlink -f "$0")")/lib.sh"', "lib.sh"),
        ('source "${BASH_SOURCE%/*}/lib.sh"', "lib.sh"),
        ('source "${0%/*}/../ops/lib.sh"', "../ops/lib.sh"),
        ('DIR="$(cd "$(dirname "$0")" && pwd)"; source "$DIR/lib.sh"', "lib.sh"),
        ('DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" >/dev/null 2>&1 && pwd -P); source "${DIR}/lib.sh"', "lib.sh"),
        ('DIR=$(dirname "$0"); UP="$(cd "$DIR/.." && pwd)"; cat "$UP/ops/lib.sh"', "ops/lib.sh"),
    ],
)
def test_calls_and_own_places_are_certain(content, token):
    content = content.replace("; ", "\n") if "DIR" in content else content
    found = [one for one in uses("ops/lib.sh", "ops/run.sh", f"#!/bin/bash\n{content}\n") if one[2]]
    assert found == [(content.count("\n") + 2, "shell", True, token)]


@pytest.mark.parametrize(
    "content",
    [
        "cat lib.sh",
        "lib.sh",
        "# ./lib.sh",
        "echo x # ; ./lib.sh",
        "/ops/lib.sh",
        '"$OTHER/lib.sh"',
        "cat <<EOF\n./lib.sh\nEOF",
        'DIR=/somewhere\n"$DIR/lib.sh"',
        "~/lib.sh",
    ],
)
def test_other_words_of_a_script_are_uncertain(content):
    found = uses("ops/lib.sh", "ops/run.sh", content)
    assert found
    assert not any(certain for _line, _kind, certain, _token in found)


def test_a_blank_in_a_name():
    found = uses("ops/my lib.sh", "ops/run.sh", 'source "$(dirname "$0")/my lib.sh"\n')
    assert found == [(1, "shell", True, "my lib.sh")]
    assert uses("my lib.sh", "run.sh", "bash 'my lib.sh'\n") == [(1, "shell", True, "my lib.sh")]


def test_another_file_of_the_same_name_is_not_called():
    assert uses("lib.sh", "ops/run.sh", '. "$(dirname "$0")/lib.sh"\n', ["ops/lib.sh"]) == []
    assert uses("lib.sh", "ops/run.sh", "./vendor/lib.sh\n", ["vendor/lib.sh"]) == []


def test_a_script_is_known_by_its_first_line_too():
    assert uses("lib.sh", "bin/run", "#!/usr/bin/env bash\n./lib.sh\n") == [(2, "shell", True, "./lib.sh")]
    assert uses("lib.sh", "bin/run", "#!/usr/bin/env ruby\n./lib.sh\n") == [(2, "text", False, "./lib.sh")]


PRESENT = {
    "run.sh",
    "run.py",
    "lib/x.sh",
    "lib/y.py",
    "lib/__init__.py",
    "near.py",
    "data.json",
    "a/b/run.sh",
    "a/near.py",
}


@pytest.mark.parametrize(
    "user, content, expected",
    [
        ("run.sh", 'echo "$(dirname "$0")"\nsource "$(dirname "$0")/lib/x.sh"', [("lib/x.sh", 2, "shell")]),
        ("run.sh", 'cd "$(dirname "$0")"\n./x', [(".", 1, "shell")]),
        ("a/b/run.sh", 'cd "$(dirname "$0")/.." || exit 1', [("a", 1, "shell")]),
        ("a/b/run.sh", 'R="$(cd "$(dirname "$0")/../.." && pwd)"\ncat "$R/data.json"', [("data.json", 2, "shell")]),
        ("run.sh", 'source "$(dirname "$0")/absent.sh"', []),
        ("run.sh", './lib/x.sh\nD="$(dirname "$0")"\n', []),
        ("run.sh", '# source "$(dirname "$0")/lib/x.sh"', []),
        ("run.py", "import near", [("near.py", 1, "import")]),
        ("run.py", "import json\nfrom lib import y", [("lib/__init__.py", 2, "import"), ("lib/y.py", 2, "import")]),
        ("a/run.py", "import lib.y", []),
        (
            "a/run.py",
            "import sys, os\nsys.path.append(os.path.join(os.path.dirname(__file__), '..'))\nimport lib.y",
            None,
        ),
        ("run.py", "x = Path(__file__).parent / 'data.json'", [("data.json", 1, "path")]),
        ("run.py", "x = Path(__file__).parent / 'absent.json'", []),
        ("run.py", "open('data.json')", []),
        ("run.py", "this is no python", []),
        ("run.md", "[x](data.json)", []),
    ],
)
def test_what_is_used_by_place(user, content, expected):
    found = uses_by_place(user, content.encode(), PRESENT)
    if expected is None:
        assert ("lib/y.py", 3, "import") in [(one.target, one.line, one.kind) for one in found]
    else:
        assert sorted((one.target, one.line, one.kind) for one in found) == sorted(expected)
    assert all(one.user == user and one.certain for one in found)
