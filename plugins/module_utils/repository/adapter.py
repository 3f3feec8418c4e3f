# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim between the loop that archives and restores, and one repository."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.loop import Step
from ansible_collections.sophia.replatform.plugins.module_utils.repository.act import Actor
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import Wanted, World
from ansible_collections.sophia.replatform.plugins.module_utils.repository.checkout import Checkout, Settings
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import Ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.observe import Observer
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier

__all__ = ["Repository", "Settings"]


class Repository:
    """One repository, looked at and acted on. O(first) is what was seen first, O(opened) the ledgers of this run."""

    def __init__(self, settings: Settings, wanted: Wanted, classifier: Classifier, keep: t.Sequence[int] = ()) -> None:
        self.checkout = Checkout(settings, keep)
        self.observer = Observer(self.checkout, wanted, classifier)
        self._actor = Actor(self.checkout, wanted, classifier, self.observer)
        self.first: World | None = None
        self.opened: list[Ledger] = []

    def observe(self) -> World:
        world = self.observer.observe()
        if self.first is None:
            self.first = world
        book = world.ledger
        if book is not None and book.is_open and book.opened["id"] not in [one.opened["id"] for one in self.opened]:
            self.opened.append(book)
        return world

    @property
    def root_files(self) -> int:
        """Files in the root as they were before what this run does, or finished."""
        if self.opened:
            return int(self.opened[0].opened["root_files_before"])
        return self.checkout.root_files()

    def act(self, step: Step) -> t.Mapping[str, t.Any]:
        return self._actor.act(step)
