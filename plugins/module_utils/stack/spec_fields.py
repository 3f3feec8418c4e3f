# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An answer of Docker's API, read so that no field of it is passed over."""

from __future__ import annotations

import typing as t

Raw = t.Mapping[str, t.Any]


class Fields:
    """A mapping of the API whose fields are taken one by one, so that what nobody took can be told."""

    def __init__(self, raw: Raw | None, path: str = "") -> None:
        self._raw = dict(raw or {})
        self._path = path
        self._below: list[Fields] = []

    def take(self, name: str, default: t.Any = None) -> t.Any:
        value = self._raw.pop(name, None)
        return default if value is None else value

    def below(self, name: str) -> Fields:
        child = Fields(self.take(name), f"{self._path}{name}.")
        self._below.append(child)
        return child

    def each(self, name: str) -> list[Fields]:
        children = [Fields(item, f"{self._path}{name}[{i}].") for i, item in enumerate(self.take(name, []))]
        self._below += children
        return children

    def left(self) -> list[str]:
        """Paths of the fields that hold something and were not taken."""
        own = [f"{self._path}{name}" for name, value in self._raw.items() if value not in (None, "", 0, False, [], {})]
        return own + [path for child in self._below for path in child.left()]
