# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions of the playbook drain and role swarm_retirement to module_utils/swarm; each filter is documented in its own YAML file."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm import homes, routes


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "drain_plan": routes.drain_plan,
            "swarm_homeless": homes.homeless,
            "swarm_wanting": homes.wanting,
        }
