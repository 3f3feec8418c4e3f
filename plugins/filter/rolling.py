# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role rolling's questions to the pure functions of module_utils/rolling; each filter is documented in its own YAML file."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.rolling import plan


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "rolling_gate_faults": plan.gate_faults,
            "rolling_half_way": plan.half_way,
            "rolling_plan": plan.plan,
        }
