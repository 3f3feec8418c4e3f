# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who still mentions a file that a rule would move, where, and with what certainty. Pure, given a way to read files.

Certain is what the tool that reads the user resolves to exactly this path: a workflow, compose file, Dockerfile,
Makefile or package manifest that names it, an import, a link of Markdown, a symlink, a script's call. Any other mention
is reported as uncertain.
"""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.dockerfile import DOCKERFILE_ERROR
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.find import (
    find_references,
    uses_by_place,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.kinds import kind_of, names_groups
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import (
    Found,
    Group,
    Reference,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.nodes import YAML_ERROR
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.parse import parses
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import search_words

__all__ = [
    "DOCKERFILE_ERROR",
    "YAML_ERROR",
    "Found",
    "Group",
    "Reference",
    "find_references",
    "kind_of",
    "names_groups",
    "parses",
    "search_words",
    "uses_by_place",
]
