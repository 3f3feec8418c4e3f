# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Workflows of GitHub and GitLab: actions and workflows of the repository, path filters, working directories."""

from __future__ import annotations

import posixpath

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import (
    Reading,
    Region,
    Token,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.nodes import (
    Node,
    Nodes,
    get,
    members,
    pairs,
    scalars,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope, joined

_FILTERS = ("paths", "paths-ignore", "changes")
_ACTION = ("action.yml", "action.yaml", "Dockerfile")


def read(user: str, content: bytes, _scope: Scope) -> Reading:
    if not user.endswith((".yml", ".yaml")):
        return
    nodes, here = Nodes(content), posixpath.dirname(user)
    for node in nodes.mappings():
        yield from _uses(nodes, get(node, "uses"))
        for key in _FILTERS:
            yield from _filter(nodes, get(node, key))
        for one in members(get(node, "include")):
            for scalar in (*scalars(one), *scalars(get(one, "local"))):
                yield nodes.token(scalar, "", text=scalar.value.lstrip("/"), group=True)
        yield from _folders(nodes, node)
        # An action of its own says how it starts by its own folder.
        for key in ("main", "pre", "post", "image"):
            for scalar in scalars(get(node, "runs", key)):
                yield nodes.token(scalar, here)


def _uses(nodes: Nodes, node: Node) -> Reading:
    for scalar in scalars(node):
        if scalar.value.startswith("./"):
            yield nodes.token(scalar, "", group=True)
            start = nodes.span(scalar)[0]
            for name in _ACTION:
                yield Token(posixpath.join(scalar.value, name), start, -1, -1, ("",))


def _filter(nodes: Nodes, node: Node) -> Reading:
    for scalar in (*scalars(node), *scalars(get(node, "paths"))):
        if scalar.value.startswith("!"):
            yield Region(*nodes.span(scalar))
        else:
            yield nodes.token(scalar, "", group=True)


def _folders(nodes: Nodes, node: Node) -> Reading:
    """Where the commands of a step, or of all steps below, start."""
    for place, where in (
        (node, get(node, "working-directory")),
        (node, get(node, "defaults", "run", "working-directory")),
    ):
        for scalar in scalars(where)[:1]:
            if "$" not in scalar.value:
                yield nodes.token(scalar, "", group=True)
                for key, below in pairs(place):
                    if key in ("run", "jobs", "steps"):
                        yield Region(*nodes.span(below), (joined("", scalar.value),))
