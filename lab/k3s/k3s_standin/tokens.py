"""``k3s token``: rotate the server token by a request to the supervisor, or make one up."""

from __future__ import annotations

import http.client
import json
import secrets
from pathlib import Path
from typing import Mapping

from . import flags, logs
from .config import load_with
from .join import authorized, trusted_ca
from .token import parse

OPTIONS = {
    **flags.SERVER,
    **dict.fromkeys(("new-token", "kubeconfig"), flags.TEXT),
}
RECORD = (
    "\033[33mWARNING\033[0m: Recommended to keep a record of the old token. If restoring from a snapshot, "
    "you must use the token associated with that snapshot."
)


def rotate(words: list[str], environment: Mapping[str, str]) -> None:
    values = load_with(OPTIONS, words, environment)
    data = Path(values.get("data-dir") or "/var/lib/rancher/k3s")
    url = (values.get("server") or "https://127.0.0.1:6443").rstrip("/")
    print(RECORD)
    try:
        old = parse(values.get("token") or (data / "server/token").read_text(), "server")
        cacerts = trusted_ca(url, old)
        body = json.dumps({"newToken": values.get("new-token") or ""})
        status, answer = authorized(url, cacerts, "server", old.password, "PUT", "/v1-k3s/token", body)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise logs.Fatal(f"failed to rotate token: {error}") from error
    if status != 200:
        raise logs.Fatal(f"failed to rotate token: {url}/v1-k3s/token: {status} {answer.decode()}")
    print("Token rotated, restart k3s nodes with new token")


def command(words: list[str], environment: Mapping[str, str]) -> int:
    act = words[0] if words else ""
    if act == "rotate":
        rotate(words[1:], environment)
    elif act == "generate":
        print(f"{secrets.token_hex(3)}.{secrets.token_hex(8)}")
    else:
        raise logs.Fatal(f"No help topic for 'token {act}'")
    return 0
