# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Imports every module below a folder, and prints those that can be: python modules.py FOLDER."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import typing as t


def modules(folder: str) -> t.Iterator[str]:
    """The names of the modules in packages below a folder."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(one for one in folders if os.path.exists(os.path.join(here, one, "__init__.py")))
        parts = [] if here == folder else os.path.relpath(here, folder).split(os.sep)
        for name in sorted(names) if parts else ():
            stem = name[: -len(".py")]
            if name.endswith(".py") and stem != "__main__":
                yield ".".join([*parts, *([] if stem == "__init__" else [stem])])


def imports(name: str) -> bool:
    """Whether a module can be imported, whatever it says meanwhile."""
    quiet = io.StringIO()
    try:
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            importlib.import_module(name)
    except (Exception, SystemExit):  # noqa: BLE001  # A module may raise anything.
        return False
    return True


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    print("\n".join(name for name in modules(sys.argv[1]) if imports(name)))
