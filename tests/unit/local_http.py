"""A server on loopback for a test, with a handler that knows what it stands for."""

from __future__ import annotations

import http.server
import ssl
import threading
import typing as t


class LocalHttp:
    """Serves from its making until C(stop); C(url) says where. O(known) becomes attributes of the handler's class."""

    def __init__(
        self,
        handler: type[http.server.BaseHTTPRequestHandler],
        known: t.Mapping[str, t.Any],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (handler,), dict(known)))
        if context:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
