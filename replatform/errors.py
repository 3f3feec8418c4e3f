# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ends the command with one line."""

from __future__ import annotations


class UsageError(Exception):
    """Something that was asked for can't be: one line that names the mend. Nothing was started."""
