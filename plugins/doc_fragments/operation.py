# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module that drives the loop takes and says; its counterpart is ARGUMENTS in module_utils/operation.py."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  journal:
    description:
      - File to which each step is appended as a line of JSON, on the host that the module runs on.
      - Without it no evidence is kept.
    type: path
  phase:
    description: Phase of the migration that the steps are recorded under.
    type: str
    default: cutover
    choices: [repository, cluster, platform, cutover]
  deadline:
    description: Seconds within which the wanted state must be reached. A run that is cut off is resumed by running it again.
    type: int
    default: 300
attributes:
  check_mode:
    description: Can run in check_mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Returns details on what has changed, or would change in check_mode.
    support: full
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
"""
