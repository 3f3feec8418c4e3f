# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stack file text to plain data: YAML 1.1 as Docker reads it, with the traps closed.

Refused in one line: a file over the size limit, more aliases than a person writes (a YAML bomb), a key given twice,
an anchor that contains itself, and a key that is not a string.
"""

from __future__ import annotations

import functools
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError

try:
    import yaml

    YAML_IMPORT_ERROR: str | None = None
except ImportError as exc:  # pragma: no cover
    yaml = None  # type: ignore[assignment]
    YAML_IMPORT_ERROR = str(exc)

MAX_BYTES = 1_000_000
MAX_DEPTH = 100
MAX_NODES = 200_000
"""How many nodes a document may have once its aliases are written out: 1,000 services of 100 keys each, twice over."""

_NOT_DOCKERS = ("tag:yaml.org,2002:timestamp",)
_INTEGER = re.compile(r"[-+]?(0b[0-1_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$")


def read_yaml(text: str, file: str) -> t.Any:
    """The document in C(text); C(file) is the name in messages. Raises C(StackError)."""
    if yaml is None:
        raise StackError(f"PyYAML is needed to read {file}: {YAML_IMPORT_ERROR}")
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise StackError(f"{file}: {size} bytes; a stack file of more than {MAX_BYTES} bytes is not read")
    try:
        _check_depth(text, file)
        loader = _loader()(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(node, file)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError) as exc:
        raise StackError(f"{file}: {_one_line(exc)}") from exc


@functools.lru_cache(maxsize=None)
def _loader() -> t.Any:
    """A safe loader that reads scalars as Docker's does: no dates, and C(22:22) is no number to the base of 60."""
    base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    resolvers = {
        first: [
            (tag, _INTEGER if tag == "tag:yaml.org,2002:int" else _no_sixties(pattern))
            for tag, pattern in entries
            if tag not in _NOT_DOCKERS
        ]
        for first, entries in base.yaml_implicit_resolvers.items()
    }
    return type("StackLoader", (base,), {"yaml_implicit_resolvers": resolvers})


def _no_sixties(pattern: t.Pattern[str]) -> t.Any:
    return re.compile(r"(?!.*:[0-5]?[0-9])" + pattern.pattern, pattern.flags) if ":" in pattern.pattern else pattern


def _check_depth(text: str, file: str) -> None:
    """The composer is recursive and, in C, unguarded: count the depth before it runs."""
    depth = 0
    for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        mark: t.Any = event.start_mark
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise StackError(f"{file}: line {mark.line + 1}: more than {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _one_line(exc: BaseException) -> str:
    mark = getattr(exc, "problem_mark", None)
    problem = getattr(exc, "problem", None) or " ".join(str(exc).split()) or type(exc).__name__
    return f"line {mark.line + 1}: {problem}" if mark is not None else f"not YAML: {problem}"


def _check(root: t.Any, file: str) -> None:
    """Walk the node graph once a node; count what it would be written out."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def visit(node: t.Any) -> int:
        key = id(node)
        line = node.start_mark.line + 1
        if key in open_nodes:
            raise StackError(f"{file}: line {line}: an anchor contains itself")
        if key not in sizes:
            open_nodes.add(key)
            total = 1
            if isinstance(node, yaml.MappingNode):
                _unique_keys(node, file)
                total += sum(visit(k) + visit(v) for k, v in node.value)
            elif isinstance(node, yaml.SequenceNode):
                total += sum(visit(item) for item in node.value)
            open_nodes.discard(key)
            sizes[key] = total
        if sizes[key] > MAX_NODES:
            raise StackError(
                f"{file}: line {line}: its aliases write out to more than {MAX_NODES} nodes (a YAML bomb?)"
            )
        return sizes[key]

    visit(root)


def _unique_keys(node: t.Any, file: str) -> None:
    seen: set[str] = set()
    for key, _value in node.value:
        line = key.start_mark.line + 1
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.tag != "tag:yaml.org,2002:str":
            name = getattr(key, "value", "?")
            raise StackError(f"{file}: line {line}: key '{name}' is not a string in YAML 1.1; quote it")
        if key.value in seen:
            raise StackError(f"{file}: line {line}: key '{key.value}' is given twice")
        seen.add(key.value)
