# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: a database on two PostgreSQL instances, and their pooler, as the loop drives them, by scripts at a place that reaches all."""

from __future__ import annotations

import json
import re
import typing as t
from dataclasses import replace

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import (
    logical,
    logical_schema_scripts,
    logical_scripts,
    logical_stream_scripts,
    switchover_run,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.dead_man import DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.handover.logical_checks import Facts
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import Place, address
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_world import Pooler, parse_lsn
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while

ARGUMENTS: dict[str, t.Any] = {**switchover_run.ARGUMENTS, "compare": {"type": "int", "default": 16 << 20}}
STATES_OF_TWO = switchover_run.STATES_OF_TWO

# Those of the pooler and of the password are the same as for streaming.
_SHARED = ("GIVE_CREDENTIALS", "REMOVE_CREDENTIALS", "FREE", "TRY_REPOINT", "PAUSE", "RESUME", "REPOINT")
_SCRIPTS = {**vars(logical_scripts), **vars(logical_schema_scripts), **vars(logical_stream_scripts)}


def check(params: t.Mapping[str, t.Any]) -> None:
    """Raises C(ReplatformError) with one line for the first option that can't be used."""
    switchover_run.check(params)
    if params["compare"] < 0:
        raise ReplatformError("compare must be at least 0")


class LogicalSwitchover:
    """O(params) are the module's. In check mode no lock file is made and there is no O(dead_man)."""

    OPERATION = "postgres_logical_switchover"
    FREED = "released"

    def __init__(
        self,
        place: Place,
        params: t.Mapping[str, t.Any],
        check_mode: bool = False,
        dead_man: DeadMan | None = None,
    ) -> None:
        # Knows the names of the instances, the arguments of scripts, the scripts of the pooler, and the dead-man.
        self.shared = switchover_run.Switchover(place, params, check_mode, dead_man)
        self.place = place
        self.params = params
        self.wanted = self.shared.wanted
        self._facts: dict[str, Facts] = {}
        self._schemas: dict[str, str] = {}

    def next_step(self, world: logical.World) -> Decision:
        return logical.next_step(world, self.wanted)

    def held(self, world: logical.World) -> bool:
        return world.pooler.paused

    def settle(self) -> None:
        """The pooler is all that clients are led by."""

    def given_up(self, world: logical.World) -> Decision:
        return logical.given_up(world, self.wanted)

    def warnings(self) -> list[str]:
        """Nothing that a handover which goes well has to say."""
        return []

    def simulate(self, world: logical.World, step: Step) -> logical.World:
        return logical.simulate(world, step, self.wanted)

    def observe(self) -> logical.World:
        world = self._look()
        self.shared.watch(world.pooler)
        # Facts are for what comes before clients are held, and take a moment.
        if world.pooler.paused or self.wanted.state not in ("standby", "primary") or not (world.target and world.other):
            return world
        if world.other.follows:
            return world
        return logical.World(
            self._with_file(world.pooler),
            self._with_facts(world.target, world.other),
            self._with_facts(world.other, world.target),
        )

    def _look(self) -> logical.World:
        wanted = self.wanted
        parts = switchover_run.split_parts(self.run("STATUS", wanted.target, *address(wanted.other)))
        pooler = switchover_run.parse_pooler(
            parts["databases"], parts["config"], self.params["database"], self.shared.known
        )
        # Other databases stay where they are; what leads to this one under another name would be cut off with it.
        pooler = replace(pooler, beside=[one for one in pooler.beside if one.database == self.params["database"]])
        target, other = (parse_instance(at, parts[part]) for at, part in ((wanted.target, "1"), (wanted.other, "2")))
        return logical.World(pooler, target, other)

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        at = step.data.get("at") or step.data.get("to") or self.wanted.target
        self.shared.stand_by(step)
        if step.name == "wait_for_transactions":
            return self.shared.wait_for_transactions(lambda: self._still(step))
        if step.name == "wait_for_replay":
            self.run("NUDGE", step.data["nudge"])
        if step.name.startswith("wait_for_"):
            poll_s = 0.05 if step.name == "wait_for_replay" else 0.2
            return wait_while(lambda: self._still(step), switchover_run.SLICE_S, poll_s=poll_s)
        arguments: dict[str, t.Sequence[str]] = {
            "pause": (f"{self.wanted.grace_s:g}",),
            "repoint": (str(self.params["pooler_file"]), *address(self.shared.names[at])),
            "try_repoint": (str(self.params["pooler_file"]),),
            "copy_schema": address(str(step.data.get("from", ":"))),
            "subscribe": address(str(step.data.get("to", ":"))),
            "turn": (*address(str(step.data.get("to", ":"))), str(self.params["compare"])),
        }
        if step.name == "publish":
            arguments["publish"] = (self.run("FINGERPRINT", at).strip(),)
        printed = self.run(step.name.upper(), at, *arguments.get(step.name, ())).split()
        self._facts.clear()
        self._schemas.clear()
        said = {"fence": "ended_sessions", "turn": "compared"}.get(step.name)
        return {said: int(printed[-1])} if said else None

    def run(self, script: str, at: str, *arguments: str) -> str:
        """What the script of that name prints, run against the instance at O(at)."""
        if script in _SHARED:
            return self.shared.run(script, at, *arguments)
        params = self.params
        fixed = (params["user"], params["database"], params["password_file"], self.shared.lock)
        text = _SCRIPTS[script]
        return self.place.run(text, *fixed, *address(params["pooler"]), *address(at), *arguments)

    def _with_file(self, pooler: Pooler) -> Pooler:
        pooler = self.shared.with_file(pooler)
        return replace(pooler, file=replace(pooler.file, others_to="") if pooler.file else None)

    def _with_facts(self, one: logical.Instance, beside: logical.Instance) -> logical.Instance:
        """Asked for again after each step, and not while one waits. The schema is, once there is something to compare it with."""
        if one.address not in self._facts:
            facts = parse_facts(self.run("FACTS", one.address))
            facts["free"] = int(self.run("FREE", one.address)) if one.address == self.wanted.target else None
            self._facts[one.address] = Facts(**facts)
        followed = (one.follows or beside.follows) and not one.pending and not beside.pending
        if one.recorded and followed and one.address not in self._schemas:
            self._schemas[one.address] = self.run("FINGERPRINT", one.address).strip()
        return replace(one, facts=self._facts[one.address], schema=self._schemas.get(one.address, ""))

    def _still(self, step: Step) -> bool:
        decision = self.next_step(self.observe())
        return isinstance(decision, Step) and decision.name == step.name


def parse_facts(text: str) -> dict[str, t.Any]:
    """The fields of C(Facts) from a line of JSON and one for each table that has rows."""
    first, *filled = [line for line in text.splitlines() if line.strip()]
    return {**json.loads(first), "filled": filled}


def parse_instance(at: str, text: str) -> logical.Instance | None:
    """The instance at O(at) from the line of JSON that it printed, or nothing when it did not answer."""
    if not text.strip():
        return None
    seen: dict[str, t.Any] = json.loads(text)
    conninfo = dict(re.findall(r"(\w+)=(\S*)", seen.pop("conninfo") or ""))
    seen["follows"] = f"{conninfo['host']}:{conninfo['port']}" if conninfo else ""
    for name in ("lsn", "confirmed"):
        seen[name] = parse_lsn(seen[name] or "")
    for name in ("freeze", "recorded"):
        seen[name] = seen[name] or ""
    return logical.Instance(address=at, **seen)
