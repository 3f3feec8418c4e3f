# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception of this package."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


class StackError(ReplatformError):
    """A stack file cannot be read or converted; one line that names file, service and key."""
