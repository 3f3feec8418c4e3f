"""The server's and the agents' password, and the token files that tell them."""

from __future__ import annotations

import secrets

from . import logs, pki
from .settings import Settings
from .token import full, parse


def known(settings: Settings) -> str:
    """The server's password as an earlier start has kept it."""
    file = settings.server_dir / "cred/server-password"
    return file.read_text() if file.exists() else ""


def choose(settings: Settings) -> tuple[str, str]:
    """From the configuration, else kept from the first start, else made now."""
    try:
        given = [
            parse(text).password if text else "" for text in (settings.secret("token"), settings.secret("agent-token"))
        ]
    except ValueError as error:
        raise logs.Fatal(f"failed to validate token: {error}") from error
    server = given[0] or known(settings) or secrets.token_hex(16)
    return server, given[1] or server


def keep(settings: Settings, server: str, agents: str) -> None:
    folder = settings.server_dir
    cacerts = (folder / "tls/server-ca.crt").read_bytes()
    wanted = {
        "cred/server-password": server,
        "cred/agent-password": agents,
        "token": full(server, "server", cacerts) + "\n",
        "agent-token": full(agents, "node", cacerts) + "\n",
    }
    for name, text in wanted.items():
        if not (folder / name).exists() or (folder / name).read_text() != text:
            pki.write(folder / name, text.encode())
    link = folder / "node-token"
    if not link.is_symlink():
        link.unlink(missing_ok=True)
        link.symlink_to(folder / "token")
