# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run tells of itself: its figures, from the ledgers, so that a later run tells the same, and its diff."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ansible_collections.sophia.replatform.plugins.module_utils.repository.adapter import Repository
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import Wanted, World
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import Ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Edit, Move
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import display, in_root, shown


@dataclass(frozen=True)
class Deed:
    """What one ledger leads to."""

    moves: tuple[Move, ...]
    edits: tuple[Edit, ...]


def done(repository: Repository) -> list[Deed]:
    """What this run did, or finished. What was on its way back is not counted."""
    return [Deed(book.moves, book.edits) for book in repository.opened if not book.rollback]


def foreseen(repository: Repository, wanted: Wanted) -> list[Deed]:
    """What a run would do, from what it would see first."""
    deeds = done(repository)
    world = t.cast(World, repository.first)
    if wanted.restores:
        deeds += [Deed(undo.plan.moves, undo.plan.edits) for undo in world.undos]
    elif world.plan is not None and not world.plan.is_empty:
        deeds.append(Deed(world.plan.moves, world.plan.edits))
    return deeds


def kept(repository: Repository) -> t.Mapping[str, str]:
    """What a rule matches and yet stays: as planned now, or when what was finished now was planned."""
    world = t.cast(World, repository.first)
    if world.plan is not None:
        return world.plan.kept
    books = [book for book in repository.opened if not book.is_restore]
    return t.cast("t.Mapping[str, str]", books[0].opened["kept"]) if books else {}


def reasons(found: t.Mapping[str, str]) -> list[dict[str, str]]:
    return [{"path": display(path), "reason": shown(why)} for path, why in sorted(found.items())]


def measured(repository: Repository, wanted: Wanted) -> dict[str, t.Any]:
    """What was measured by the last run of this kind; what was not is null."""
    books = _restores(repository) if wanted.restores else _archives(repository)
    if not books:
        return forecast(repository, [])
    first, last = books[0], books[-1]
    changed = [book.closed["protected_changed"] for book in books]
    return {
        **_counted([Deed(book.moves, book.edits) for book in books]),
        "branch": last.opened["branch"],
        "commit": last.closed["commit"],
        "pushed": last.closed["pushed"],
        "root_files_before": first.opened["root_files_before"],
        "root_files_after": last.closed["root_files_after"],
        "protected_changed": None if None in changed else sum(changed),
        "backup": last.opened["backup"],
    }


def _archives(repository: Repository) -> list[Ledger]:
    """The last run that archived, unless it was undone."""
    closed = [book for book in repository.checkout.books() if book.is_forward or _is_restored(book)]
    return closed[-1:] if closed and closed[-1].is_forward else []


def _restores(repository: Repository) -> list[Ledger]:
    """The runs that restored since the last that archived."""
    found: list[Ledger] = []
    for book in repository.checkout.books():
        if book.is_forward:
            found = []
        elif _is_restored(book):
            found.append(book)
    return found


def _is_restored(book: Ledger) -> bool:
    return bool(book.closed.get("outcome") == "restored")


def forecast(repository: Repository, deeds: t.Sequence[Deed]) -> dict[str, t.Any]:
    """The figures as they follow from what is to be done alone."""
    before = repository.root_files
    moves = [move for deed in deeds for move in deed.moves]
    return {
        **_counted(deeds),
        "branch": None,
        "commit": None,
        "pushed": None,
        "root_files_before": before,
        "root_files_after": before
        + sum(in_root(move.destination) - in_root(move.source) for move in moves)
        + sum(
            in_root(edit.path) * ((edit.before is None) - (edit.after is None)) for deed in deeds for edit in deed.edits
        ),
        "protected_changed": None,
        "backup": None,
    }


def _counted(deeds: t.Sequence[Deed]) -> dict[str, t.Any]:
    categories: dict[str, int] = {}
    for deed in deeds:
        for move in deed.moves:
            categories[move.category] = categories.get(move.category, 0) + 1
    return {
        "moved": sum(categories.values()),
        "categories": categories,
        "rewritten": [
            {"path": display(edit.path), "line": line, "old": old, "new": new}
            for deed in deeds
            for edit in deed.edits
            for line, old, new in edit.changes
        ],
    }


def diff(deeds: t.Sequence[Deed]) -> list[dict[str, str]]:
    """First the paths that move, one a line, then each edit: of rewritten files only what is replaced, as the rest may
    hold secrets."""
    moves = sorted((move for deed in deeds for move in deed.moves), key=lambda move: move.source)
    return [
        _diff(
            "paths", "".join(shown(m.source) + "\n" for m in moves), "".join(shown(m.destination) + "\n" for m in moves)
        ),
        *(_edit(edit) for deed in deeds for edit in deed.edits),
    ]


def _edit(edit: Edit) -> dict[str, str]:
    if edit.kind == "rewrite":
        before = "".join(f"line {line}: {old}\n" for line, old, _new in edit.changes)
        after = "".join(f"line {line}: {new}\n" for line, _old, new in edit.changes)
        return _diff(shown(edit.path), before, after)
    return _diff(shown(edit.path), *(_text(content, edit.kind) for content in (edit.before, edit.after)))


def _text(content: bytes | None, kind: str) -> str:
    text = (content or b"").decode("utf-8", "backslashreplace")
    return text + "\n" if kind == "link" and content else text


def _diff(name: str, before: str, after: str) -> dict[str, str]:
    return {"before_header": f"{name} before", "after_header": f"{name} after", "before": before, "after": after}
