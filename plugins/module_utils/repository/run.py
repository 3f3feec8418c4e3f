# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole run that archives or restores: lock, loop, and what is reported of it."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import drive
from ansible_collections.sophia.replatform.plugins.module_utils.repository import report
from ansible_collections.sophia.replatform.plugins.module_utils.repository.adapter import Repository, Settings
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import Wanted, next_step
from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import drop_partial
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git
from ansible_collections.sophia.replatform.plugins.module_utils.repository.lock import hold
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier
from ansible_collections.sophia.replatform.plugins.module_utils.repository.simulate import simulate
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import fault_of


def archive(
    settings: Settings,
    wanted: Wanted,
    classifier: Classifier,
    journal: Journal,
    *,
    deadline_s: float,
    lock_wait_s: float,
    check_mode: bool = False,
) -> dict[str, t.Any]:
    """Archive the clutter of one repository, or put back what earlier runs archived, or finish or undo what an earlier run
    left open.

    Returns C(changed), C(steps), the figures of the run (of the last one, where this one had nothing to do), what was
    C(kept), the C(conflicts) of a restore and a C(diff). Raises C(RefusedError), C(DeadlineError) or another
    C(ReplatformError).
    """
    fault = fault_of(settings.root)
    if fault:
        raise RefusedError(fault)
    with contextlib.ExitStack() as stack:
        keep: tuple[int, ...] = ()
        if not check_mode:
            keep = (stack.enter_context(hold(os.path.join(Git(settings.root).state_folder(), "lock"), lock_wait_s)),)
        repository = Repository(settings, wanted, classifier, keep)
        if not check_mode:
            drop_partial(settings.backup_path, repository.checkout.backup_prefix)  # What a killed run left.
        outcome = drive(
            repository.observe,
            lambda world: next_step(world, wanted),
            repository.act,
            journal,
            deadline_s=deadline_s,
            simulate=lambda world, step: simulate(world, step, wanted),
            check_mode=check_mode,
        )
        done = report.foreseen(repository, wanted) if check_mode else report.done(repository)
        foretold = check_mode and bool(done)
        figures = report.forecast(repository, done) if foretold else report.measured(repository, wanted)
        return {
            "changed": outcome.changed,
            "steps": outcome.steps,
            "state": wanted.state,
            **figures,
            "kept": report.reasons(report.kept(repository)),
            "conflicts": report.reasons(repository.observer.conflicts),
            "diff": report.diff(done),
        }
