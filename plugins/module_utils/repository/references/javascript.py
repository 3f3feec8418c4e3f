# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JavaScript and TypeScript: modules that are imported by a relative path."""

from __future__ import annotations

import posixpath
import re

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Reading, Token
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import SCRIPTS, Scope

_IMPORT = re.compile(rb"""\b(?:from|import|require|import\.meta\.resolve)\s*\(?\s*(['"])(\.\.?/[^'"\n]*)\1""")
ENDINGS = ("", *SCRIPTS, ".json", *(f"/index{ending}" for ending in SCRIPTS))


def read(user: str, content: bytes, _scope: Scope) -> Reading:
    for match in _IMPORT.finditer(content):
        before = content[content.rfind(b"\n", 0, match.start()) + 1 : match.start()]
        if before.lstrip().startswith((b"//", b"*", b"/*")):
            continue
        text = match[2].decode("utf-8", "surrogateescape")
        here = (posixpath.dirname(user),)
        yield Token(text, match.start(2), *match.span(2), here, kind="import", endings=ENDINGS)
