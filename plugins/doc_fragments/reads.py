# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module says that only reads."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in check_mode and return what it would return without.
    support: full
  diff_mode:
    description: Returns details on what has changed.
    support: none
    details: It changes nothing.
  idempotent:
    description: A second run with the same arguments changes nothing.
    support: full
"""
