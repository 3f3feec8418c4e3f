# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which of the files that could move are in use and must stay, and what their users say when they need not. Pure."""

from __future__ import annotations

import bisect
import itertools
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository import links
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import (
    SYMLINK,
    Edit,
    Intent,
    Look,
    Move,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import shown
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import (
    Group,
    Reference,
    parses,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rewrite import (
    by_own_place,
    new_token,
    rewritten,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import ARCHIVE


class Usage:
    """Takes out of O(moving) what has to stay, and says why in O(kept). O(used) lists each with the use that holds it.

    What is in the archive, or goes there, uses nothing any more, unless something that is in use uses it under its new
    name. A file that stays may use another that then must stay too, and a folder of which one file stays is no longer a
    folder that goes: repeated until nothing changes.
    """

    def __init__(self, look: Look, intent: Intent, moving: t.Mapping[str, Move]) -> None:
        self.moving = dict(moving)
        self.kept: dict[str, str] = {}
        self.used: list[str] = []
        self._look = look
        self._rewrites = intent.on_reference == "rewrite"
        self._entries = {entry.path: entry for entry in look.entries}
        self._present = sorted(entry.path for entry in look.entries if entry.size >= 0)
        self._references = self._gather()
        # The smallest first: when it holds its files, a larger one no longer goes as a whole.
        self._groups = sorted(look.found.groups, key=lambda one: (len(one.paths), one.user, one.line, one.pattern))
        self._uses: dict[str, list[str]] = {}
        for one in itertools.chain(*self._references.values()):
            self._uses.setdefault(one.user, []).append(one.target)
        self._live = self._in_use()
        self._contents: dict[str, bytes | None] = {}
        self._spoilt: dict[str, str] = {}
        while self._keep_links() or self._keep_users() or self._keep_used() or self._keep_group() or self._spoil():
            pass

    def edits(self) -> list[Edit]:
        """The files that say something else once everything has moved: symlinks, and users with the new names."""
        found = [edit for link in self._look.links for edit in self._retext(link)]
        for user, wanted in self._wanted().items():
            content = t.cast(bytes, self._content(user))
            after, changes = rewritten(content, wanted, self._after(user))
            if changes:
                found.append(
                    Edit(self._after(user), "rewrite", self._entries[user].mode, content, after, changes=changes)
                )
        return found

    def _gather(self) -> dict[str, list[Reference]]:
        """The certain references by target."""
        found: dict[str, list[Reference]] = {}
        for reference in itertools.chain(*self._look.found.references.values(), *self._look.by_place.values()):
            if reference.certain and reference.user != reference.target:
                found.setdefault(reference.target, []).append(reference)
        return found

    # Where things are after the moves

    def _after(self, path: str) -> str:
        return self.moving[path].destination if path in self.moving else path

    def _archived(self, path: str) -> bool:
        return self._after(path).split("/")[0] == ARCHIVE

    def _in_use(self) -> set[str]:
        """Of what goes to the archive, all that is used from outside of it, in one step or in many."""
        live: set[str] = set()
        users = [user for user in self._uses if not self._archived(user)]
        while users:
            for target in self._uses.get(users.pop(), ()):
                if self._archived(target) and target not in live:
                    live.add(target)
                    users.append(target)
        return live

    def _idle(self, path: str) -> bool:
        return self._archived(path) and path not in self._live

    def _place(self, named: str) -> str | None:
        """Where what a link names is then; None for a folder whose files all leave, but not to one place."""
        if named in self.moving or not named:
            return self._after(named)
        first, last = (bisect.bisect_left(self._present, named + after) for after in "/0")  # C(0) follows C(/).
        below = self._present[first:last]
        if not below or any(path not in self.moving for path in below):
            return named
        places = set()
        for path in below:
            rest, then = path[len(named) :], self._after(path)
            places.add(then[: -len(rest)] if then.endswith(rest) else None)
        return places.pop() if len(places) == 1 else None

    # What stays

    def _keep(self, staying: t.Mapping[str, str]) -> bool:
        for path in staying:
            del self.moving[path]
        self.kept.update(staying)
        self._live = self._in_use() if staying else self._live
        return bool(staying)

    def _keep_links(self) -> bool:
        staying = {}
        for path, move in self.moving.items():
            text = self._look.links.get(path)
            named = links.end(path, text) if text is not None else None
            if text is None or named is None:
                continue
            place = self._place(named)
            if place is None:
                staying[path] = f"the files of the folder that it leads to would scatter: {shown(named)}"
            elif path in self._look.dirty and links.retext(text, move.destination, place) != text:
                staying[path] = "its text would have to change, and it has changes that are not committed"
        return self._keep(staying)

    def _keep_users(self) -> bool:
        """What moves and stays in use must still find what it names by its own place."""
        staying = {}
        placed = [one for found in self._look.by_place.values() for one in found]
        named = [one for one in itertools.chain(*self._references.values()) if by_own_place(one)]
        for one in placed + [one for one in named if not self._rewrites or self._unwritable(one)]:
            if one.user in self.moving and not self._idle(one.user):
                staying[one.user] = f"it finds {shown(one.target)} by its own place (line {one.line})"
        return self._keep(staying)

    def _keep_used(self) -> bool:
        staying = {}
        for path in self.moving:
            for one in self._references.get(path, ()):
                why = "" if self._idle(one.user) else self._unwritable(one) if self._rewrites else "it is used"
                if why:
                    because = f", and cannot be rewritten: {why}" if self._rewrites else ""
                    staying[path] = f"{_user(one)} uses it{because}"
                    self.used.append(f"{shown(path)} <- {shown(one.user)}:{one.line}")
                    break
        return self._keep(staying)

    def _keep_group(self) -> bool:
        for group in self._groups:
            whole = group.paths and all(path in self.moving for path in group.paths)
            if whole and not self._idle(group.user):
                self.used += [f"{shown(path)} <- {shown(group.user)}:{group.line}" for path in group.paths]
                return self._keep(dict.fromkeys(group.paths, f"{_user(group)} uses all of {shown(group.pattern)}"))
        return False

    # What its users say

    def _unwritable(self, reference: Reference) -> str:
        """Why a use cannot be made right by changing what its user says."""
        user, look = reference.user, self._look
        if user not in self._entries or not self._entries[user].tracked:
            return "git does not track it"
        if user in look.dirty:
            return "it has changes that are not committed"
        if user in self._spoilt:
            return self._spoilt[user]
        if user in look.links:
            return self._unlinkable(user, reference.target)
        content = self._content(user)
        if content is None or new_token(content, reference, self._after(reference.target), self._after(user)) is None:
            return "a change of the name alone would not do"
        return ""

    def _unlinkable(self, link: str, target: str) -> str:
        named, place = self._leads(link)
        if named is not None and place == named and not f"{target}/".startswith(f"{named}/"):
            return ""  # It leads to another link, which has to answer for what is behind it.
        return "it leads through a link, or to a folder of which a part stays" if place in (None, named) else ""

    def _content(self, path: str) -> bytes | None:
        if path not in self._contents:
            self._contents[path] = self._look.read(path)
        return self._contents[path]

    def _leads(self, link: str) -> tuple[str | None, str | None]:
        """What a link names, and where that is then, when the link's text can say so."""
        text = self._look.links[link]
        named = links.end(link, text)
        if named is None or links.through(link, text, self._look.links):
            return None, None
        return named, self._place(named)

    def _retext(self, link: str) -> t.Iterator[Edit]:
        """The edit of a link that moves, or whose end does, where it would no longer say the right thing."""
        entry, after, text = self._entries.get(link), self._after(link), self._look.links[link]
        if entry is None or not entry.tracked or link in self._look.dirty:
            return
        _named, place = self._leads(link)
        new = text if place is None else links.retext(text, after, place)
        if new != text:
            yield Edit(after, "link", SYMLINK, os.fsencode(text), os.fsencode(new))

    def _wanted(self) -> dict[str, list[tuple[Reference, str]]]:
        """By user, the references that a rewrite has to make right, each with the target's new place."""
        wanted: dict[str, list[tuple[Reference, str]]] = {}
        for target, found in self._references.items() if self._rewrites else ():
            for one in found:
                touched = target in self.moving or (one.user in self.moving and by_own_place(one))
                if touched and one.user not in self._look.links and not self._idle(one.user):
                    wanted.setdefault(one.user, []).append((one, self._after(target)))
        return wanted

    def _spoil(self) -> bool:
        """Find a user that would be no good with all its new names in it: no target of it can move."""
        for user, wanted in self._wanted().items():
            try:
                after, changes = rewritten(t.cast(bytes, self._content(user)), wanted, self._after(user))
            except ValueError as exc:
                self._spoilt[user] = str(exc)
                return True
            if changes and not parses(user, after):
                self._spoilt[user] = "it would no longer parse"
                return True
        return False


def _user(use: Reference | Group) -> str:
    return f"{use.kind} {shown(use.user)}" + (f":{use.line}" if use.line else "")
