# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that sort a repository's files by rules."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  rules:
    description:
      - What is clutter, and where it goes. The first rule that matches a file decides.
    type: list
    elements: dict
    required: true
    suboptions:
      category:
        description: Name of this kind of clutter.
        type: str
        required: true
      patterns:
        description: Patterns as in gitignore(5), matched from the root of the repository.
        type: list
        elements: str
        required: true
      reason:
        description: Why such files do not belong where they are, for the reports.
        type: str
        required: true
      destination:
        description: Folder below C(archive) or C(scripts); C(archive/CATEGORY) when left out.
        type: str
      keep_path:
        description:
          - Whether files keep their path below O(rules[].destination). Without, they keep only their name, and the rule
            is for files in the root alone.
          - By default paths are kept below C(archive) and not kept below C(scripts).
        type: bool
  protected:
    description: Patterns as in gitignore(5) of what never moves. They beat every rule.
    type: list
    elements: str
    default: []
"""
