"""Log lines in the shape K3s writes them, so that whoever greps a journal finds the same words."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone


def _line(level: str, text: str) -> None:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    print(f'time="{now}" level={level} msg={json.dumps(text, ensure_ascii=False)}', file=sys.stderr, flush=True)


def info(text: str) -> None:
    _line("info", text)


def warning(text: str) -> None:
    _line("warning", text)


def error(text: str) -> None:
    _line("error", text)


class Fatal(Exception):
    """Something that ends the process with exit code 1 and one line."""


def fatal(text: str) -> None:
    _line("fatal", text)
