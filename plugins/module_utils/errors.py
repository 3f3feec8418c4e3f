# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exceptions raised below the modules; a module turns them into one C(fail_json) at its rim."""

from __future__ import annotations


class ReplatformError(Exception):
    """Something went wrong in a way that a person can mend; the message is one line that says how."""


class RefusedError(ReplatformError):
    """An operation declined to begin or to go on, and changed nothing by declining."""


class DeadlineError(ReplatformError):
    """The world did not reach the wanted state within the time that was granted."""
