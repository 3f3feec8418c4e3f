# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role k3s' questions to the pure functions of module_utils/k3s; each filter is documented in its own YAML file."""

from __future__ import annotations

import datetime
import functools
import typing as t

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s import (
    bootstrap,
    critical,
    firewall,
    host,
    kubeconfig,
    metadata,
    nodes,
    release,
    settings,
    settled,
    token,
    versions,
)


def _clear(function: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
    """A refusal becomes a filter error that is one line."""

    @functools.wraps(function)
    def wrapped(*args: t.Any, **kwargs: t.Any) -> t.Any:
        try:
            return function(*args, **kwargs)
        except ReplatformError as exc:
            raise AnsibleFilterError(str(exc)) from exc

    return wrapped


def node_faults(listing: t.Mapping[str, t.Any], expected: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    return nodes.node_faults(nodes.nodes(listing), expected)


def newer_than(mtimes: t.Iterable[float], started: str) -> bool:
    """Whether any modification time is later than systemd's timestamp (in UTC) of a process' start."""
    if not started:
        return False
    moment = datetime.datetime.strptime(started, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=datetime.timezone.utc)
    return any(int(mtime) > moment.timestamp() for mtime in mtimes)


def version_faults(
    listing: t.Mapping[str, t.Any],
    wanted: str,
    name: str = "",
    node_role: str = "server",
    ahead: t.Sequence[t.Mapping[str, t.Any]] = (),
) -> list[str]:
    return versions.version_faults(versions.running(listing), wanted, name, node_role, ahead)


def fleet_faults(servers: t.Sequence[t.Mapping[str, t.Any]], nodes: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    return critical.critical_faults(servers) + critical.external_faults(servers, nodes)


def yaml_of(text: str, where: str) -> t.Any:
    """The content of a file that holds secrets: the line that a parser can't read is named, and not shown."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise RefusedError(f"{where}: the file is no YAML{line}; mend it, or set another {where}") from None


class FilterModule:
    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {
            "k3s_api_url": bootstrap.api_url,
            "k3s_bootstrap": _clear(bootstrap.bootstrap),
            "k3s_checksum": _clear(release.checksum),
            "k3s_differing": settled.differing,
            "k3s_expected_node": nodes.expected_node,
            "k3s_firewall": _clear(firewall.firewall),
            "k3s_fleet_faults": fleet_faults,
            "k3s_host_faults": host.host_faults,
            "k3s_kubeconfig": _clear(kubeconfig.merge),
            "k3s_newer_than": newer_than,
            "k3s_node_changes": metadata.node_changes,
            "k3s_node_faults": node_faults,
            "k3s_nodes": nodes.nodes,
            "k3s_redact": release.redact,
            "k3s_release_faults": release.release_faults,
            "k3s_removal_faults": nodes.removal_faults,
            "k3s_script_due": release.script_due,
            "k3s_setting_faults": settings.setting_faults,
            "k3s_servers": bootstrap.servers,
            "k3s_stale_node": _clear(nodes.stale_node),
            "k3s_token_faults": token.token_faults,
            "k3s_token_rotated": token.rotated,
            "k3s_token_secret": token.secret,
            "k3s_units": host.units,
            "k3s_unsettled": settled.unsettled,
            "k3s_version_faults": version_faults,
            "k3s_yaml": _clear(yaml_of),
        }
