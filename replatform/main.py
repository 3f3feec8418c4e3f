# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The entry point: Ansible is told where this collection is before anything of it is imported."""

from __future__ import annotations

import os
import pathlib
import sys
import typing as t

from replatform import codes
from replatform.cli import parse
from replatform.errors import UsageError

ROOT = pathlib.Path(__file__).resolve().parent.parent


def main(arguments: t.Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = parse(arguments)
    try:
        collections = prepare(ROOT)
        from replatform.commands import Session
        from replatform.state import State
        from replatform.view import choose
    except ModuleNotFoundError as exc:
        what = f"{sys.executable} has no {exc.name}: put the folder bin of the project's environment (make venv) on the PATH"
        print(f"replatform: {what}, or install requirements/run.txt", file=sys.stderr)
        return codes.USAGE

    view = choose(options.json)
    try:
        return Session(options, ROOT, collections, view).execute()
    except UsageError as exc:
        view.close()
        if options.json:
            end = {"event": "end", "command": options.command, "code": codes.USAGE, "status": codes.WORDS[codes.USAGE]}
            view.show({**end, "message": str(exc)}, State())
        print(f"replatform: {exc}", file=sys.stderr)
        return codes.USAGE
    except KeyboardInterrupt:  # while no playbook runs
        view.close()
        return codes.STOPPED


def prepare(root: pathlib.Path) -> list[str]:
    """Make Ansible, in this process and in those that it starts, find this collection first; returns the paths of collections.

    A checkout has an C(ansible.cfg), which holds from any folder that has none of its own. ansible-playbook is the one that is
    installed beside the Python that runs this.
    """
    config = root / "ansible.cfg"
    if config.exists() and not pathlib.Path("ansible.cfg").exists():
        os.environ.setdefault("ANSIBLE_CONFIG", str(config))
    beside = os.path.dirname(sys.executable)
    if os.access(os.path.join(beside, "ansible-playbook"), os.X_OK):
        os.environ["PATH"] = os.pathsep.join((beside, os.environ.get("PATH", os.defpath)))

    from ansible import constants
    from ansible.plugins.loader import init_plugin_loader

    ours = root / "collections" if (root / "collections").is_dir() else root.parents[2]
    paths = list(dict.fromkeys([str(ours), *constants.COLLECTIONS_PATHS]))
    init_plugin_loader(paths)
    return paths
