# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""YAML as nodes with their places in the file's bytes. JSON is read with it too."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.repository.references.model import Token

try:
    import yaml

    YAML_ERROR = None
except ImportError as exc:
    YAML_ERROR = exc

Node = t.Any


class Nodes:
    """The documents of a file, by their root nodes; none where it is no YAML."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.roots: list[Node] = parsed(content) or []
        self._text = content.decode("utf-8") if self.roots else ""
        self._ascii = self._text.isascii()

    def mappings(self) -> t.Iterator[Node]:
        """Every mapping, outer ones first, each once."""
        rest, seen = list(reversed(self.roots)), set()
        while rest:
            node = rest.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                yield node
                rest += [value for _key, value in reversed(node.value)]
            elif isinstance(node, yaml.SequenceNode):
                rest += reversed(node.value)

    def span(self, node: Node) -> tuple[int, int]:
        """Where a node stands, in bytes."""
        return self._byte(node.start_mark.index), self._byte(node.end_mark.index)

    def _byte(self, index: int) -> int:
        return index if self._ascii else len(self._text[:index].encode("utf-8"))

    def token(self, node: Node, *bases: str, text: str | None = None, **more: t.Any) -> Token:
        """The path in a scalar, or O(text), a part of it that stands there as it is."""
        wanted = node.value if text is None else text
        start, end = self.span(node)
        spelled = wanted.encode("utf-8", "surrogatepass")
        at = self._content.find(spelled, start, end) if spelled else -1
        return Token(wanted, start, at, at + len(spelled) if at >= 0 else -1, bases, **more)


def parsed(content: bytes) -> list[Node] | None:
    """The root nodes of the documents, or None."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return [root for root in yaml.compose_all(content.decode("utf-8"), Loader=loader) if root is not None]
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def pairs(node: Node) -> t.Iterator[tuple[str, Node]]:
    """The keys and values of a mapping; nothing of any other node."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode):
            yield key.value, value


def get(node: Node, *keys: str) -> Node:
    """The value below the keys, or None."""
    for key in keys:
        node = next((value for name, value in pairs(node) if name == key), None)
    return node


def scalars(node: Node) -> list[Node]:
    """A scalar, or those in a list."""
    if isinstance(node, yaml.ScalarNode):
        return [node] if node.value else []
    return [one for one in node.value if isinstance(one, yaml.ScalarNode)] if _is_list(node) else []


def members(node: Node) -> list[Node]:
    """What is in a list; a node that is no list is taken for a list of one."""
    if node is None:
        return []
    return node.value if _is_list(node) else [node]


def _is_list(node: Node) -> bool:
    return isinstance(node, yaml.SequenceNode)
