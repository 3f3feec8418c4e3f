# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files in Traefik's folder that another hand wrote: one that is broken makes Traefik refuse every change of the folder.

What Traefik serves of them is what they said when it last took a change, so a copy of each is kept when one of ours was taken.
The way back puts those copies in place of what is broken; what a person wrote is set aside beside it, never lost.
"""

from __future__ import annotations

import itertools
import os
import re
import stat
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import HEADER
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import (
    read_bytes,
    replace_file,
    taking_its_place,
)

_READ_BY_TRAEFIK = (".yml", ".yaml", ".toml")
# From a file's change to Traefik's reload pass its notice and the throttle of its provider.
_NOTICE_S = 1.0
# The kernel's times of files lag behind its clock by up to a tick.
_TICK_S = 0.02


class Strangers:
    """O(dynamic_dir) with all folders below it, which Traefik reads too; copies are kept in O(kept_dir)."""

    def __init__(self, dynamic_dir: str, kept_dir: str) -> None:
        self.dynamic_dir = dynamic_dir
        self.kept_dir = kept_dir

    def files(self) -> list[str]:
        """The files that Traefik reads and that another hand wrote."""
        return sorted(
            path
            for folder, _folders, names in os.walk(self.dynamic_dir)
            for path in (os.path.join(folder, name) for name in names)
            if path.endswith(_READ_BY_TRAEFIK)
            and os.path.isfile(path)
            and not read_bytes(path).startswith(HEADER.encode())
        )

    def broken(self) -> tuple[str, str] | None:
        """The first file that does not parse, and why; None when all do, when Traefik has taken those that do not, or when nothing here can tell."""
        for path in self.files():
            why = broken(path)
            if why and not self._is_kept(path):
                return path, why
        return None

    def unread(self, last_reload_s: float, wait: t.Callable[[float], None] = time.sleep) -> list[str]:
        """The files that changed after Traefik last took a change, so that it may have refused them.

        A change of this very moment is given the time that Traefik needs to notice it.
        """
        if not last_reload_s:
            return []
        changed = {path: at for path, at in ((path, _changed(path)) for path in self.files()) if at > last_reload_s}
        if changed:
            wait(max(0.0, max(changed.values()) + _NOTICE_S - time.time()))
        return sorted(changed)

    def keep(self, taken_s: float) -> None:
        """Keeps a copy of each that Traefik took with a change of ours, written at O(taken_s) (since the epoch).

        What changed later may be what Traefik refuses: the copy of what it was stays.
        """
        files = self.files()
        for path in files:
            kept = self._kept(path)
            text = read_bytes(path)
            if text != read_bytes(kept) and _changed(path) < taken_s - _TICK_S:
                os.makedirs(os.path.dirname(kept), mode=0o750, exist_ok=True)
                replace_file(kept, text, 0o640)
        for folder, _folders, names in os.walk(self.kept_dir):
            for kept in (os.path.join(folder, name) for name in names):
                if os.path.join(self.dynamic_dir, os.path.relpath(kept, self.kept_dir)) not in files:
                    os.unlink(kept)

    def mend(self, paths: t.Iterable[str]) -> list[str]:
        """Puts files back to their kept copies and sets aside those without one; the files that were touched."""
        mended = []
        for path in paths:
            if self._is_kept(path):
                continue
            _set_aside(path, self._kept(path))
            mended.append(path)
        return mended

    def _is_kept(self, path: str) -> bool:
        """Whether it is as Traefik has taken it."""
        kept = self._kept(path)
        return os.path.exists(kept) and read_bytes(kept) == read_bytes(path)

    def _kept(self, path: str) -> str:
        return os.path.join(self.kept_dir, os.path.relpath(path, self.dynamic_dir))


def _set_aside(path: str, kept: str) -> None:
    """Puts the kept copy in the place of the file, where there is one: as it is before the file is moved, and itself where the disk is full.

    It has the mode and the owner of the file then, which may hold secrets. Raises C(OSError) when that can't be done; the file is where it was.
    """
    aside = _unused(f"{path}.set-aside")
    if not os.path.exists(kept):
        os.rename(path, aside)
        return
    was = os.stat(path)
    try:
        with taking_its_place(path, stat.S_IMODE(was.st_mode)) as handle:
            os.fchown(handle.fileno(), was.st_uid, was.st_gid)
            handle.write(read_bytes(kept))
            handle.flush()
            os.fsync(handle.fileno())
            os.rename(path, aside)
    except ReplatformError:
        if os.path.exists(path):
            os.rename(path, aside)
        try:
            os.chown(kept, was.st_uid, was.st_gid)
            os.chmod(kept, stat.S_IMODE(was.st_mode))
            os.rename(kept, path)
        except OSError:
            os.rename(aside, path)
            raise


def _unused(path: str) -> str:
    """The name, or the first of its numbered ones, that no file has."""
    numbered = (f"{path}.{number}" for number in itertools.count(2))
    return next(name for name in itertools.chain([path], numbered) if not os.path.lexists(name))


def _changed(path: str) -> float:
    """When the file was changed or renamed; the epoch when it is gone."""
    try:
        return os.stat(path).st_ctime
    except OSError:
        return 0.0


def broken(path: str) -> str:
    """Why a file can not be read as YAML or TOML; empty when it can, or when nothing here can tell.

    Templates, and what a value may be, are left to Traefik.
    """
    try:
        text = read_bytes(path).decode()
    except UnicodeDecodeError as exc:
        return str(exc)
    if "{{" in text:
        return ""
    try:
        _parse(text, path)
    except ValueError as exc:
        return " ".join(str(exc).split())
    except Exception:  # noqa: BLE001 - no parser, or a fault of its own (as with deep nesting), says nothing of the file
        return ""
    return ""


def _parse(text: str, path: str) -> None:
    """Raises C(ValueError) when the text does not parse, any other exception when nothing here can tell."""
    if path.endswith(".toml"):
        import tomllib  # Python 3.11 and later

        tomllib.loads(text)
        return
    import yaml

    # Traefik takes tabs behind the indent, which PyYAML without libyaml does not, and reads the first document alone.
    text = re.sub(r"(?<=[^ \t\n])[ \t]+", lambda found: found[0].replace("\t", " "), text)
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if isinstance(event, yaml.DocumentEndEvent):
                return
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc
