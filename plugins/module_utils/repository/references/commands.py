# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Modules that a command runs by their dotted name, in any file: C(python -m), application servers, entry points."""

from __future__ import annotations

import posixpath
import re

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Module, Reading
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope, above

_RUN = re.compile(rb"""\bpython[\d.]*["',\s\\]+(?:-[A-Za-z]+["',\s\\]+){0,9}?-m["',\s\\]+([A-Za-z_][\w.]*)""")
_SERVED = re.compile(
    rb"""\b(?:uvicorn|gunicorn|hypercorn|daphne|granian)\b[^\n;|&#]{0,200}?["'\s]([A-Za-z_][\w.]*):[A-Za-z_]"""
    rb"""|\bcelery\b[^\n;|&#]{0,200}?(?:-A|--app)["',=\s]+([A-Za-z_][\w.]*)"""
)
_ENTRY = re.compile(rb"""=\s*["']?([A-Za-z_][\w.]*):[A-Za-z_]\w*""")
_ENTRY_KINDS = ("pyproject.toml", "setup.cfg", "setup.py")


def read(user: str, content: bytes, _scope: Scope) -> Reading:
    folders = above(posixpath.dirname(user))
    bases = (*folders, *(posixpath.join(folder, "src") for folder in folders))
    patterns = [_RUN, _SERVED]
    if posixpath.basename(user) in _ENTRY_KINDS:
        patterns.append(_ENTRY)
    for pattern in patterns:
        for match in pattern.finditer(content):
            name = match[match.lastindex or 0]
            yield Module(name.decode("ascii"), match.start(), bases, True)
