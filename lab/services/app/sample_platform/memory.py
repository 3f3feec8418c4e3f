"""The memory service: every write goes to PostgreSQL and then to Redis, every read by number tries Redis first."""

from __future__ import annotations

import os
import time
from contextlib import closing
from typing import Any

import psycopg2
import psycopg2.errors
import redis

from sample_platform.server import Answer, BadRequest, Route

SCHEMA = """
SELECT pg_advisory_xact_lock(7210);
CREATE TABLE IF NOT EXISTS memories (
  id bigserial PRIMARY KEY,
  text text NOT NULL,
  created timestamptz NOT NULL DEFAULT now()
)
"""
CACHE_SECONDS = 3600


def password() -> str:
    with open(os.environ.get("POSTGRES_PASSWORD_FILE", "/run/secrets/postgres_password"), encoding="utf-8") as file:
        return file.read().strip()


def database() -> Any:
    return psycopg2.connect(
        host=os.environ.get("POSTGRES_HOST", "postgres"),
        port=os.environ.get("POSTGRES_PORT", "5432"),
        dbname=os.environ.get("POSTGRES_DB", "sophia"),
        user=os.environ.get("POSTGRES_USER", "sophia"),
        password=password(),
        connect_timeout=5,
        application_name="unified-memory",
    )


def cache() -> Any:
    return redis.Redis(host=os.environ.get("REDIS_HOST", "redis"), socket_timeout=5, socket_connect_timeout=5)


def execute(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Run one statement on a connection of its own; where the table is missing, make it and try again."""
    for attempt in (1, 2):
        with closing(database()) as connection:
            try:
                with connection, connection.cursor() as cursor:
                    cursor.execute(statement, values)
                    return list(cursor.fetchall())
            except psycopg2.errors.UndefinedTable:
                if attempt == 2:
                    raise
                with connection, connection.cursor() as cursor:
                    cursor.execute(SCHEMA)
    raise AssertionError("unreachable")


def remember(_query: dict[str, str], body: Any) -> Answer:
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str) or not text:
        raise BadRequest('POST a JSON object with a "text"')
    [(number,)] = execute("INSERT INTO memories (text) VALUES (%s) RETURNING id", text)
    with closing(cache()) as store:
        store.pipeline().set(f"memory:{number}", text, ex=CACHE_SECONDS).incr("memories:written").execute()
    return 201, {"id": number, "text": text}


def recall(query: dict[str, str], _body: Any) -> Answer:
    if "id" in query:
        return _by_number(query["id"])
    rows = execute(
        "SELECT id, text FROM memories WHERE text ILIKE %s ORDER BY id DESC LIMIT 20", f"%{query.get('q', '')}%"
    )
    return 200, {"memories": [{"id": number, "text": text} for number, text in rows]}


def _by_number(number: str) -> Answer:
    if not number.isdecimal():
        raise BadRequest("id is a number")
    with closing(cache()) as store:
        held = store.get(f"memory:{number}")
        if held is not None:
            return 200, {"id": int(number), "text": held.decode(), "from": "redis"}
        rows = execute("SELECT text FROM memories WHERE id = %s", int(number))
        if not rows:
            return 404, {"error": f"no memory {number}"}
        store.set(f"memory:{number}", rows[0][0], ex=CACHE_SECONDS)
    return 200, {"id": int(number), "text": rows[0][0], "from": "postgres"}


def count(_query: dict[str, str], _body: Any) -> Answer:
    [(rows,)] = execute("SELECT count(*) FROM memories")
    with closing(cache()) as store:
        written = int(store.get("memories:written") or 0)
    return 200, {"count": rows, "written": written}


def ready(_query: dict[str, str], _body: Any) -> Answer:
    """Whether both stores answer; /health is of the process alone, so that a pause of the data stops nobody."""
    started = time.monotonic()
    execute("SELECT 1")
    with closing(cache()) as store:
        store.ping()
    return 200, {"status": "ok", "ms": round((time.monotonic() - started) * 1000, 1)}


ROUTES: dict[tuple[str, str], Route] = {
    ("POST", "/memories"): remember,
    ("GET", "/memories"): recall,
    ("GET", "/memories/count"): count,
    ("GET", "/ready"): ready,
}
