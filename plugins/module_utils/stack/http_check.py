# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A health check that only asks for a page of its own container, told apart from every other command."""

from __future__ import annotations

import re
import shlex
import typing as t

_URL = re.compile(r"(https?)://(?:localhost|127\.0\.0\.1|\[::1\])(?::(\d{1,5}))?(/[^\s#]*)?", re.IGNORECASE)
_QUIET = {
    "curl": re.compile(r"-[fsSk]+|--fail|--silent|--show-error|--insecure"),
    "wget": re.compile(r"-q|-nv|-S|--quiet|--spider|--no-verbose|--no-check-certificate|--tries=1|-O-|-qO-"),
}
_WITH_VALUE = {"curl": {"-o": "/dev/null", "--output": "/dev/null"}, "wget": {"-O": "/dev/null", "-qO": "/dev/null"}}
_SHELL = set("|&;<>()$`\\\"'*?[]#~%{}!\n")


def http_get(test: t.Sequence[str]) -> dict[str, t.Any] | None:
    """Kubernetes' C(httpGet) for a check such as C(curl -f http://localhost:8080/health), else nothing.

    C(test) begins with C(CMD) or C(CMD-SHELL). Only flags that leave the meaning as it is are known; curl must be told
    to fail on an error status. A shell line may end in C(|| exit 1) and do nothing else.
    """
    words = list(test[1:])
    if test[0] == "CMD-SHELL":
        line = re.sub(r"\s*\|\|\s*(exit 1|false)\s*$", "", words[0])
        if set(line) & _SHELL:
            return None
        words = shlex.split(line)
    if words[:1] == ["busybox"]:
        words = words[1:]
    tool = words[0].rsplit("/", 1)[-1] if words else ""
    if tool not in _QUIET:
        return None
    flags, urls = _split(tool, words[1:])
    match = _URL.fullmatch(urls[0]) if len(urls) == 1 else None
    fails = tool == "wget" or any(flag == "--fail" or re.fullmatch(r"-\w*f\w*", flag) for flag in flags)
    if match is None or not fails or not all(_QUIET[tool].fullmatch(flag) for flag in flags):
        return None
    scheme = match.group(1).upper()
    port = int(match.group(2) or {"HTTP": 80, "HTTPS": 443}[scheme])
    return {"path": match.group(3) or "/", "port": port, "scheme": scheme}


def _split(tool: str, words: t.Sequence[str]) -> tuple[list[str], list[str]]:
    """Flags and the rest; a flag with a value that is known counts as neither."""
    flags: list[str] = []
    rest: list[str] = []
    skip = False
    for i, word in enumerate(words):
        if skip:
            skip = False
        elif word in _WITH_VALUE[tool] and words[i + 1 : i + 2] == [_WITH_VALUE[tool][word]]:
            skip = True
        elif word.startswith("-"):
            flags.append(word)
        else:
            rest.append(word)
    return flags, rest
