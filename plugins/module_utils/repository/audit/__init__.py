# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The audit of a repository: as data, as text, as Markdown, and beside an earlier one. Pure, but for reading that one."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.repository.audit.comparison import compare, read_audit
from ansible_collections.sophia.replatform.plugins.module_utils.repository.audit.figures import (
    as_json,
    in_full,
    summarise,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.audit.markdown import markdown
from ansible_collections.sophia.replatform.plugins.module_utils.repository.audit.text import text

__all__ = ["as_json", "compare", "in_full", "markdown", "read_audit", "summarise", "text"]
