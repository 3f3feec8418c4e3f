# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where symbolic links lead, and what they must say after a move so that they lead there still. Pure, by names alone."""

from __future__ import annotations

import posixpath
import typing as t

# As many links as Linux follows on one way.
_LOOP = 40


def end(link: str, text: str) -> str | None:
    """The path that a link names (empty for the root); None when it leads outside the repository."""
    here = posixpath.dirname(link).split("/") if "/" in link else []
    for part in _parts(text):
        if part != "..":
            here.append(part)
        elif here:
            here.pop()
        else:
            return None
    return None if text.startswith("/") else "/".join(here)


def through(link: str, text: str, links: t.Collection[str]) -> list[str]:
    """The other links that the way of a link leads through. The one that it may end at is not on the way."""
    parts = _parts(text)
    ways = ("/".join(parts[:count]) for count in range(1, len(parts)))
    return [step for step in (end(link, way) for way in ways) if step in links and step is not None]


def reached(link: str, text: str, links: t.Mapping[str, str]) -> list[str]:
    """All that a link needs to resolve when every link on its way is followed: these, and the end of the way."""
    here = posixpath.dirname(link).split("/") if "/" in link else []
    rest = _parts(text)
    needed: list[str] = []
    while rest and len(needed) <= _LOOP:
        part = rest.pop(0)
        if part != "..":
            here.append(part)
        elif not here:
            return needed
        else:
            here.pop()
        path = "/".join(here)
        if path in links:
            needed.append(path)
            if links[path].startswith("/"):
                return needed
            here.pop()
            rest = [*_parts(links[path]), *rest]
    return [*needed, "/".join(here)] if here else needed


def retext(text: str, link: str, place: str) -> str:
    """What a link that is now at O(link) must say to lead to O(place): what it says already, where that is right."""
    if end(link, text) == place:
        return text
    new = posixpath.relpath(f"/{place}", f"/{posixpath.dirname(link)}")
    return new + "/" if text.endswith("/") else new


def _parts(text: str) -> list[str]:
    return [part for part in text.split("/") if part not in ("", ".")]
