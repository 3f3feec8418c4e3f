# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The listing of a repository that grew for years: mode, size and path of 1,950 files, 337 of them in the root.

The numbers are those of a real monorepo; the names are made up. A listing of your own has lines of the same form.
"""

from __future__ import annotations

import hashlib
import typing as t

AREAS = [
    "billing",
    "search",
    "gateway",
    "catalog",
    "orders",
    "pricing",
    "invoices",
    "returns",
    "customers",
    "shipping",
    "stock",
    "media",
]
PARTS = [
    "client",
    "server",
    "store",
    "worker",
    "planner",
    "reader",
    "writer",
    "schema",
    "router",
    "cache",
    "events",
    "health",
    "metrics",
    "loader",
]
REPORTS = ["REPORT", "SUMMARY", "STATUS", "COMPLETE", "ASSESSMENT", "REVIEW", "AUDIT", "ANALYSIS"]
PLANS = ["PLAN", "ROADMAP", "CHECKLIST", "STRATEGY"]
PAPERS = ["GUIDE", "IMPLEMENTATION", "OVERVIEW"]
# Folder, ending, how many, how many of these are executable.
FOLDERS = (
    ("docs", "md", 311, 0),
    ("infrastructure/services", "py", 140, 10),
    ("infrastructure/adapters", "py", 100, 0),
    ("infrastructure/stacks", "yaml", 60, 0),
    ("scripts", "py", 150, 60),
    ("scripts", "sh", 48, 48),
    ("frontend/src/components", "jsx", 95, 0),
    ("frontend/src/pages", "tsx", 100, 0),
    ("backend/services", "py", 70, 0),
    ("backend/core", "py", 31, 0),
    ("core/agents", "py", 78, 0),
    (".github/workflows", "yml", 78, 0),
    ("config", "yaml", 32, 0),
    ("config", "json", 32, 0),
    ("kubernetes/base", "yaml", 61, 0),
    ("shared", "py", 40, 0),
    ("api/routes", "py", 32, 0),
    ("mcp-servers/tools", "py", 24, 0),
    ("tests", "py", 32, 0),
    ("database/migrations", "sql", 49, 0),
    ("static", "css", 18, 0),
    ("docs/papers", "pdf", 12, 0),
)
ROOT = (
    "README.md", "LICENSE", "CHANGELOG.md", "Makefile", "Dockerfile", "main.py", "pyproject.toml", "package.json",
    "requirements.txt", "uv.lock", ".gitignore", ".env.example", ".editorconfig", "app.json", "tests.ini",
)  # fmt: skip


def number(text: str) -> int:
    """A number that is always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _size(path: str) -> int:
    """Sizes as they are found: a few empty, half below 5 kB, one in a hundred above 45 kB."""
    place = number(path) % 1000
    return 0 if place < 40 else 200 + place * 12 if place < 900 else 15_000 + (place - 900) * 400


def _root() -> t.Iterator[tuple[str, str]]:
    for name in ROOT:
        yield "100644", name
    for area in AREAS:
        for kind in (*REPORTS, *PLANS, *PAPERS):
            yield "100644", f"{area.upper()}_{kind}.md"
        for name in (f"docker-compose.{area}.yml", f"{area}_results.json", f"fix_{area}.py", f"{area}.yaml.backup"):
            yield "100644", name
        for name in (f"deploy_{area}.sh", f"start_{area}.sh", f"validate_{area}.py", f"setup_{area}.sh"):
            yield "100755", name
        yield "100644", f"{area}_deprecated.py"
    for index in range(34):
        yield "100644", f"{PARTS[index % len(PARTS)]}-notes-{index}.txt"


def listing() -> list[str]:
    """One line a file: mode, size and path, parted by tabs."""
    files = list(_root())
    for folder, ending, count, executable in FOLDERS:
        for index in range(count):
            name = f"{AREAS[index % len(AREAS)]}_{PARTS[index // len(AREAS) % len(PARTS)]}"
            name += "" if index < len(AREAS) * len(PARTS) else f"_{index // (len(AREAS) * len(PARTS))}"
            name = "_deprecated_" + name if ending == "py" and index % 17 == 5 else name
            files.append(("100755" if index < executable else "100644", f"{folder}/{name}.{ending}"))
    lines = [f"{mode}\t{_size(path)}\t{path}" for mode, path in files]
    lines += [f"160000\t-\texternal/{name}" for name in ("inspector", "sdk", "servers", "figma")]
    lines.append("120000\t17\tdocs/latest.md")
    return lines
