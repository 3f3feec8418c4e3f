# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which old backups may go. One that is known to be good always stays."""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.backup import (
    BUNDLE,
    PARTIAL,
    TAR,
    Backup,
    named,
    read_backup,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.files import hash_whole


def is_whole(backup: Backup) -> bool:
    """Whether tar and bundle still are what was read back when the backup was made."""
    try:
        tar, bundle = (hash_whole(os.path.join(backup.folder, name)) for name in (TAR, BUNDLE))
    except OSError:
        return False
    return (tar["sha256"], bundle["sha256"]) == (backup.verified.get("sha256"), backup.verified.get("bundle_sha256"))


def doomed(
    store: str,
    prefix: str,
    keep: int,
    *,
    repository: str = "",
    needed: t.Collection[str] = (),
    is_good: t.Callable[[Backup], bool] = is_whole,
) -> list[str]:
    """The names of the backup folders below O(store) that may be deleted, oldest first.

    These are verified ones, older than the newest O(keep) of those, and not among O(needed) (folders that an open ledger
    names). O(keep=0) keeps all. Of those that stay the newest is hashed again, and the next, until one is good; where the
    newest O(keep) are all spoilt, older ones stay too. Backups of another O(repository) of the same name are left alone.
    """
    found = [read_backup(os.path.join(store, name)) for name in reversed(named(store, prefix))]
    ours = [
        backup
        for backup in found
        if backup and backup.verified and (not repository or backup.header.get("repository") == repository)
    ]
    if keep <= 0 or len(ours) <= keep:
        return []
    first_good = next((number for number, backup in enumerate(ours) if is_good(backup)), len(ours))
    kept = {os.path.basename(folder) for folder in needed}
    older = (os.path.basename(backup.folder) for backup in ours[max(keep, first_good + 1) :])
    return [name for name in reversed(list(older)) if name not in kept]


def rotate(store: str, names: t.Iterable[str]) -> None:
    """Delete backup folders. A run that is killed meanwhile leaves them half-written, which C(drop_partial) removes."""
    for name in names:
        folder = os.path.join(store, name)
        os.rename(folder, folder + PARTIAL)
        shutil.rmtree(folder + PARTIAL)
