# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the modules that sort a repository's files by rules."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  path:
    description: Root of the repository's work tree.
    type: path
    required: true
  rules:
    description:
      - What is clutter, and where it goes. The first rule that matches a file decides. A rule at fault is refused by its
        number and category.
      - C(category) (required) is the kind of clutter, one of O(categories).
      - C(patterns) (required) is a list of patterns as in gitignore(5), matched from the root of the repository.
      - C(reason) (required) says why such files do not belong where they are, for the reports.
      - C(destination) is a folder below C(archive) or C(scripts), C(archive/CATEGORY) when left out.
      - C(keep_path) says whether files keep their path below the destination. Without, they keep only their name, and the
        rule is for files in the root alone. By default paths are kept below C(archive) and not kept below C(scripts).
    type: list
    elements: dict
    required: true
  categories:
    description: The categories that O(rules) may name, each with a line that describes it.
    type: dict
    default:
      backups: Copies kept beside their original
      deprecated: What is no longer used, by its own name
      legacy-deployments: Ways of deploying that the migration replaces
      plans: Plans of work
      reports: Reports on work that is done
      one-time-scripts: Scripts that were written to run once
      documents: Guides and notes on work that is done
      ci-scripts: Scripts that build, test and release
      deployment-scripts: Scripts that deploy and start
      quality-scripts: Scripts that lint, format and measure
      validation-scripts: Scripts that check a configuration or a running system
      utility-scripts: Scripts for everyday work
  strict:
    description: Refuse O(rules) of which a pattern matches no file.
    type: bool
    default: false
  protected:
    description: Patterns as in gitignore(5) of what never moves. They beat every rule.
    type: list
    elements: str
    default: []
  protected_days:
    description:
      - What a commit of the last so many days has changed never moves, either; V(0) protects nothing by its age. The day
        is that of the committer, and commits that C(repo_archive) made do not count.
    type: int
    default: 0
  on_reference:
    description:
      - What becomes of a file that another, which stays, uses with certainty.
      - V(keep) leaves it where it is and says who uses it.
      - V(rewrite) moves it and edits its users where they name its path and nothing else is touched; where that cannot be
        done, it stays.
      - V(fail) refuses the whole run and lists what is used.
    type: str
    choices: [keep, rewrite, fail]
    default: keep
"""
