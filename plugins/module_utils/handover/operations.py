# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: each kind of store as the loop drives it, by scripts in the pod of the new instance."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import (
    postgres,
    postgres_scripts,
    redis,
    redis_scripts,
)
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while

ARGUMENTS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "namespace": {"type": "str", "required": True},
    "kubeconfig": {"type": "path", "required": True},
    "source": {"type": "str"},
    "state": {"type": "str", "required": True, "choices": ["copied", "idle", "writable"]},
    "overwrite": {"type": "bool", "default": False},
}

# One wait is one record in the journal; a longer one is several, so that the deadline is looked at in between.
SLICE_S = 5.0


class Handover:
    """What the kinds share. O(params) are the module's: C(name), C(source) (may be empty), and those of the kind."""

    scripts: t.Any

    def __init__(self, cluster: t.Any, params: t.Mapping[str, t.Any]) -> None:
        self.cluster = cluster
        self.params = params
        host, _colon, port = (params["source"] or "").rpartition(":")
        self.old = (host, port) if host else None

    def next_step(self, world: t.Any) -> Decision:
        raise NotImplementedError

    def observe(self) -> t.Any:
        raise NotImplementedError

    def arguments(self) -> tuple[str, ...]:
        raise NotImplementedError

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        if step.name.startswith("wait_for_"):
            return wait_while(lambda: self._still(step), SLICE_S, poll_s=0.2)
        if self.old is None:
            raise ReplatformError(f"{step.name} needs the address of the old instance in source")
        printed = self.run(getattr(self.scripts, step.name.upper()), self.old)
        return {"bytes": int(printed)} if step.name == "copy" else None

    def run(self, script: str, at: tuple[str, str]) -> str:
        """What O(script) prints, run against the instance at O(at); an empty host is the new one."""
        return str(self.cluster.run(self.cluster.pod_of(f"{self.params['name']}-k3s"), script, *self.arguments(), *at))

    def old_status(self) -> str | None:
        """What the old instance says of itself, or nothing when it does not answer."""
        if self.old is None:
            return None
        try:
            return self.run(self.scripts.STATUS, self.old)
        except ReplatformError:
            # The pod itself must be in order; then it is the old instance that does not answer.
            self.run(self.scripts.STATUS, ("", ""))
            return None

    def _still(self, step: Step) -> bool:
        decision = self.next_step(self.observe())
        return isinstance(decision, Step) and decision.name == step.name


class PostgresHandover(Handover):
    """A database of PostgreSQL."""

    scripts = postgres_scripts

    def __init__(self, cluster: t.Any, params: t.Mapping[str, t.Any]) -> None:
        super().__init__(cluster, params)
        self.wanted = postgres.Wanted(params["state"], params["grace"], params["overwrite"])
        self.simulate = postgres.simulate
        self.copied = False

    def arguments(self) -> tuple[str, ...]:
        of_all = (self.params["user"], self.params["database"], self.params["password_file"])
        return (*of_all, str(self.wanted.overwrite).lower())

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        result = super().act(step)
        self.copied = self.copied or step.name == "copy"
        return result

    def next_step(self, world: postgres.World) -> Decision:
        return postgres.next_step(world, self.wanted)

    def observe(self) -> postgres.World:
        switched = self.cluster.selects_pods(self.params["name"])
        status = self.old_status()
        old = postgres.Instance(**json.loads(status)) if status else None
        new = postgres.Instance(**json.loads(self.run(self.scripts.STATUS, ("", ""))))
        if old and self.old and postgres.needs_content(switched, old, self.wanted.state):
            old = dataclasses.replace(old, content=self._content(self.old))
            new = dataclasses.replace(new, content=self._content(("", "")))
        only_new = None
        if self.old and postgres.needs_outline(switched, old, new, self.wanted.state):
            names = set(self._lines(self.scripts.NAMES, self.old))
            only_new = {name: used for name, used in self._lines(self.scripts.OUTLINE, ("", "")) if name not in names}
        return postgres.World(switched, old, new, only_new, self.copied)

    def _content(self, at: tuple[str, str]) -> dict[str, t.Any]:
        return {name: [count, checksum] for name, count, checksum in self._lines(self.scripts.CONTENT, at)}

    def _lines(self, script: str, at: tuple[str, str]) -> list[t.Any]:
        return [json.loads(line) for line in self.run(script, at).splitlines() if line.strip()]


class RedisHandover(Handover):
    """A Redis."""

    scripts = redis_scripts

    def __init__(self, cluster: t.Any, params: t.Mapping[str, t.Any]) -> None:
        super().__init__(cluster, params)
        self.wanted = redis.Wanted(params["state"], params["source"] or "", params["overwrite"])
        self.simulate = redis.simulate

    def arguments(self) -> tuple[str, ...]:
        return (self.params["password_file"] or "",)

    def next_step(self, world: redis.World) -> Decision:
        return redis.next_step(world, self.wanted)

    def observe(self) -> redis.World:
        switched = self.cluster.selects_pods(self.params["name"])
        status = self.old_status()
        old = redis.parse_status(status) if status else None
        return redis.World(switched, old, redis.parse_status(self.run(self.scripts.STATUS, ("", ""))))
