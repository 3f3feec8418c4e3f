# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The line that a shift of traffic prints while it goes on: the one place where its figures are before it has ended.

The words are those of C(progress_line) in plugins/action/traffic_shift.py; a test holds the two together.
"""

from __future__ import annotations

import re
import typing as t

_LINE = re.compile(
    r"^(?P<host>\S+): (?P<service>[^:]+): (?P<step>[\w-]+) at (?P<weight>\d+) %"
    r"(?:, share (?:(?P<share>\d+)%|not known yet))?"
    r"(?:, (?P<success>[\d.]+|None) % of (?P<requests>\d+) requests well)?"
    r"(?:, p99 (?P<p99>[\d.]+|None) ms)?"
    r"(?:, (?P<step_left>\d+) s left, (?P<shift_left>\d+) s in all)?"
    r"(?:, (?P<reason>.+))?$"
)


def read_shift_line(line: str) -> dict[str, t.Any] | None:
    """C({host, service, step, weight}), and where the line has them C(share) (0 to 1), C(requests), C(success_percent), C(p99_ms),
    C(step_left_s), C(shift_left_s) and C(reason); None for any other line."""
    match = _LINE.match(line)
    if match is None:
        return None
    found = match.groupdict()
    read: dict[str, t.Any] = {"host": found["host"], "service": found["service"], "step": found["step"]}
    read["weight"] = int(found["weight"])
    for key, name, of in (
        ("share", "share", lambda text: int(text) / 100),
        ("requests", "requests", int),
        ("success", "success_percent", float),
        ("p99", "p99_ms", float),
        ("step_left", "step_left_s", int),
        ("shift_left", "shift_left_s", int),
        ("reason", "reason", str),
    ):
        if found[key] not in (None, "None"):
            read[name] = of(found[key])
    return read
