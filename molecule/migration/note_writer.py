"""Writes numbered notes until there is a file /tmp/notes.stop, each again until it is acknowledged. /tmp/notes.json then tells which were."""

from __future__ import annotations

import json
import pathlib
import time
import urllib.request

acknowledged: list[str] = []
longest_s, last = 0.0, time.monotonic()
while not pathlib.Path("/tmp/notes.stop").exists():
    text = f"note {len(acknowledged) + 1} of the writer"
    request = urllib.request.Request("http://notes:8020/notes", data=json.dumps({"text": text}).encode())
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 201
        acknowledged.append(text)
        longest_s, last = max(longest_s, time.monotonic() - last), time.monotonic()
    except OSError:  # stopped to be moved
        pass
    time.sleep(0.2)  # at most five notes a second
told = {"acknowledged": acknowledged, "longest_s": round(longest_s, 1)}
pathlib.Path("/tmp/notes.new").write_text(json.dumps(told), encoding="utf-8")
pathlib.Path("/tmp/notes.new").rename("/tmp/notes.json")
