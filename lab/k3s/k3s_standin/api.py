"""A client of the Kubernetes API on the standard library: JSON in, JSON out, and a watch as a generator."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import urlsplit

MERGE = "application/merge-patch+json"
# Lists of things with a key, like a node's conditions, are merged by it.
STRATEGIC = "application/strategic-merge-patch+json"
KEEP_ALIVE = (
    ((socket.SOL_SOCKET, socket.SO_KEEPALIVE), 1),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE), 20),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPINTVL), 5),
    ((socket.IPPROTO_TCP, socket.TCP_KEEPCNT), 3),
)


class ApiError(ConnectionError):
    """What the API refused; a kind of OSError, since who asks handles both alike: later, again."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Api:
    def __init__(self, url: str, ca: Path, certificate: Path, key: Path) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 443
        self.context = ssl.create_default_context(cafile=str(ca))
        self.context.load_cert_chain(str(certificate), str(key))

    def _open(self, timeout: float) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=timeout)

    def call(
        self, method: str, path: str, body: Any = None, kind: str = "application/json", timeout: float = 15
    ) -> Any:
        connection = self._open(timeout)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, path, payload, {"Content-Type": kind, "Accept": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= 300:
            raise ApiError(answer.status, content.decode(errors="replace")[:300])
        try:
            return json.loads(content)
        except ValueError:
            return content.decode(errors="replace")

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def find(self, path: str) -> Any:
        """The object, or None where there is none."""
        try:
            return self.call("GET", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def patch(self, path: str, body: Any, kind: str = MERGE) -> Any:
        return self.call("PATCH", path, body, kind)

    def put(self, collection: str, body: dict[str, Any]) -> Any:
        """Create the object, or bring the one of that name to this content."""
        try:
            return self.call("POST", collection, body)
        except ApiError as error:
            if error.status != 409:
                raise
        return self.patch(f"{collection}/{body['metadata']['name']}", body)

    def changes(self, path: str, seconds: int = 600) -> Iterator[list[dict[str, Any]]]:
        """The list at ``path``, once at first and again after each change, for about ``seconds``."""
        listing = self.get(path)
        items = {item["metadata"]["uid"]: item for item in listing["items"]}
        yield list(items.values())
        connection = self._open(seconds + 30)
        try:
            connection.connect()
            # A server that vanished without a word would otherwise be listened to until the timeout.
            for option, value in KEEP_ALIVE:
                connection.sock.setsockopt(*option, value)
            version = listing["metadata"]["resourceVersion"]
            connection.request("GET", f"{path}?watch=1&resourceVersion={version}&timeoutSeconds={seconds}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise ApiError(answer.status, answer.read(300).decode(errors="replace"))
            for line in iter(answer.readline, b""):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                uid = event["object"]["metadata"]["uid"]
                if event["type"] == "DELETED":
                    items.pop(uid, None)
                else:
                    items[uid] = event["object"]
                yield list(items.values())
        finally:
            connection.close()
