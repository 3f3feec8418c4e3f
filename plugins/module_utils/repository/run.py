# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A whole archive run: lock, loop, and the figures that are reported."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Outcome, drive
from ansible_collections.sophia.replatform.plugins.module_utils.repository.adapter import Repository, Settings
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import Wanted, next_step, simulate
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git
from ansible_collections.sophia.replatform.plugins.module_utils.repository.lock import hold
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display, in_root
from ansible_collections.sophia.replatform.plugins.module_utils.repository.plan import Move
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier
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
    """Archive the clutter of one repository, or finish or undo what an earlier run left open.

    Returns C(changed), C(steps), the figures of the run (of the last one, where this one had nothing to do), what was
    C(kept) and a C(diff). Raises C(RefusedError), C(DeadlineError) or another C(ReplatformError).
    """
    fault = fault_of(settings.root)
    if fault:
        raise RefusedError(fault)
    with contextlib.ExitStack() as stack:
        keep: tuple[int, ...] = ()
        if not check_mode:
            keep = (stack.enter_context(hold(os.path.join(Git(settings.root).state_folder(), "lock"), lock_wait_s)),)
        repository = Repository(settings, wanted, classifier, keep)
        book = repository.book
        seen = repository.survey().plan
        # What an earlier run left open is finished, or, when it was on its way back, undone.
        moves = seen.moves if book is None or not book.is_open else () if book.rollback else book.moves
        before = book.opened["root_files_before"] if book is not None and book.is_open else seen.root_before
        outcome = drive(
            repository.observe,
            lambda world: next_step(world, wanted),
            repository.act,
            journal,
            deadline_s=deadline_s,
            simulate=lambda world, step: simulate(world, step, wanted),
            check_mode=check_mode,
        )
        forecast = check_mode and outcome.changed
        figures = _forecast(before, moves) if forecast else _figures(repository)
        return {
            "changed": outcome.changed,
            "steps": outcome.steps,
            **figures,
            "kept": [{"path": display(path), "reason": display(why)} for path, why in sorted(seen.kept.items())],
            "diff": _diff(outcome, moves),
        }


def _figures(repository: Repository) -> dict[str, t.Any]:
    """What was measured; what was not is null. They come from the ledger, so that a later run tells the same."""
    book = repository.last
    if book is None:
        return _forecast(repository.survey().plan.root_before, ())
    return {
        "branch": book.opened["branch"],
        "commit": book.closed["commit"],
        "root_files_before": book.opened["root_files_before"],
        "root_files_after": book.closed["root_files_after"],
        "moved": len(book.moves),
        "categories": _count(book.moves),
        "protected_changed": book.closed["protected_changed"],
        "backup": book.opened["backup"],
    }


def _forecast(root_before: int, moves: t.Sequence[Move]) -> dict[str, t.Any]:
    """The figures as they follow from the moves alone."""
    return {
        "branch": None,
        "commit": None,
        "root_files_before": root_before,
        "root_files_after": root_before - sum(in_root(move.source) for move in moves),
        "moved": len(moves),
        "categories": _count(moves),
        "protected_changed": None,
        "backup": None,
    }


def _count(moves: t.Sequence[Move]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for move in moves:
        counts[move.category] = counts.get(move.category, 0) + 1
    return counts


def _diff(outcome: Outcome, moves: t.Sequence[Move]) -> dict[str, str]:
    shown = sorted(moves, key=lambda move: move.source) if outcome.changed else []
    return {
        "before_header": "paths before",
        "after_header": "paths after",
        "before": "".join(_line(move.source) for move in shown),
        "after": "".join(_line(move.destination) for move in shown),
    }


def _line(path: str) -> str:
    return display(path).replace("\n", "\\n") + "\n"
