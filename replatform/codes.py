# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The exit codes. docs/command.md has the same table."""

from __future__ import annotations

DONE = 0
USAGE = 2  # an option or the inventory is wrong; nothing was started
FAILED = 3  # a playbook failed, or a criterion was missed
UNREACHABLE = 4  # a playbook failed, and a host could not be reached
INCOMPLETE = 5  # status: nothing has failed, and not every phase is complete
STOPPED = 130  # by Ctrl-C or a signal: at a safe step, or at once the second time

WORDS = {
    DONE: "done",
    USAGE: "refused",
    FAILED: "failed",
    UNREACHABLE: "unreachable",
    INCOMPLETE: "incomplete",
    STOPPED: "stopped",
}
