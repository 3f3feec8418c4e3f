"""The services around the memory: small, and each doing what its name says."""

from __future__ import annotations

import json
import os
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

from sample_platform.server import NODE, ORCHESTRATOR, Answer, BadRequest, Route

MEMORY = os.environ.get("MEMORY_URL", "http://unified-memory:8010")
CHUNK_WORDS = 100


def ask_memory(path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(MEMORY + path, data=data), timeout=5) as reply:
        return json.load(reply)


def query(parameters: dict[str, str], body: Any) -> Answer:
    """The rag-pipeline: what the memory holds on a question, with the GPU that was reserved for the work."""
    question = body.get("question") if isinstance(body, dict) else parameters.get("question")
    if not question:
        raise BadRequest("ask with ?question= or a JSON object with a question")
    found = ask_memory(f"/memories?q={quote(question)}")["memories"]
    given = os.environ.get("DOCKER_RESOURCE_NVIDIA-GPU") or os.environ.get("NVIDIA_VISIBLE_DEVICES")
    return 200, {"question": question, "sources": found, "gpu": given}


def chunk(_parameters: dict[str, str], body: Any) -> Answer:
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str):
        raise BadRequest('POST a JSON object with a "text"')
    words = text.split()
    return 200, {"chunks": [" ".join(words[i : i + CHUNK_WORDS]) for i in range(0, len(words), CHUNK_WORDS)]}


def summary(_parameters: dict[str, str], _body: Any) -> Answer:
    return 200, {"memories": ask_memory("/memories/count")["count"], "node": NODE}


def tools(_parameters: dict[str, str], _body: Any) -> Answer:
    return 200, {"tools": [{"name": f"{os.environ['SERVICE']}.search"}, {"name": f"{os.environ['SERVICE']}.fetch"}]}


def store(_parameters: dict[str, str], body: Any) -> Answer:
    return 201, ask_memory("/memories", body)


def page(_parameters: dict[str, str], _body: Any) -> Answer:
    return (
        200,
        f"<!doctype html><title>Sample platform</title><h1>Sample platform</h1><p>{ORCHESTRATOR} on {NODE}</p>\n",
    )


MCP: dict[tuple[str, str], Route] = {("GET", "/tools"): tools}
ROUTES: dict[str, dict[tuple[str, str], Route]] = {
    "rag-pipeline": {("GET", "/query"): query, ("POST", "/query"): query},
    "document-chunking": {("POST", "/chunks"): chunk},
    "backend": {("GET", "/summary"): summary},
    "frontend": {("GET", "/"): page},
    "mcp-ai-memory": {**MCP, ("POST", "/memories"): store},
}
