# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest

from .conftest import uses


@pytest.mark.parametrize(
    "target, content, expected",
    [
        ("docs/x.md", "[x](x.md)", [(1, "link", True, "x.md")]),
        ("docs/x.md", "\n![x](./x.md)", [(2, "link", True, "./x.md")]),
        ("x.md", "[x](../x.md#part)", [(1, "link", True, "../x.md")]),
        ("x.md", "[x](/x.md?raw=1)", [(1, "link", True, "x.md")]),
        ("docs/x.md", '[x](x.md "X")', [(1, "link", True, "x.md")]),
        ("docs/x.md", "[x]: x.md", [(1, "link", True, "x.md")]),
        ("docs/x.md", '<img width="1" src="x.md">', [(1, "link", True, "x.md")]),
        ("docs/x.md", "<a href='x.md'>", [(1, "link", True, "x.md")]),
        ("docs/a b.md", "[x](a%20b.md)", [(1, "link", True, None)]),
        ("docs/a b.md", "[x](<a b.md>)", [(1, "link", True, "a b.md")]),
        ("docs/a b.md", "[x]: <a b.md>", [(1, "link", True, "a b.md")]),
        ("docs/a(b).md", "[x](a(b).md)", [(1, "link", True, "a(b).md")]),
        ("docs/é.md", "[x](%C3%A9.md)", [(1, "link", True, None)]),
        ("docs/x.md", "# [x](x.md)", [(1, "link", True, "x.md")]),
        ("docs/x.md", "[![y](y.png)](x.md)", [(1, "link", True, "x.md")]),
        ("docs/x.md", "```\n[x](x.md)\n```\n", [(2, "text", False, "x.md")]),
        ("docs/x.md", "~~~sh\n[x](x.md)", [(2, "text", False, "x.md")]),
        ("docs/x.md", "`[x](x.md)`", [(1, "text", False, "x.md")]),
        ("docs/x.md", "```\n```\n[x](x.md)", [(3, "link", True, "x.md")]),
        ("docs/x.md", "[x](https://example.com/x.md)", [(1, "text", False, None)]),
        ("docs/x.md", "[x](other/x.md)", [(1, "text", False, None)]),
        ("x.md", "[x](x.md)", [(1, "text", False, "x.md")]),
        ("docs/x.md", "x.md", [(1, "text", False, "x.md")]),
        ("docs/x.md", "[x.md](y.md)", [(1, "text", False, "x.md")]),
    ],
)
def test_markdown(target, content, expected):
    assert uses(target, "docs/a.md", content) == expected


def test_a_link_to_another_file_is_none():
    assert uses("x.md", "docs/a.md", "[x](x.md)", ["docs/x.md"]) == []
    assert uses("docs/x.md", "docs/a.md", "[x](/x.md)", ["x.md"]) == []


@pytest.mark.parametrize(
    "target, content, token",
    [
        ("web/x.js", "import a from './x.js'", "./x.js"),
        ("web/x.js", "import a from './x'", None),
        ("web/x.ts", "const a = require('./x')", None),
        ("web/x/index.tsx", "export * from './x'", None),
        ("x.js", 'import("../x.js")', "../x.js"),
    ],
)
def test_javascript_imports(target, content, token):
    assert uses(target, "web/a.ts", content) == [(1, "import", True, token)]


@pytest.mark.parametrize("content", ["// import a from './x'", "import a from 'x'", "import a from './y'"])
def test_other_javascript_is_none(content):
    assert uses("web/x.js", "web/a.js", content) == []
