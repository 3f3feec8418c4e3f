"""What a test wants to go wrong on this host, from /etc/lab/faults; no file, no fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FILE = Path("/etc/lab/faults")
KNOWN = ("start-delay", "fail-start", "no-kubelet", "not-voter")


def read(file: Path | None = None) -> dict[str, Any]:
    """The faults as they are now; one that nobody knows is an error, since a test would wait for it in vain."""
    file = file or FILE
    if not file.exists():
        return {}
    content = yaml.safe_load(file.read_text()) or {}
    unknown = set(content) - set(KNOWN) if isinstance(content, dict) else {"(not a mapping)"}
    if unknown:
        raise ValueError(f"{file}: unknown: {', '.join(sorted(unknown))}; known: {', '.join(KNOWN)}")
    return dict(content)


def start_failure(faults: dict[str, Any], version: str) -> str:
    """The words with which the service of this release shall end: for every release, or for the one that is named."""
    wanted = faults.get("fail-start") or ""
    return str(wanted.get(version, "") if isinstance(wanted, dict) else wanted)


def not_voters(faults: dict[str, Any]) -> set[str]:
    return {str(name) for name in faults.get("not-voter") or []}
