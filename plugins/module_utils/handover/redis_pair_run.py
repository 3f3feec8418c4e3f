# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: two Redis instances as the loop drives them, by scripts at a place that reaches both."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import redis_pair, redis_pair_scripts
from ansible_collections.sophia.replatform.plugins.module_utils.handover.dead_man import DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Place, address
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while

ARGUMENTS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "required": True, "choices": list(redis_pair.STATES)},
    "target": {"type": "str", "required": True},
    "other": {"type": "str", "required": True},
    "clients": {"type": "str"},
    "lead_timeout": {"type": "int", "default": 30},
    "swarm_service": {"type": "str"},
    "password_file": {"type": "path", "no_log": False},
    "lock": {"type": "path", "default": "/run/lock/replatform-redis.lock"},
    "overwrite": {"type": "bool", "default": False},
}

# One wait is one record in the journal; a longer one is several, so that the deadline is looked at in between.
SLICE_S = 5.0


class RedisPair:
    """O(params) are the module's. In check mode no lock file is made and there is no O(dead_man); else that one is armed before the
    master is demoted, and never disarmed: it looks where clients are led when the run has ended well, too."""

    OPERATION = "redis_switchover"
    FREED = redis_pair.FREED

    def __init__(
        self,
        place: Place,
        params: t.Mapping[str, t.Any],
        check_mode: bool = False,
        dead_man: DeadMan | None = None,
    ) -> None:
        self.place = place
        self.params = params
        self.dead_man = dead_man
        self.lock = "" if check_mode else str(params["lock"])
        self.wanted = redis_pair.Wanted(params["state"], params["target"], params["other"], params["overwrite"])
        # Who connects to a replica after that means it.
        self.disconnected: set[str] = set()

    def next_step(self, world: redis_pair.World) -> Decision:
        return redis_pair.next_step(world, self.wanted)

    def simulate(self, world: redis_pair.World, step: Step) -> redis_pair.World:
        return redis_pair.simulate(world, step, self.wanted)

    def held(self, world: redis_pair.World) -> bool:
        """Neither takes writes."""
        return bool(world.target and world.other) and not redis_pair.masters(world)

    def given_up(self, world: redis_pair.World) -> Decision:
        return redis_pair.freed(world, self.wanted)

    def warnings(self) -> list[str]:
        """Nothing that a handover which goes well has to say."""
        return []

    def settle(self) -> None:
        """Whoever began the run leads clients to the new master when it has ended, if they live."""
        if self.params["clients"]:
            wait_while(self._led_elsewhere, self.params["lead_timeout"])

    def _led_elsewhere(self) -> bool:
        world = self.observe()
        masters = redis_pair.masters(world)
        return len(masters) == 1 and world.led not in masters

    def observe(self) -> redis_pair.World:
        target, _mark, other = self.run("STATUS", self.wanted.target).partition("== other\n")
        world = redis_pair.World(self._parsed(self.wanted.target, target), self._parsed(self.wanted.other, other))
        if self.params["clients"] and self.wanted.state == redis_pair.FREED:
            world = replace(world, led=redis_pair.led_to(world, self.run("LED", self.params["clients"]).split()))
        if self.wanted.state == "primary":
            self._stand_by(self._may_refuse(world))
        return world

    def _parsed(self, at: str, text: str) -> redis_pair.Instance | None:
        instance = redis_pair.parse_instance(at, text)
        return replace(instance, clients=0) if instance and at in self.disconnected else instance

    def _may_refuse(self, world: redis_pair.World) -> bool:
        """Whether clients are refused wherever they are led, or where they are led to O(other)."""
        return bool(world.target and world.other) and not (world.other and world.other.master)

    def _stand_by(self, refused: bool) -> None:
        if not self.dead_man:
            return
        if refused:
            self.dead_man.arm()
        if self.dead_man.overdue():
            raise ReplatformError(f"clients that are led to {self.wanted.other} have been refused writes for too long")

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        if step.name.startswith("wait_for_"):
            return wait_while(lambda: self._still(step), SLICE_S, poll_s=0.2)
        if step.name == "demote":
            self._stand_by(refused=True)
        settings = step.data.get("settings", {})
        pairs = [word for pair in settings.items() for word in pair]
        printed = self.run(step.name.upper(), step.data["at"], *pairs)
        if step.name == "disconnect":
            self.disconnected.add(step.data["at"])
        return {"offset": int(printed)} if step.name == "demote" else None

    def run(self, script: str, at: str, *arguments: str) -> str:
        """What the script of that name prints, run against the instance at O(at)."""
        other = self.wanted.other if at == self.wanted.target else self.wanted.target
        fixed = (self.params["password_file"] or "", self.lock)
        text = getattr(redis_pair_scripts, script)
        return self.place.run(text, *fixed, *address(at), *address(other), *arguments)

    def _still(self, step: Step) -> bool:
        decision = self.next_step(self.observe())
        return isinstance(decision, Step) and decision.name == step.name
