# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one exception of this package."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError


class ChartError(ReplatformError):
    """A chart cannot be made; one line that names what to mend."""
