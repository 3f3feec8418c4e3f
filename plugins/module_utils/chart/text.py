# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Data to YAML that Helm's parser and PyYAML read alike."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.chart.errors import ChartError

try:
    import yaml

    YAML_IMPORT_ERROR: str | None = None
except ImportError as exc:  # pragma: no cover
    yaml = None  # type: ignore[assignment]
    YAML_IMPORT_ERROR = str(exc)

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*(:[A-Za-z0-9_./-]+)*( [A-Za-z0-9_./-]+)*")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])
_WIDTH = 10_000


def dump(data: t.Any) -> str:
    """C(data) as a YAML document. A string is written plain only where no parser of YAML 1.1 or 1.2 takes it for anything
    else: Go's reads C(1e3) as a number and C(y) as true, PyYAML does not."""
    if yaml is None:
        raise ChartError(f"PyYAML is needed to write a chart: {YAML_IMPORT_ERROR}")
    return str(yaml.dump(data, Dumper=_dumper(), sort_keys=False, width=_WIDTH, allow_unicode=True))


def _dumper() -> t.Any:
    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: t.Any) -> bool:
            return True

        def increase_indent(self, flow: bool = False, indentless: bool = False) -> t.Any:
            return super().increase_indent(flow, False)

    Dumper.add_representer(str, _string)
    return Dumper


def _string(dumper: t.Any, text: str) -> t.Any:
    style: str | None = '"'
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        style = None
    elif "\n" in text:
        style = "|"  # PyYAML quotes it all the same where a block would not give it back
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)
