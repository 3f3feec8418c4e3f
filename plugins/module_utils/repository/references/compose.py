# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Compose files: what a service is built from, configured by and given to see."""

from __future__ import annotations

import posixpath
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Reading, Region
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.nodes import (
    Node,
    Nodes,
    get,
    members,
    pairs,
    scalars,
)
from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.scope import Scope, joined


def read(user: str, content: bytes, _scope: Scope) -> Reading:
    nodes, here = Nodes(content), posixpath.dirname(user)
    for root in nodes.roots:
        for _name, service in pairs(get(root, "services")):
            yield from _service(nodes, service, here)
        for section in ("configs", "secrets"):
            for _name, one in pairs(get(root, section)):
                yield from _paths(nodes, [get(one, "file")], here)
        for one in members(get(root, "include")):
            yield from _paths(nodes, [one, get(one, "path"), get(one, "env_file")], here)


def _paths(nodes: Nodes, found: t.Iterable[Node], here: str, **more: t.Any) -> Reading:
    for node in found:
        for scalar in scalars(node):
            yield nodes.token(scalar, here, **more)


def _service(nodes: Nodes, service: Node, here: str) -> Reading:
    for one in members(get(service, "env_file")):
        yield from _paths(nodes, [one, get(one, "path")], here)
    yield from _paths(nodes, [get(service, "extends", "file"), get(service, "label_file")], here)
    for volume in members(get(service, "volumes")):
        if get(volume, "type") is None or get(volume, "type").value == "bind":
            yield from _paths(nodes, [get(volume, "source")], here, group=True)
        for scalar in scalars(volume):
            token = nodes.token(scalar, here, text=scalar.value.split(":", 1)[0], group=True)
            # What comes after the colon is a path of the container.
            yield Region(max(token.end, token.at), nodes.span(scalar)[1])
            if token.text.startswith("."):
                yield token
    build = get(service, "build")
    for context, dockerfile in _contexts(build):
        if _local(context.value):
            yield nodes.token(context, here, group=True)
        if dockerfile is not None and scalars(dockerfile):
            yield nodes.token(dockerfile, joined(here, context.value))
    extra = get(build, "additional_contexts")
    for _name, node in pairs(extra):
        yield from _paths(nodes, [node], here, group=True)
    for scalar in scalars(extra) if not list(pairs(extra)) else ():
        yield nodes.token(scalar, here, text=scalar.value.split("=", 1)[-1], group=True)


def _contexts(build: Node) -> t.Iterator[tuple[Node, Node]]:
    for node in (build, get(build, "context")):
        for scalar in scalars(node)[:1]:
            yield scalar, get(build, "dockerfile")


def _local(context: str) -> bool:
    return "://" not in context and not context.startswith(("git@", "$"))


def contexts(user: str, content: bytes) -> t.Iterator[tuple[str, str]]:
    """Each Dockerfile that the compose file builds, and the folder that it is built in."""
    nodes, here = Nodes(content), posixpath.dirname(user)
    for root in nodes.roots:
        for _name, service in pairs(get(root, "services")):
            for context, dockerfile in _contexts(get(service, "build")):
                if _local(context.value):
                    folder = joined(here, context.value)
                    name = dockerfile.value if dockerfile is not None and scalars(dockerfile) else "Dockerfile"
                    yield joined(folder, name), folder
