# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The spec of a service without what this collection puts into it for a while. Pure: a spec in, a spec out."""

from __future__ import annotations

import copy
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm import gpu, spare, specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw


def at_rest(spec: Raw) -> dict[str, t.Any]:
    """A spec as somebody wrote it, with no mark of a drain, of a spare task or of GPUs that were given away."""
    noted = specs.noted({"Spec": spec})
    after = specs.restore(specs.revert(spec, noted), noted) if noted else copy.deepcopy(dict(spec))
    after = gpu.unconstrained(after)
    return spare.spec_after("remove_spare", after) if spare.shall_have(after) is not None else after
