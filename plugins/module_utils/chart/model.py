# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an umbrella chart is made from, and what comes out."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

Values = t.Dict[str, t.Any]


@dataclass(frozen=True)
class Blueprint:
    """Everything that decides how a chart looks.

    C(values) are those of M(sophia.replatform.stack_values). C(groups) is from a service to the subchart that it belongs
    to, C(services) the inventory's list of C(name), C(port), C(path), C(kind) and C(tier), C(architectures) from a service
    or an image to the architectures that its image exists for. C(existing) are the values of the chart that was there
    before and C(metadata) its Chart.yaml; C(rules) say what becomes of its keys. C(environments) is from an environment to
    values, in the form of C(values), that differ there, and C(environment) the one whose differences a release gets.
    C(library) is from a path below the library chart to its text and C(schema) the schema of the chart that takes all
    services at once.
    """

    name: str
    values: t.Mapping[str, t.Any]
    library: t.Mapping[str, str]
    schema: t.Mapping[str, t.Any]
    groups: t.Mapping[str, str] = field(default_factory=dict)
    services: t.Sequence[t.Mapping[str, t.Any]] = ()
    version: str = ""
    app_version: str = ""
    description: str = ""
    environments: t.Mapping[str, t.Mapping[str, t.Any]] = field(default_factory=dict)
    environment: str = ""
    existing: t.Mapping[str, t.Any] = field(default_factory=dict)
    metadata: t.Mapping[str, t.Any] = field(default_factory=dict)
    rules: t.Sequence[t.Mapping[str, t.Any]] = ()
    architectures: t.Mapping[str, t.Sequence[str]] = field(default_factory=dict)
    test_image: str = "busybox:1.37"
    test_command: t.Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """What became of a key of the existing chart: C(carried) to the same place, C(renamed) to C(to), or C(reported) and not
    in the new chart; C(note) says why or what to do. No row holds a value."""

    key: str
    verdict: str
    to: str = ""
    note: str = ""


@dataclass
class Umbrella:
    """C(files) is from a path to a text and holds no secret; C(values) are whole, for a release."""

    files: dict[str, str]
    values: Values
    rows: list[Row]
    absent: list[str]
