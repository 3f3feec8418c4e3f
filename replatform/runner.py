# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""ansible-runner: one playbook, its events as they come. What ansible-runner keeps on disk is gone when the playbook has ended."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
import typing as t
from dataclasses import dataclass, field

import ansible_runner
from ansible import constants

from replatform.events import Event, translate
from replatform.stop import Stop

_TICK_S = 1


@dataclass(frozen=True)
class Options:
    """What every playbook of a command gets. O(extra_vars) are as given to C(-e)."""

    inventory: t.Sequence[str]
    extra_vars: t.Sequence[str] = field(default=())
    forks: int | None = None


def environment(folder: str, collections: t.Sequence[str]) -> dict[str, str]:
    """What is added to the environment of ansible-playbook. O(folder) is where a stop is asked for.

    ansible-runner turns the check of host keys off where nobody says otherwise; here it is as Ansible's configuration has it.
    """
    ours = os.path.join(os.path.dirname(__file__), "callback")
    before = os.environ.get("ANSIBLE_CALLBACK_PLUGINS")
    return {
        "ANSIBLE_CALLBACK_PLUGINS": os.pathsep.join(filter(None, (before, ours))),
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(collections),
        "ANSIBLE_HOST_KEY_CHECKING": str(constants.HOST_KEY_CHECKING),
        "REPLATFORM_STOP": folder,
    }


def run_playbook(
    playbook: str,
    options: Options,
    on_event: t.Callable[[Event], None],
    on_tick: t.Callable[[], None],
    stop: Stop,
    collections: t.Sequence[str],
    check: bool = False,
) -> int:
    """Run it and return Ansible's exit code, 254 where it was killed.

    O(on_event) is called for each event and O(on_tick) about once a second, both in the thread that calls.
    """

    def take(raw: t.Mapping[str, t.Any]) -> bool:
        for event in translate(raw):
            on_event(event)
        return False  # not kept on disk

    def forget_environment(status: t.Mapping[str, t.Any], runner_config: t.Any) -> None:
        if status["status"] == "running":  # until then ansible-runner has written the whole environment down
            with contextlib.suppress(FileNotFoundError):
                os.remove(os.path.join(runner_config.artifact_dir, "command"))

    def cancelled() -> bool:
        on_tick()
        return stop.kill

    words = [word for value in options.extra_vars for word in ("-e", value)]
    words += ["--check", "--diff"] if check else []
    with tempfile.TemporaryDirectory(prefix="replatform-") as folder, stop.of(folder):
        done = ansible_runner.run(
            private_data_dir=folder,
            project_dir=os.getcwd(),
            playbook=playbook,
            inventory=list(options.inventory),
            forks=options.forks,
            cmdline=shlex.join(words) or None,
            envvars=environment(folder, collections),
            settings={"suppress_output_file": True, "pexpect_timeout": _TICK_S},
            fact_cache_type="",
            quiet=True,
            event_handler=take,
            status_handler=forget_environment,
            cancel_callback=cancelled,
        )
    return int(done.rc)
