# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A health check that only opens a connection to a port of its own container, told apart from every other command."""

from __future__ import annotations

import re
import shlex
import typing as t

_HERE = r"(?:localhost|127\.0\.0\.1|::1)"
_NC = re.compile(rf"(?:busybox )?(?:\S*/)?(?:nc|ncat|netcat)((?: -[vzn]+| -w ?\d+)+) {_HERE} (\d{{1,5}})")
_BASH = re.compile(rf"(?::|exec \d+)? ?(?:<|>|<>|&>) ?/dev/tcp/{_HERE}/(\d{{1,5}})")
_SHELL = set("|&;<>()$`\\\"'*?[]#~%{}!\n")


def tcp_port(test: t.Sequence[str]) -> int | None:
    """The port of a check such as C(nc -z localhost 9000) or C(bash -c '</dev/tcp/localhost/9000'), else nothing.

    C(test) begins with C(CMD) or C(CMD-SHELL). A shell line may end in C(|| exit 1) and do nothing else.
    """
    words = list(test[1:])
    if test[0] == "CMD-SHELL":
        line = re.sub(r"\s*\|\|\s*(exit 1|false)\s*$", "", words[0])
        try:
            words = shlex.split(line)
        except ValueError:
            return None
        if set(line) & _SHELL and not _is_bash(words):
            return None
    if _is_bash(words):
        match = _BASH.fullmatch(words[2].strip())
        return int(match.group(1)) if match else None
    match = _NC.fullmatch(" ".join(words))
    return int(match.group(2)) if match and "z" in match.group(1) else None


def _is_bash(words: t.Sequence[str]) -> bool:
    return len(words) == 3 and words[0].rsplit("/", 1)[-1] == "bash" and words[1] == "-c"
