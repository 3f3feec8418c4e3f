# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do next to archive a repository's clutter, or to put it back. Pure: a world in, a decision out.

The order is fixed: branch, backup, verify, ledger, moves, edit, stage, commit, push, close, rotate. Nothing moves before
its copy has been read back and the intent is on disk. When the repository's hooks refuse the commit, the ledger says
C(rollback) and the same loop goes back the way it came. A restore is the same for each run that it undoes, on the branch
that is checked out.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Done, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.repository import edits
from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import Backup
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import RESTORED, Ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Move, Plan
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import few
from ansible_collections.sophia.replatform.plugins.module_utils.repository.restore import Undo

NOTHING = Plan((), {}, 0, (), ())


@dataclass(frozen=True)
class Wanted:
    """What the inventory asks for. O(root_limit): the root must hold fewer files than this. O(remote): where the branch is
    pushed to; empty for nowhere. O(backup_keep): how many backups stay; 0 for all. O(added): as RV(model.Intent)'s."""

    branch: str
    root_limit: int = 100
    allow_dirty: bool = False
    state: str = "organised"
    on_reference: str = "keep"
    categories: t.Mapping[str, str] = field(default_factory=dict)
    remote: str = ""
    backup_keep: int = 5
    added: t.Mapping[str, bytes] = field(default_factory=dict)

    @property
    def restores(self) -> bool:
        return self.state == RESTORED


@dataclass(frozen=True)
class World:
    """One look at the repository.

    O(fault): why nothing can be done at all. O(branch): empty when HEAD is detached; O(head): empty when unborn.
    O(operation): the merge, rebase and so on that is under way. O(branch_head): where the wanted branch points now.
    O(plan): what there is to do; O(undos): the runs to undo, newest first, when it is to be restored.
    O(remote_head): where the wanted branch points at the wanted remote. O(backups): those that are there, oldest first,
    and O(doomed): those of them that may go.
    O(arrived): for each move of an open ledger, whether the file is at its destination. O(lost): moves of which neither
    or both ends exist. O(edited): for each edit, whether the file is as C(before) it, C(after) it, or C(other).
    O(indexed): whether the index holds what the ledger leads to; O(unstaged): whether it holds what was before.
    O(commit): the commit that the open ledger leads to, once it is there. O(index_lock): empty, C(held) by a git that is
    at work, or C(left) by one that was killed.
    """

    fault: str = ""
    branch: str = ""
    head: str = ""
    operation: str = ""
    staged: tuple[str, ...] = ()
    dirty: tuple[str, ...] = ()
    branch_head: str = ""
    plan: Plan | None = None
    undos: tuple[Undo, ...] = ()
    remote_head: str = ""
    backup: Backup | None = None
    backups: tuple[str, ...] = ()
    doomed: tuple[str, ...] = ()
    free_bytes: int = 0
    need_bytes: int = 0
    ledger: Ledger | None = None
    arrived: tuple[bool, ...] = ()
    lost: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    indexed: bool = False
    unstaged: bool = True
    commit: str = ""
    index_lock: str = ""
    path: str = field(default="", compare=False)

    def due(self, wanted: Wanted) -> Plan:
        """The plan to carry out next."""
        if wanted.restores:
            return self.undos[0].plan if self.undos else NOTHING
        return t.cast(Plan, self.plan)


def next_step(world: World, wanted: Wanted) -> Decision:
    """The next step, C(Done), or C(Refused) with one line that names the mend."""
    ledger = world.ledger
    if world.fault:
        return Refused(world.fault)
    if world.index_lock == "held":
        return Refused(f"git is at work in {world.path}, or has left .git/index.lock behind: wait, or remove that file")
    if world.index_lock == "left":
        return Step("unlock")
    if ledger is not None and ledger.is_open:
        refused = _interrupted(world, wanted, ledger)
        return refused or (_go_back(world, ledger) if ledger.rollback else _go_on(world, wanted, ledger))
    refusal = _standing(world)
    if refusal:
        return Refused(refusal)
    plan = world.due(wanted)
    refusal = _gate(plan, wanted)
    if refusal:
        return Refused(refusal)
    if plan.is_empty:
        return _end(world, wanted)
    refusal = _clean(world, wanted) or _place(world, wanted) or _room(world)
    if refusal:
        return Refused(refusal)
    if world.branch != wanted.branch and not wanted.restores:
        return Step("branch", {"branch": wanted.branch})
    if world.backup is None:
        return Step("backup")
    if not world.backup.verified:
        return Step("verify", {"backup": world.backup.folder}, changes=False)
    return Step("ledger", {"moves": len(plan.moves), "edits": len(plan.edits)})


def _standing(world: World) -> str:
    if not world.head:
        return f"{world.path} has no commit yet: commit its files first"
    if world.operation:
        return f"a {world.operation} is in progress in {world.path}: finish or abort it first"
    if not world.branch:
        return f"{world.path} is on a detached HEAD: switch to a branch first"
    return ""


def _gate(plan: Plan, wanted: Wanted) -> str:
    if plan.faults:
        return "; ".join(plan.faults)
    if plan.root_after >= wanted.root_limit and not wanted.restores:
        return (
            f"{plan.root_after} files would remain in the root and repository_root_limit asks for fewer than"
            f" {wanted.root_limit}: add to repository_rules, or raise the limit ({few(plan.remaining)})"
        )
    return ""


def _clean(world: World, wanted: Wanted) -> str:
    if world.staged:
        return f"changes are staged in {world.path}: commit or unstage them first ({few(world.staged)})"
    if world.dirty and not wanted.allow_dirty:
        return (
            f"{world.path} has changes that are not committed: commit them, or set repository_allow_dirty"
            f" ({few(world.dirty)})"
        )
    return ""


def _place(world: World, wanted: Wanted) -> str:
    """Why the commit cannot be made on the wanted branch, or not be pushed."""
    if wanted.restores:
        return ""
    if world.branch != wanted.branch and world.branch_head not in ("", world.head):
        return f"the branch {wanted.branch} exists with other commits: switch to it, or name another repository_branch"
    if world.remote_head:
        return (
            f"the branch {wanted.branch} exists at the remote {wanted.remote}, and no branch there is written to:"
            " name another repository_branch"
        )
    return ""


def _room(world: World) -> str:
    if world.backup is None and world.free_bytes < world.need_bytes:
        return (
            f"repository_backup_path has {world.free_bytes} bytes free and the backup may need {world.need_bytes}:"
            " free some space or name another folder"
        )
    return ""


def _end(world: World, wanted: Wanted) -> Decision:
    if world.doomed:
        return Step("rotate", {"backups": len(world.doomed)})
    return Done("nothing to restore" if wanted.restores else "nothing to archive")


def _interrupted(world: World, wanted: Wanted, ledger: Ledger) -> Refused | None:
    """What a person did to the repository between a run that was cut off and this one."""
    if world.operation:
        return Refused(f"a {world.operation} is in progress in {world.path}: finish or abort it first")
    opened = ledger.opened
    if ledger.is_restore != wanted.restores and not ledger.rollback:
        return Refused(f"a run for repository_state={opened['state']} was cut off: run it again to its end first")
    places = [opened["branch"]] + ([opened["came_from"]] if ledger.rollback else [])
    if world.branch not in places:
        return Refused(f"an archive run is open: switch back to its branch {opened['branch']} and run again")
    if world.commit:
        return None
    if world.head != opened["base"]:
        return Refused(
            f"an archive run is open and {world.branch} has moved on from {opened['base']}: go back to that commit"
        )
    backup = opened["backup"]["path"]
    if world.lost:
        return Refused(
            f"files of an open archive run are missing or doubled, mend them from {backup}: {few(world.lost)}"
        )
    foreign = [edit.path for edit, state in zip(ledger.edits, world.edited) if state == edits.OTHER]
    if foreign:
        return Refused(
            f"files of an open archive run were changed meanwhile, put them back from {backup}: {few(foreign)}"
        )
    return None


def _go_on(world: World, wanted: Wanted, ledger: Ledger) -> Decision:
    if world.commit:
        return _publish(world, wanted) or Step("close")
    moves = by_category(ledger.moves, world.arrived, there=False)
    if moves:
        category = next(iter(moves))
        return Step(f"move {category}", {"category": category, "files": len(moves[category])})
    if edits.BEFORE in world.edited:
        return Step("edit", {"files": world.edited.count(edits.BEFORE)})
    if not world.indexed:
        return Step("stage", {"files": len(ledger.index_after())})
    return Step("commit")


def _publish(world: World, wanted: Wanted) -> Decision | None:
    if not wanted.remote or wanted.restores or world.remote_head == world.commit:
        return None
    if world.remote_head:
        return Refused(
            f"the branch {wanted.branch} has come to be at the remote {wanted.remote} meanwhile, and is not written to:"
            " empty repository_remote to end the run without"
        )
    return Step("push", {"remote": wanted.remote, "branch": wanted.branch})


def _go_back(world: World, ledger: Ledger) -> Decision:
    if not world.unstaged:
        return Step("unstage", {"files": len(ledger.index_before())})
    if edits.AFTER in world.edited:
        return Step("unedit", {"files": world.edited.count(edits.AFTER)})
    moves = by_category(ledger.moves, world.arrived, there=True)
    if moves:
        category = next(reversed(list(moves)))
        return Step(f"return {category}", {"category": category, "files": len(moves[category])})
    return Step("abandon", {"reason": ledger.rollback})


def by_category(moves: t.Sequence[Move], arrived: t.Sequence[bool], there: bool) -> dict[str, list[Move]]:
    """The moves whose file is at its destination (O(there)) or still at its source, by category in order."""
    found: dict[str, list[Move]] = {}
    for move, here in zip(moves, arrived):
        if here == there:
            found.setdefault(move.category, []).append(move)
    return found
