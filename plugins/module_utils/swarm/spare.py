# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One task more than a service shall have, for a while. Pure: raw API answers in, a step out.

How many it shall have is kept in a label of the service, written in the same call as the number, so that a run that was cut
off anywhere can be finished or undone from any manager.
"""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Refused, Step
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import specs, stack
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import SPARE_LABEL, Raw


def next_step(world: Raw, name: str, wanted: bool) -> Decision:
    """The next step to have the service with the full name O(name) with its spare task, or without; then its tasks are waited for."""
    service = stack.replicated(world, name)
    if isinstance(service, Refused):
        return service
    spec = service["Spec"]
    if wanted != (shall_have(spec) is not None):
        step = "add_spare" if wanted else "remove_spare"
        after = spec_after(step, spec)
        return Step(step, {"service": name, "replicas": specs.replicas(after)})
    return stack.settled(world, service, specs.replicas(spec))


def shall_have(spec: Raw) -> int | None:
    """How many tasks the service shall have without its spare one; None where it has none.

    Raises C(ReplatformError) for a label that RV(spec_after) did not write.
    """
    noted = (spec.get("Labels") or {}).get(SPARE_LABEL)
    if noted is None:
        return None
    if not noted.isdecimal():
        raise ReplatformError(
            f"label {SPARE_LABEL} of service {spec['Name']} can't be read: remove it if nothing drains a node"
        )
    return int(noted)


def spec_after(step: str, spec: Raw) -> dict[str, t.Any]:
    """The spec that a step writes. A number that somebody else has set meanwhile stays."""
    after = copy.deepcopy(dict(spec))
    replicas = specs.replicas(spec)
    if step == "add_spare":
        after["Labels"] = {**(after.get("Labels") or {}), SPARE_LABEL: str(replicas)}
        after["Mode"]["Replicated"]["Replicas"] = replicas + 1
        return after
    noted = shall_have(spec)
    if noted is not None and replicas == noted + 1:
        after["Mode"]["Replicated"]["Replicas"] = noted
    del after["Labels"][SPARE_LABEL]
    return after


def simulate(world: Raw, step: Step) -> dict[str, t.Any]:
    """The world after O(step), as far as RV(next_step) looks at it."""
    if step.name == "wait_for_tasks":
        return stack.simulate_scaling(world, step)
    after = copy.deepcopy(dict(world))
    (service,) = [one for one in after["services"] if one["Spec"]["Name"] == step.data["service"]]
    service["Spec"] = spec_after(step.name, service["Spec"])
    return after
