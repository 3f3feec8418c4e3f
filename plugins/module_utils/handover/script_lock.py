# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The part of every script of a handover that keeps it apart from others. C(lock) is set before it: a file, or nothing."""

from __future__ import annotations

# Each program that a script starts has the lock, too, for as long as it runs.
ALONE = r"""
# One that only looks has no lock file and waits for nobody. One that was left behind by a run that was killed is waited for; where
# it is frozen it would come late, so it is killed with all that it started.
alone() {
  [ -n "$lock" ] || return 0
  exec 9>"$lock"
  flock -w 60 9 && return
  for fd in /proc/[0-9]*/fd/9; do
    pid=${fd#/proc/}
    pid=${pid%/fd/9}
    if [ "$fd" -ef "$lock" ] && grep -q FLOCK "/proc/$pid/fdinfo/9"; then kill -KILL "$pid" || true; fi
  done 2>/dev/null
  flock -w 5 9 || { echo "error: $lock is held by another run" >&2; exit 1; }
}
"""
