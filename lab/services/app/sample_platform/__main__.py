"""Run one service of the sample platform. Environment: SERVICE (its name), PORT."""

from __future__ import annotations

import os

from sample_platform import others
from sample_platform.server import Server


def main() -> None:
    name = os.environ["SERVICE"]
    if name == "ticker":
        from sample_platform import ticker

        ticker.run(int(os.environ["PORT"]))
        return
    if name == "unified-memory":
        from sample_platform import memory

        routes = memory.ROUTES
    elif name == "notes":
        from sample_platform import notes

        routes = notes.ROUTES
    else:
        routes = others.ROUTES.get(name, others.MCP)
    Server(name, int(os.environ["PORT"]), routes).run()


if __name__ == "__main__":
    main()
