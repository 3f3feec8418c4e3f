# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Durations, sizes and CPU counts between Docker's notation and Kubernetes'."""

from __future__ import annotations

import math
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError

_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_DURATION_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?", re.IGNORECASE)
_SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def seconds(value: t.Any, where: str) -> float:
    """A Go duration (C(1m30s)) in seconds."""
    if value in (0, "0"):
        return 0.0
    text = value if isinstance(value, str) else ""
    if not text or _DURATION_PART.sub("", text):
        raise StackError(f"{where}: {value!r} is not a duration such as 30s or 1m30s")
    return round(sum(float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(text)), 9)


def whole_seconds(value: float, least: int = 1) -> int:
    """Seconds as Kubernetes takes them: whole, rounded up, and at least C(least)."""
    return max(least, math.ceil(round(value, 6)))


def size_bytes(value: t.Any, where: str) -> int:
    """A Docker size in bytes; C(4G) is 4 GiB (docker/go-units RAMInBytes)."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise StackError(f"{where}: {value!r} is not a size such as 512M or 4G")
    return int(float(match.group(1)) * _SIZE_UNITS[match.group(2).lower()])


def kubernetes_size(count: int) -> str:
    """Bytes in the largest binary unit that is exact."""
    for suffix, unit in (("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)):
        if count and count % unit == 0:
            return f"{count // unit}{suffix}"
    return str(count)


def kubernetes_cpu(value: t.Any, where: str) -> str:
    """A number of CPUs as C(2) or C(500m); Docker's finest step is a nano CPU, Kubernetes' a milli CPU, rounded up."""
    try:
        milli = math.ceil(round(float(value) * 1000, 3))
    except (TypeError, ValueError):
        milli = -1
    if isinstance(value, bool) or milli < 0:
        raise StackError(f"{where}: {value!r} is not a number of CPUs such as 0.5")
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"
