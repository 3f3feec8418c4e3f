# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file of text that a person has named."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


def read_text(path: str, error: type[ReplatformError]) -> str:
    """The content of a file in UTF-8; raises C(error) with one line that says why it can't be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        raise error(f"{path}: can't be read: {reason}") from exc
