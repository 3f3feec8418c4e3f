"""Headless Chromium by its debugging protocol, over a pair of pipes: messages are JSON that end in a zero byte.

Source: chromium content/browser/devtools/devtools_pipe_handler.cc; https://chromedevtools.github.io/devtools-protocol/.
"""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import typing as t

NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DESK = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
_DEADLINE_S = 300


def chromium() -> str | None:
    """Where there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One Chromium with one page. O(said) is what the page's console and its errors have said."""

    def __init__(self, folder: pathlib.Path) -> None:
        binary = chromium()
        assert binary, "there is no Chromium: run make chart, which installs Debian's"
        self.said: list[str] = []
        self._answers: dict[int, dict[str, t.Any]] = {}
        self._count, self._rest, self._loaded, self._session = 0, b"", False, ""
        takes, self._to = os.pipe()
        self._from, gives = os.pipe()
        # The protocol's ends are the file descriptors 3 and 4, whatever ours are.
        script = f'exec "$@" 3<&{takes} 4>&{gives} {takes}<&- {gives}>&-'
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        options += ["--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
        # Killed after the deadline, whatever it does, so that a read from it ends.
        command = ["timeout", "--kill-after=5", str(_DEADLINE_S), "bash", "-c", script, "bash", binary, *options]
        self._process = subprocess.Popen(
            command, pass_fds=(takes, gives), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(takes)
        os.close(gives)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: t.Any) -> dict[str, t.Any]:
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while self._count not in self._answers:
            self._read()
        answer = self._answers.pop(self._count)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def _read(self) -> None:
        while b"\0" not in self._rest:
            chunk = os.read(self._from, 1 << 16)
            assert chunk, "Chromium has ended"
            self._rest += chunk
        raw, _end, self._rest = self._rest.partition(b"\0")
        message = json.loads(raw)
        method, params = message.get("method", ""), message.get("params", {})
        if "id" in message:
            self._answers[message["id"]] = message
        elif method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.consoleAPICalled":
            self.said.append(f"console.{params['type']}")
        elif method == "Runtime.exceptionThrown":
            self.said.append(params["exceptionDetails"]["text"])
        elif method == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith("file:"):
            self.said.append(f"asks for {params['request']['url']}")

    def open(self, page: pathlib.Path, screen: t.Mapping[str, t.Any], scheme: str, media: str = "screen") -> None:
        """Show a file on a screen, or as it is printed, with the colours that the reader prefers; returns when it is loaded."""
        self.said.clear()
        self.ask("Emulation.setDeviceMetricsOverride", **screen)
        self.ask(
            "Emulation.setEmulatedMedia", media=media, features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        self._loaded = False
        self.ask("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._read()

    def value(self, expression: str) -> t.Any:
        """What an expression is in the page."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def stop(self) -> None:
        self._session = ""
        self.ask("Browser.close")
        self._process.wait()
        os.close(self._to)
        os.close(self._from)
