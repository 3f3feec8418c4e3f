# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a file still parses."""

from __future__ import annotations

import configparser
import json
import posixpath
import typing as t

import tomllib
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references import dockerfile, python
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.kinds import kind_of
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.nodes import parsed


def parses(path: str, content: bytes) -> bool:
    """Whether the content is what the path says it is. True where there is no parser for it."""
    name = posixpath.basename(path)
    if kind_of(path) == "dockerfile":
        return dockerfile.instructions(content) is not None
    if name.endswith(".py"):
        return python.parsed(content) is not None
    if name.endswith((".yml", ".yaml")):
        return parsed(content) is not None
    for endings, parse in _PARSERS.items():
        if name.endswith(endings):
            try:
                parse(content.decode("utf-8"))
            except (ValueError, RecursionError, configparser.Error):
                return False
    return True


def _ini(text: str) -> None:
    configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True).read_string(text)


_PARSERS: dict[tuple[str, ...], t.Callable[[str], t.Any]] = {
    (".json",): json.loads,
    (".toml",): tomllib.loads,
    ("setup.cfg", "tox.ini"): _ini,
}
