# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From the zone to RV(shift.next_step) and back."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.dns import note as notes
from ansible_collections.sophia.replatform.plugins.module_utils.dns import shift
from ansible_collections.sophia.replatform.plugins.module_utils.dns.shift import Record, RRset, Seen, Target, World
from ansible_collections.sophia.replatform.plugins.module_utils.dns.zone import Zone
from ansible_collections.sophia.replatform.plugins.module_utils.errors import DeadlineError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while


class Shift:
    """Brings O(records) to the target. O(world) is the last that was decided on; O(clock) is in seconds since the epoch."""

    def __init__(
        self,
        zone: Zone,
        records: t.Sequence[Record],
        target: Target,
        propagation_timeout: float,
        clock: t.Callable[[], float] = time.time,
    ) -> None:
        self._zone, self._records, self._target = zone, records, target
        self._propagation_timeout, self._clock = propagation_timeout, clock
        self._texts: dict[Record, tuple[str, ...]] = {}
        self.world = World(0, ())

    @property
    def wait_s(self) -> int:
        """Seconds until the last of the records can go on; 0 when the state is reached."""
        return shift.waits(self._target, self.world)

    def observe(self) -> World:
        seen = tuple(self._see(record) for record in self._records)
        return World(self._clock(), seen)

    def next_step(self, world: World) -> Decision:
        self.world = world
        return shift.next_step(self._target, world)

    def simulate(self, world: World, step: Step) -> World:
        return shift.simulate(self._target, world, step)

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        if step.name == "await_servers":
            return self._await(step)
        seen, (after, note) = shift.change(self._target, self.world, step)
        self._zone.update(seen.record, t.cast(RRset, seen.rrset), after, self._texts[seen.record], note)
        return None

    def _see(self, record: Record) -> Seen:
        rrset = self._zone.rrset(self._zone.server, record)
        self._texts[record] = self._zone.texts(record)
        read = [note for note in map(notes.read, self._texts[record]) if note and note.type == record.type]
        return Seen(record, rrset, read[0] if read else None, self._lagging(record, rrset))

    def _lagging(self, record: Record, rrset: RRset | None) -> tuple[str, ...]:
        return tuple(s for s in self._zone.servers if s != self._zone.server and self._zone.rrset(s, record) != rrset)

    def _await(self, step: Step) -> dict[str, t.Any]:
        """Raises C(DeadlineError) when a server does not follow."""
        seen = next(
            s for s in self.world.seen if (s.record.name, s.record.type) == (step.data["record"], step.data["type"])
        )
        waited = wait_while(lambda: bool(self._lagging(seen.record, seen.rrset)), self._propagation_timeout)
        behind = self._lagging(seen.record, seen.rrset)
        if behind:
            raise DeadlineError(
                f"{', '.join(behind)} (servers) still do not show {seen.record.name} {seen.record.type} as {self._zone.server} does, after "
                f"{self._propagation_timeout:g} s (propagation_timeout); mend the transfer of the zone and run this again"
            )
        return waited
