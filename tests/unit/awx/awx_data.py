"""The data below C(awx/) as it lies there, and the playbook run against a server."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import typing as t

import fake_awx
import yaml

ROOT = pathlib.Path(__file__).parents[3]


class _Loader(yaml.SafeLoader):
    """Reads C(!unsafe), what Ansible doesn't template, as the text that it is."""


_Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def load(name: str) -> dict[str, t.Any]:
    return yaml.load((ROOT / "awx" / name).read_text(), _Loader)


@dataclasses.dataclass
class Run:
    """How often tasks changed something or failed, what was printed, and the requests that changed the server."""

    changed: int
    failed: int
    output: str
    requests: list[dict[str, t.Any]]


def play(awx: t.Any, *arguments: str, **environment: str) -> Run:
    """Run a playbook or, with C(-m), a module, against the server."""
    before = len(awx.requests)
    program = "ansible" if "-m" in arguments else "ansible-playbook"
    done = subprocess.run(
        [pathlib.Path(sys.executable).with_name(program), "-i", "localhost,", *arguments],
        cwd=ROOT,
        env={**os.environ, "CONTROLLER_HOST": awx.url, "CONTROLLER_OAUTH_TOKEN": fake_awx.TOKEN, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    output = done.stdout + done.stderr
    recap = re.search(r"changed=(\d+) .*failed=(\d+)", output)
    changed, failed = map(int, recap.groups()) if recap else (0, int(done.returncode != 0))
    return Run(changed, failed, output, awx.requests[before:])
