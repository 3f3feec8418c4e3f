"""Writes numbers to the end of a list in Redis until there is a file /tmp/redis.stop, each again until it is acknowledged; /tmp/redis.json then
tells how many were, and the longest time without one.

The list is 1, 2, 3 and so on where none was lost, and where none was written that its writer was not told of: that would be there twice.
"""

from __future__ import annotations

import json
import pathlib
import time

import redis

# Longer than writes are ever held, so that a write which is held is never given up by the one who waits for it.
PATIENCE_S = 30

acknowledged, longest_s, last = 0, 0.0, time.monotonic()
store = redis.Redis(host="redis", socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S)
while not pathlib.Path("/tmp/redis.stop").exists():
    try:
        store.rpush("lab_writes", acknowledged + 1)
        acknowledged += 1
        longest_s, last = max(longest_s, time.monotonic() - last), time.monotonic()
    except redis.RedisError:  # the master changes
        pass
    time.sleep(0.02)  # at most fifty a second
told = {"acknowledged": acknowledged, "longest_s": round(longest_s, 1)}
pathlib.Path("/tmp/redis.new").write_text(json.dumps(told), encoding="utf-8")
pathlib.Path("/tmp/redis.new").rename("/tmp/redis.json")
