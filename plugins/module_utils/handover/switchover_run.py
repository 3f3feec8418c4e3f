# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: two PostgreSQL instances and their pooler as the loop drives them, by scripts at a place that reaches all three."""

from __future__ import annotations

import csv
import json
import re
import shlex
import time
import typing as t
from dataclasses import replace

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import (
    pooler_file,
    switchover,
    switchover_scripts,
    switchover_simulation,
    switchover_world,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.dead_man import DeadMan
from ansible_collections.sophia.replatform.plugins.module_utils.handover.places import (
    Place,
    address,
    check_addresses,
)
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_checks import Facts, slot_warnings
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while

ARGUMENTS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "required": True, "choices": list(switchover_world.STATES)},
    "target": {"type": "str", "required": True},
    "other": {"type": "str"},
    "target_name": {"type": "str"},
    "other_name": {"type": "str"},
    "pooler": {"type": "str", "required": True},
    "pooler_file": {"type": "path", "required": True},
    "swarm_service": {"type": "str"},
    "service": {"type": "str"},
    "namespace": {"type": "str"},
    "kubeconfig": {"type": "path"},
    "user": {"type": "str", "required": True},
    "database": {"type": "str", "required": True},
    "password_file": {"type": "str", "required": True, "no_log": False},
    "overwrite": {"type": "bool", "default": False},
    "max_lag": {"type": "int", "default": 1 << 20},
    "grace": {"type": "int", "default": 2},
}

STATES_OF_TWO = tuple(state for state in switchover_world.STATES if state != "alone")

# They become words of connection strings and of commands of the pooler, which know no quotes.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

# One wait is one record in the journal; a longer one is several, so that the deadline is looked at in between.
SLICE_S = 5.0

# What was fenced takes longer to come back than a transaction to end.
GRACES_TO_COME_BACK = 5


def check(params: t.Mapping[str, t.Any]) -> None:
    """Raises C(ReplatformError) with one line for the first option that can't be used."""
    named = [option for option in ("other", "target_name", "other_name") if params[option]]
    check_addresses(params, "target", "pooler", *named)
    for option in ("user", "database"):
        if not _NAME.fullmatch(params[option]):
            raise ReplatformError(f"{option} is '{params[option]}': only letters, digits, _ and - can be used here")
    if params["grace"] < 1 or params["max_lag"] < 0:
        raise ReplatformError("grace must be at least 1 and max_lag at least 0")


class Switchover:
    """O(params) are the module's. In check mode no lock file is made and there is no O(dead_man); else that one is armed while clients
    are held."""

    OPERATION = "postgres_switchover"
    FREED = "released"

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
        self.lock = "" if check_mode else f"{params['pooler_file']}.lock"
        self.wanted = switchover_world.Wanted(
            params["state"],
            params["target"],
            params["other"] or "",
            params["overwrite"],
            params["max_lag"],
            params["grace"],
        )
        # How the pooler's configuration names the instances; what is gone for good has left its name to the one that is there.
        self.names = {params["target"]: params["target_name"] or params["target"]}
        self.known = {name: at for at, name in self.names.items()}
        if params["other"]:
            self.names[params["other"]] = params["other_name"] or params["other"]
        if params["other_name"]:
            self.known[params["other_name"]] = params["other"] or params["target"]
        self._facts: dict[tuple[str, str], Facts] = {}
        self._room: dict[str, tuple[int, int]] = {}
        self._file: pooler_file.PoolerFile | None = None
        self._tried = False
        self._seen: switchover_world.World | None = None

    def next_step(self, world: switchover_world.World) -> Decision:
        return switchover.next_step(world, self.wanted)

    def held(self, world: switchover_world.World) -> bool:
        return world.pooler.paused

    def settle(self) -> None:
        """The pooler is all that clients are led by."""

    def given_up(self, world: switchover_world.World) -> Decision:
        return switchover.given_up(world, self.wanted)

    def simulate(self, world: switchover_world.World, step: Step) -> switchover_world.World:
        return switchover_simulation.simulate(world, step, self.wanted)

    def observe(self) -> switchover_world.World:
        """The world as it is now, or as the last look of a wait has just found it."""
        seen, self._seen = self._seen, None
        return seen or self._observe()

    def _observe(self) -> switchover_world.World:
        world = self._look()
        self.watch(world.pooler)
        # Facts are for what comes before clients are held, and take a moment, and room.
        if world.pooler.paused or self.wanted.state not in ("standby", "primary"):
            return world
        try:
            if world.target and world.other:
                target, other = self._with_facts(world.target), self._with_facts(world.other)
                world = replace(world, pooler=self.with_file(world.pooler), target=target, other=other)
            return replace(world, target=self._with_room(world.target), other=self._with_room(world.other))
        except ReplatformError:
            again = self._look()
            if [one is None for one in (again.target, again.other)] == [
                one is None for one in (world.target, world.other)
            ]:
                raise
            return again  # one has gone down meanwhile

    def _look(self) -> switchover_world.World:
        wanted = self.wanted
        parts = split_parts(self.run("STATUS", wanted.target, *address(wanted.other)))
        pooler = parse_pooler(parts["databases"], parts["config"], self.params["database"], self.known)
        target, other = (parse_instance(at, parts[n]) for at, n in ((wanted.target, "1"), (wanted.other, "2")))
        return switchover_world.World(pooler, target, other)

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        at = step.data.get("at") or step.data.get("to") or self.wanted.target
        other = self.wanted.other if at == self.wanted.target else self.wanted.target
        self.stand_by(step)
        self._room.clear()
        if step.name == "wait_for_transactions":
            return self.wait_for_transactions(lambda: self._still(step))
        if step.data.get("held"):
            return self._wait_while_held(step)
        if step.name.startswith("wait_for_"):
            return wait_while(lambda: self._still(step), SLICE_S, poll_s=0.2)
        if step.name == "prove":
            return wait_while(lambda: self._unproven(step), SLICE_S, poll_s=0.05)
        arguments: dict[str, t.Sequence[str]] = {
            "follow": address(str(step.data.get("primary", ":"))),
            "fence": (*address(other), at),
            "promote": (str(step.data.get("lsn")),),
            "pause": (f"{self.wanted.grace_s:g}",),
            "repoint": (str(self.params["pooler_file"]), *address(self.names[at])),
            "try_repoint": (str(self.params["pooler_file"]),),
        }
        if step.name == "try_repoint":
            # It may be long since they were asked for, and after this clients are held.
            self._facts = {key: facts for key, facts in self._facts.items() if key[0] != at}
        if step.name == "seed":
            arguments["seed"] = (self._seed_program(step), str(step.data["over"]))
        try:
            printed = self.run(step.name.upper(), at, *arguments.get(step.name, ()))
        except ReplatformError as exc:
            if step.name != "fence":
                raise
            raise ReplatformError(f"{at} could not be fenced ({exc})") from exc
        return {"ended_sessions": int(printed)} if step.name == "fence" else None

    def watch(self, pooler: switchover_world.Pooler) -> None:
        """The dead-man is armed while clients are held, whoever holds them."""
        if self.dead_man:
            self.dead_man.arm() if pooler.paused else self.dead_man.disarm()

    def stand_by(self, step: Step) -> None:
        """Called before O(step) is taken: it is armed before clients are held, and nothing is begun any more when it is about to act."""
        if self.dead_man and step.name == "pause":
            self.dead_man.arm()
        if self.dead_man and self.dead_man.overdue():
            raise ReplatformError("clients have been held for too long")

    def run(self, script: str, at: str, *arguments: str) -> str:
        """What the script of that name prints, run against the instance at O(at)."""
        params = self.params
        fixed = (params["user"], params["database"], params["password_file"], self.lock)
        text = getattr(switchover_scripts, script)
        printed = self.place.run(text, *fixed, *address(params["pooler"]), *address(at), *arguments)
        self._tried = self._tried or script == "TRY_REPOINT"
        return printed

    def with_file(self, pooler: switchover_world.Pooler) -> switchover_world.Pooler:
        """O(pooler), with its file as this run found it, for one that leads to the instance that is to give it up."""
        if pooler.leads_to != self.wanted.other:
            return pooler
        if self._file is None:
            path = str(self.params["pooler_file"])
            said = self.run("POOLER_FILE", self.wanted.target, path)
            self._file = pooler_file.parse(path, self.params["database"], said, self.known)
        return replace(pooler, file=self._file, tried=self._tried)

    def _with_facts(self, instance: switchover_world.Instance) -> switchover_world.Instance:
        """Not asked for at each look; those of the primary are once more before clients are held."""
        key = (instance.address, instance.system)
        if key not in self._facts:
            facts = parse_facts(self.run("FACTS", instance.address))
            if not instance.standby and not instance.fenced:
                facts["free"] = int(self.run("FREE", instance.address))
            self._facts[key] = Facts(**facts)
        return replace(instance, facts=self._facts[key])

    def _with_room(self, instance: switchover_world.Instance | None) -> switchover_world.Instance | None:
        """Asked for again after each step, and in the midst of none: to ask is to write."""
        if instance is None or instance.standby or instance.fenced:
            return instance
        if instance.address not in self._room:
            free, size = self.run("WAL_ROOM", instance.address).split()
            self._room[instance.address] = int(free), int(size)
        room, disk = self._room[instance.address]
        return replace(instance, room=room, disk=disk)

    def warnings(self) -> list[str]:
        """Of what has been seen."""
        return slot_warnings({at: facts for (at, _system), facts in self._facts.items()})

    def _seed_program(self, step: Step) -> str:
        host, port = address(step.data["from"])
        values = {"to_host": host, "to_port": port, "user": self.params["user"], "bytes": step.data["bytes"]}
        return "".join(f"{name}={shlex.quote(str(value))}; " for name, value in values.items()) + (
            switchover_scripts.SEED_PROGRAM
        )

    def _still(self, step: Step) -> bool:
        self._seen = self._observe()
        decision = self.next_step(self._seen)
        return isinstance(decision, Step) and decision.name == step.name

    def _unproven(self, step: Step) -> bool:
        self.run("PROVE", self.wanted.target)
        return self._still(step)

    def wait_for_transactions(self, still: t.Callable[[], bool]) -> t.Mapping[str, t.Any]:
        """A run that was killed had begun to hold clients: they are held no longer than its successor may."""
        start = time.monotonic()
        waited = wait_while(still, self.wanted.grace_s, poll_s=0.1)
        if time.monotonic() - start >= self.wanted.grace_s:
            self.run("GO_ON", self.wanted.other, f"{self.wanted.grace_s:g}")  # which says why not
        return waited

    def _wait_while_held(self, step: Step) -> t.Mapping[str, t.Any]:
        patience_s = GRACES_TO_COME_BACK * self.wanted.grace_s
        waited = wait_while(lambda: self._still(step), patience_s, poll_s=0.2)
        if waited["waited_s"] >= patience_s:
            raise ReplatformError(
                f"{self.wanted.target} does not answer: bring it back, or make {self.wanted.other} the primary"
            )
        return waited


def parse_facts(text: str) -> dict[str, t.Any]:
    """The fields of C(Facts) from a line of JSON of the instance and one of each of its databases."""
    facts, *databases = [json.loads(line) for line in text.splitlines() if line.strip()]
    facts["tables"] = sum(one["tables"] for one in databases)
    facts["unlogged"] = [table for one in databases for table in one["unlogged"]]
    for name in ("extensions", "collations"):
        # The same extension may be of two versions in two databases.
        facts[name] = sorted({(key, value) for one in databases for key, value in one[name].items()})
    return t.cast("dict[str, t.Any]", facts)


def split_parts(text: str) -> dict[str, str]:
    """What a script printed, by the names in its lines C(== name)."""
    pieces = re.split(r"^== (\w+)\n", text, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2]))


def parse_pooler(databases: str, config: str, database: str, known: t.Mapping[str, str]) -> switchover_world.Pooler:
    """The pooler from the CSV of C(SHOW DATABASES) and C(SHOW CONFIG); O(known) is the address of each name."""
    rows = {row["name"]: row for row in csv.DictReader(databases.splitlines())}
    row = rows.pop(database, None)
    if row is None:
        raise ReplatformError(f"the pooler has no database {database}: add it to its configuration")

    def leads_to(one: t.Mapping[str, str]) -> str:
        at = f"{one['host']}:{one['port']}"
        return known.get(at, at)

    settings = {one["key"]: one["value"] for one in csv.DictReader(config.splitlines())}
    return switchover_world.Pooler(
        leads_to=leads_to(row),
        paused=row["paused"] == "1",
        servers=int(row["current_connections"]),
        pool_mode=row["pool_mode"] or settings["pool_mode"],
        query_wait_s=float(settings["query_wait_timeout"]),
        beside=[switchover_world.Beside(name, leads_to(one), one["database"]) for name, one in rows.items()],
    )


def parse_instance(at: str, text: str) -> switchover_world.Instance | None:
    """The instance at O(at) from the line of JSON that it printed, or nothing when it did not answer."""
    if not text.strip():
        return None
    seen = json.loads(text)
    conninfo = dict(re.findall(r"(\w+)=(\S*)", seen["conninfo"] or ""))
    follows = f"{conninfo['host']}:{conninfo['port']}" if conninfo.get("host") else ""
    checkpoint, redo = (switchover_world.parse_lsn(seen[name]) for name in ("checkpoint", "redo"))
    mark = (seen["marked"] or "").split(" ")
    # Only a shutdown's checkpoint begins where it is written.
    ended = checkpoint == redo
    return switchover_world.Instance(
        address=at,
        system=seen["system"],
        standby=seen["standby"],
        lsn=switchover_world.parse_lsn(seen["lsn"] or ""),
        flushed=redo,
        shut_down=switchover_world.end_of_checkpoint(checkpoint, seen["segment"]) if ended else 0,
        follows=follows,
        streaming=bool(follows) and seen["upstream"] == follows,
        read_only=seen["read_only"],
        condemned=seen["condemned"],
        marked=mark[-1],
        marked_timeline=int(mark[0], 16) if mark[0] else 0,
        slot=seen["slot"],
        oldest=oldest_lsn(seen["oldest"] or "", seen["segment"]),
        asked=switchover_world.parse_lsn(seen["asked"] or ""),
        followed=seen["followed"],
        credentials=seen["credentials"],
        lost=seen["lost"],
        retained=seen["retained"] or 0,
        seeding=seen["seeding"],
        clients=seen["clients"],
        timeline=seen["timeline"],
        received=seen["received"],
        forks=parse_history(seen["history"] or ""),
    )


def oldest_lsn(segment: str, size: int) -> int:
    """Where a segment of the WAL begins, from its name without the timeline, C(LLLLLLLLSSSSSSSS), and the size of one."""
    return (int(segment[:8], 16) << 32) + int(segment[8:], 16) * size if segment else 0


def parse_history(text: str) -> dict[int, int]:
    """A timeline's history file: to each timeline before it, where it was left."""
    rows = [line.split("\t") for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {int(row[0]): switchover_world.parse_lsn(row[1]) for row in rows}
