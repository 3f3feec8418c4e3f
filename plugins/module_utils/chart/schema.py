# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON schemas of an umbrella and of its subcharts, out of the schema of the chart that takes all services at once."""

from __future__ import annotations

import json
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.chart.split import LIBRARY

_DRAFT = "http://json-schema.org/draft-07/schema#"
_CARRIED = "Carried from the chart that was there before; nothing in this chart reads it"


def of_subchart(name: str, whole: t.Mapping[str, t.Any]) -> str:
    """Its services, each by the definition that the single chart has."""
    return _text(
        {
            "$schema": _DRAFT,
            "title": f"Values of the chart {name}",
            "type": "object",
            "additionalProperties": False,
            "required": ["services"],
            "properties": {
                "global": {"type": "object"},
                LIBRARY: {"type": "object"},
                "enabled": {"type": "boolean"},
                "services": whole["properties"]["services"],
            },
            "definitions": whole["definitions"],
        }
    )


def of_umbrella(name: str, parts: t.Collection[str], values: t.Iterable[str], whole: t.Mapping[str, t.Any]) -> str:
    """What all share, which subcharts there are, and the keys that were carried; a key of another name is a mistake.

    C(values) are the keys of the umbrella's values.
    """
    shared = {key: item for key, item in whole["properties"].items() if key not in ("services", "global", LIBRARY)}
    known = {"global", "tests", LIBRARY, *parts}
    return _text(
        {
            "$schema": _DRAFT,
            "title": f"Values of the chart {name}",
            "type": "object",
            "additionalProperties": False,
            "required": ["global"],
            "properties": {
                "global": {"type": "object", "properties": shared},
                LIBRARY: {"type": "object"},
                "tests": {
                    "type": "object",
                    "required": ["image", "checks"],
                    "additionalProperties": False,
                    "properties": {
                        "image": {
                            "type": "string",
                            "minLength": 1,
                            "description": "One that has busybox, or what command names",
                        },
                        "command": {
                            "$ref": "#/definitions/strings",
                            "description": "Gets URLs of http and tcp to ask for as arguments, and fails unless all answer",
                        },
                        "checks": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["service", "port"],
                                "additionalProperties": False,
                                "properties": {
                                    "service": {"type": "string"},
                                    "port": {"$ref": "#/definitions/port"},
                                    "path": {
                                        "type": "string",
                                        "pattern": "^/",
                                        "description": "Absent for a service that is asked for a connection alone",
                                    },
                                },
                            },
                        },
                    },
                },
                **{part: {"type": "object", "description": "Values of the subchart of this name"} for part in parts},
                **{key: {"description": _CARRIED} for key in values if key not in known},
            },
            "definitions": whole["definitions"],
        }
    )


def _text(schema: t.Mapping[str, t.Any]) -> str:
    return json.dumps(schema, indent=2) + "\n"
