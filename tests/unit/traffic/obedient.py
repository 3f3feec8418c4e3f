"""Where no Traefik is needed: one that has what the file says, and watches that end as they are told."""

from __future__ import annotations

from functools import partial

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import drive
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import effect, operation, run
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.metrics import Snapshot
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.store import Store
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Watch

from .test_edge_real import shift

REFUSED = "http: ["


class Side:
    def __init__(self, number):
        self.address = f"127.0.0.1:{number}"


class Obedient:
    """An edge, seen as C(shift) needs it, and its API; C(watches) are functions that return what was watched, taken in turn."""

    def __init__(self, folder):
        self.dynamic_dir, self.state_dir = folder / "dynamic", folder / "state"
        self.dynamic_dir.mkdir()
        self.api_url = "http://127.0.0.1:9"
        self.store = Store("app", str(self.dynamic_dir), str(self.state_dir))
        self.sides = Side(1), Side(2)
        self.primary_answers = True
        self.watches = []
        self.silent_looks = 0
        self.blocked = False
        self.now = 0.0
        self.reloaded_s = 0.0

    def shift(self, **changes):
        return shift(self, self.sides, **{"interval": 0.01, "in_effect_timeout": 0.1, **changes})

    @property
    def takes_changes(self):
        """Whether it takes any: not while a file of another hand is as one that it refuses."""
        return not self.blocked and not any(
            path.read_text() == REFUSED for path in self.dynamic_dir.glob("theirs*.yml")
        )

    def knows(self, _route):
        return self.takes_changes

    def in_effect(self, route):
        if self.silent_looks:
            self.silent_looks -= 1
            raise ReplatformError("the API does not answer")
        return self.takes_changes and self.store.read() == route

    def snapshot(self, _route):
        return Snapshot({}, {}, self.reloaded_s)

    @property
    def weight(self):
        return self.store.read().weight


def in_place_of_all(edge, monkeypatch):
    """Puts it in the place of a Traefik, of the servers and of the clock of the deadline."""
    monkeypatch.setattr(run, "EdgeApi", lambda _url: edge)
    monkeypatch.setattr(run, "drive", partial(drive, clock=lambda: edge.now))
    monkeypatch.setattr(operation, "probe_all", lambda urls, _health: dict.fromkeys(urls, ""))
    monkeypatch.setattr(operation, "any_answers", lambda *_arguments: edge.primary_answers)
    monkeypatch.setattr(operation, "takes_changes", lambda *_arguments: edge.takes_changes)
    monkeypatch.setattr(operation, "SETTLE_S", 0)
    monkeypatch.setattr(effect, "PATIENCE_S", 0.1)
    monkeypatch.setattr(effect, "_THROTTLE_S", 0)
    monkeypatch.setattr(Watch, "run", lambda _watch: edge.watches.pop(0)())
