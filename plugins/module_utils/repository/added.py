# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that a run is given to add in its commit, where nothing is at their path. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import REGULAR, Edit, Intent, Look
from ansible_collections.sophia.replatform.plugins.module_utils.repository.paths import shown, stays_inside

KIND = "added"


def added(look: Look, intent: Intent) -> tuple[Edit, ...]:
    """The edits that add what is not there yet. What git has at a path stays as it is."""
    tracked = {entry.path for entry in look.entries if entry.tracked}
    missing = [path for path in sorted(intent.added) if path not in tracked and stays_inside(path)]
    return tuple(Edit(path, KIND, REGULAR, None, intent.added[path]) for path in missing)


def faults(look: Look, intent: Intent) -> t.Iterator[str]:
    """Why one of them can not be added."""
    for path in sorted(intent.added):
        if not stays_inside(path):
            yield f"added: '{shown(path)}' leads outside the repository: name a path below its root"
    for edit in added(look, intent):
        if look.read(edit.path) is not None or edit.path in look.links:
            yield f"added: {shown(edit.path)} is in the work tree but not in git: commit or remove it"
