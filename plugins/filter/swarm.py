# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Questions of the playbook drain and roles cutover and swarm_retirement to module_utils/swarm; each filter is documented in its own YAML file."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.swarm import (
    astray,
    begins_empty,
    homes,
    kept,
    ports,
    routes,
)


def _plain(value: t.Any) -> t.Any:
    """The value without the templating that Ansible wraps it in, which a deep copy would copy with all variables."""
    if isinstance(value, t.Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _wanting(whole: t.Mapping[str, t.Any], *arguments: t.Any) -> list[dict[str, t.Any]]:
    return homes.wanting(_plain(whole), *arguments)


def _to_keep(now: t.Mapping[str, t.Any], files: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    return kept.to_keep(_plain(now), _plain(list(files)))


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "drain_plan": routes.drain_plan,
            "swarm_astray": astray.astray,
            "swarm_begins_empty": begins_empty.begins_empty,
            "swarm_homeless": homes.homeless,
            "swarm_kept_ports": ports.kept_ports,
            "swarm_to_keep": _to_keep,
            "swarm_wanting": _wanting,
        }
