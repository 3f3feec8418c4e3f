# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rule works on: one service, the stack around it, the values that come out, and the verdicts."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import one_line
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options, Port, Service, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import (
    APPROXIMATED,
    MAPPED,
    REFUSED,
    REPORTED,
    Verdict,
)


@dataclass
class Context:
    """Rules fill C(values) (see the chart's values.schema.json) and speak through the four verdicts."""

    service: Service
    stack: Stack
    options: Options
    values: dict[str, t.Any] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    published: list[Port] = field(default_factory=list)
    labels: t.Mapping[str, str | None] = field(default_factory=dict)
    middlewares: dict[str, t.Any] = field(default_factory=dict)

    def where(self, key: str) -> str:
        return self.service.where(key)

    def mapped(self, key: str, note: str = "") -> None:
        self.say(key, MAPPED, note)

    def approximated(self, key: str, note: str) -> None:
        self.say(key, APPROXIMATED, note)

    def reported(self, key: str, note: str) -> None:
        self.say(key, REPORTED, note)

    def refused(self, key: str, note: str) -> None:
        self.say(key, REFUSED, note)

    def say(self, key: str, verdict: str, note: str) -> None:
        """One row; what strangers wrote stays on its line."""
        self.verdicts.append(Verdict(self.service.name, one_line(key), verdict, one_line(note)))


Rule = t.Callable[[Context, str, t.Any], None]


def dns_name(name: str) -> str:
    """C(name) as Kubernetes takes names of objects: lower case, digits and hyphens, 63 at most."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63].strip("-") or "x"


def literal(text: str) -> str:
    """C(text) so that Kubernetes' expansion of C($(VAR)) and C($$) gives it back unchanged.

    Source: k8s.io/kubernetes/third_party/forked/golang/expansion.
    """
    return re.sub(r"\$\$+|\$(?=\()", lambda match: match.group() * 2, text)
