"""Converts one service for a test, and lets the tests of this folder import the tables beside them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options

sys.path.insert(0, str(Path(__file__).parent))


class Converted:
    """One service of a stack, converted: its values, and its verdicts by key."""

    def __init__(self, conversion, name):
        self.conversion = conversion
        self.values = conversion.values["services"][name]
        self.rows = [item for item in conversion.verdicts if item.service == name]
        self.verdicts = {item.key: item.verdict for item in self.rows}
        self.notes = {item.key: item.note for item in self.rows}


@pytest.fixture
def converted():
    def make(keys, environment=None, top=None, options=None, files=None, name="app", exclude=()):
        document = {"version": "3.8", "services": {name: {"image": "app:1", **keys}}, **(top or {})}
        text = yaml.safe_dump(document, sort_keys=False)
        stack = load_stack({"stack.yml": text}, environment or {}, "shop", lambda file: (files or {})[file])
        return Converted(convert(stack, options or Options(), exclude), name)

    return make
