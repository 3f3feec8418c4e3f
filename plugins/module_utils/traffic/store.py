# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files of one route: the dynamic file, the note of the last safe weight, the lock."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.route import HEADER, Route, parse, render

_READ_BY_TRAEFIK = (".yml", ".yaml", ".toml")


class Store:
    """Where the route named O(name) is kept: C(dynamic_dir/name.yml), read by Traefik, and two files in O(state_dir)."""

    def __init__(self, name: str, dynamic_dir: str, state_dir: str) -> None:
        self.dynamic_dir = dynamic_dir
        self.state_dir = state_dir
        self.path = os.path.join(dynamic_dir, f"{name}.yml")
        self._safe = os.path.join(state_dir, f"{name}.json")
        self._lock = os.path.join(state_dir, f"{name}.lock")

    def read(self) -> Route | None:
        """The route in the dynamic file, None without one; C(ReplatformError) when another hand wrote it."""
        try:
            with open(self.path, encoding="utf-8") as handle:
                return parse(handle.read(), self.path)
        except FileNotFoundError:
            return None

    def write(self, route: Route) -> None:
        """Replaces the dynamic file in one rename: Traefik takes a half-written or empty file for its whole truth."""
        _replace_file(self.path, render(route), 0o644)

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def read_safe(self, route: Route) -> int | None:
        """The weight that last passed its watch with the canary that O(route) has now."""
        try:
            with open(self._safe, encoding="utf-8") as handle:
                note = json.load(handle)
        except (FileNotFoundError, ValueError):
            return None
        return note["weight"] if note.get("canary") == _canary(route) else None

    def write_safe(self, route: Route) -> None:
        _replace_file(self._safe, json.dumps({"weight": route.weight, "canary": _canary(route)}) + "\n", 0o640)

    def foreign_files(self) -> list[str]:
        """The files that Traefik reads in the folder and that another hand wrote."""
        found = []
        for entry in sorted(os.listdir(self.dynamic_dir) if os.path.isdir(self.dynamic_dir) else []):
            path = os.path.join(self.dynamic_dir, entry)
            if entry.endswith(_READ_BY_TRAEFIK) and os.path.isfile(path) and not _ours(path):
                found.append(path)
        return found

    @contextlib.contextmanager
    def locked(self, timeout_s: float) -> t.Iterator[None]:
        """Holds the route alone; a run whose controller was killed goes on by itself, and is waited for.

        Raises C(RefusedError) with the holder's process id after O(timeout_s).
        """
        os.makedirs(self.state_dir, mode=0o750, exist_ok=True)
        with open(self._lock, "a+", encoding="utf-8") as handle:
            end = time.monotonic() + timeout_s
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as exc:
                    if time.monotonic() >= end:
                        handle.seek(0)
                        raise RefusedError(
                            f"process {handle.read().strip() or '?'} is still shifting this service ({self._lock}); "
                            "let it end, or end it, and run again"
                        ) from exc
                    time.sleep(0.2)
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
            yield


def broken(path: str) -> str:
    """Why a foreign file can not be read as YAML or TOML; empty when it can, or when no parser is installed.

    Templates are left to Traefik. A broken file stops every later change of the whole folder.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            text = handle.read()
    except (OSError, UnicodeDecodeError) as exc:
        return str(exc)
    if "{{" in text:
        return ""
    try:
        _load(text, path)
    except ImportError:
        return ""
    except ValueError as exc:
        return " ".join(str(exc).split())
    return ""


def _load(text: str, path: str) -> None:
    """Raises C(ValueError) when the text does not parse, C(ImportError) when nothing here can tell."""
    if path.endswith(".toml"):
        import tomllib  # Python 3.11 and later

        tomllib.loads(text)
        return
    import yaml

    try:
        yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise ValueError(str(exc)) from exc


def _ours(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as handle:
            return handle.read(len(HEADER)) == HEADER
    except OSError:
        return False


def _canary(route: Route) -> list[str]:
    return list(route.canary.servers) if route.canary else []


def _replace_file(path: str, text: str, mode: int) -> None:
    aside = f"{path}.{os.getpid()}.new"
    try:
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(fd, "w", encoding="utf-8") as handle:
            os.fchmod(handle.fileno(), mode)
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        os.rename(aside, path)
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise ReplatformError(f"{path} can not be written: {exc}") from exc
