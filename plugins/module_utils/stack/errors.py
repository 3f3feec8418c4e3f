# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception of this package."""

from __future__ import annotations

import re

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


class StackError(ReplatformError):
    """A stack file cannot be read or converted; one line that names file, service and key."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


def one_line(text: str) -> str:
    """C(text) with its line breaks and other control characters as spaces: names in stack files come from strangers."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text)
