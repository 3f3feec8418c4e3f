# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A drain that ends before its end, by a deadline or a fault of the API: what it changed is taken back, or the message says what stays."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import drain, held, specs
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.operations import Drain
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw


def perform(op: Drain, params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    """C(operation.perform); taking back gets the time of one move, beyond the deadline."""
    node = op.wanted.node
    try:
        return operation.perform(op, "swarm_drain", node, params, check_mode)
    except ReplatformError as exc:
        is_asked_back = op.wanted.state == "active" and not op.wanted.because
        if check_mode or is_asked_back or not what_stays(op.world, node):
            raise
        op.give_up(str(exc))
    op.wait_for_answer()
    try:
        return operation.perform(op, "swarm_drain", node, {**params, "deadline": op.move_timeout}, check_mode)
    except ReplatformError as exc:
        stays = what_stays(op.world, node)
        reason, fault = op.wanted.because, str(exc)
        # One that says what stays paused, and why.
        if not stays or fault.startswith(f"{reason}; "):
            raise
        why = "" if fault == reason else f" ({fault})"
        raise ReplatformError(
            f"{reason}; it could not be taken back{why}: {stays}; once that is mended, run it with state: active"
        ) from exc


def what_stays(world: Raw, name: str) -> str:
    """What a drain of the node O(name) has changed and not given back, in words; '' for nothing."""
    parts = []
    for node in drain.find(world, name) if world else []:
        pinned = [service["Spec"]["Name"] for service in held.of_node(world, node, specs.is_pin)]
        parts += [f"{node['Description']['Hostname']} stays paused"] if specs.is_paused_here(node) else []
        parts += [f"{', '.join(pinned)} pinned away from it"] if pinned else []
    return " and ".join(parts)
