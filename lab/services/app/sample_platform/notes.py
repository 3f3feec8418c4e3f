"""Notes, one a line of a file, in the order in which they came. What was acknowledged is on the disk."""

from __future__ import annotations

import os
import pathlib
import threading
from typing import Any

from sample_platform.server import Answer, BadRequest, Route

FILE = pathlib.Path(os.environ.get("NOTES_FILE", "/data/notes"))
LOCK = threading.Lock()


def append(_parameters: dict[str, str], body: Any) -> Answer:
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text or "\n" in text:
        raise BadRequest('POST a JSON object with a "text" of one line')
    with LOCK, open(FILE, "a", encoding="utf-8") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    return 201, {"text": text}


def read(_parameters: dict[str, str], _body: Any) -> Answer:
    return 200, {"notes": FILE.read_text(encoding="utf-8").splitlines() if FILE.exists() else []}


ROUTES: dict[tuple[str, str], Route] = {("POST", "/notes"): append, ("GET", "/notes"): read}
