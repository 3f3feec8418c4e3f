# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible on this machine, with the collection as it lies here or one of stand-ins, and with no settings of whoever runs the tests."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import typing as t

ROOT = pathlib.Path(__file__).parents[2]


class Played(t.NamedTuple):
    """The exit status, and what was printed."""

    code: int
    output: str

    @property
    def said(self) -> str:
        """What was printed, however it was broken into lines."""
        return " ".join(self.output.split())


def play(folder: pathlib.Path, inventory: t.Any, playbook: t.Any, *options: str, **environment: str) -> Played:
    """Runs ansible-playbook to its end.

    O(folder) is where it runs, and C(collections) there come before this one. O(inventory) and O(playbook) are as the program
    takes them, or else the content of C(hosts.json) and C(play.json) there. O(options) are its other arguments, and
    O(environment) is set for it alone.
    """
    call = _call(folder, inventory, playbook, options, environment)
    ran = subprocess.run(**call, stdout=subprocess.PIPE, timeout=900, check=False)
    return Played(ran.returncode, ran.stdout)


def start(
    folder: pathlib.Path,
    inventory: t.Any,
    playbook: t.Any,
    *options: str,
    stdout: int | t.IO[str] = subprocess.PIPE,
    **environment: str,
) -> subprocess.Popen[str]:
    """As P(play), in the background and a process group of its own; all that is printed goes to O(stdout)."""
    call = _call(folder, inventory, playbook, options, environment)
    return subprocess.Popen(**call, stdout=stdout, start_new_session=True)


def collection(folder: pathlib.Path, modules: t.Mapping[str, str], *links: str) -> pathlib.Path:
    """Lays out, for plays in O(folder), a collection in place of this one; where it lies.

    It has nothing but O(links), which are paths of the real one, and O(modules): texts by full names, also of other collections.
    """
    ours = folder / "collections/ansible_collections/sophia/replatform"
    for link in links:
        (ours / link).parent.mkdir(parents=True, exist_ok=True)
        (ours / link).symlink_to(ROOT / link)
    for name, text in modules.items():
        namespace, other, module = name.split(".")
        path = ours.parents[1] / namespace / other / f"plugins/modules/{module}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ours


def _call(
    folder: pathlib.Path, inventory: t.Any, playbook: t.Any, options: t.Sequence[str], environment: t.Mapping[str, str]
) -> dict[str, t.Any]:
    program = str(pathlib.Path(sys.executable).with_name("ansible-playbook"))
    paths = [_path(folder / "hosts.json", inventory), _path(folder / "play.json", playbook)]
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": f"{folder}/collections:{ROOT}/collections",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    inherited = {name: value for name, value in os.environ.items() if name != "ANSIBLE_CONFIG"}
    return {
        "args": [program, "-i", *paths, *options],
        "cwd": folder,
        "env": {**inherited, **settings, **environment},
        "stderr": subprocess.STDOUT,
        "text": True,
    }


def _path(path: pathlib.Path, what: t.Any) -> str:
    if isinstance(what, (str, pathlib.Path)):
        return str(what)
    path.write_text(json.dumps(what, sort_keys=True))
    return str(path)
