# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: evidence_verdicts
short_description: Judge a migration's report by its success criteria
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Judges the content of C(report.json), see M(sophia.replatform.evidence_report), criterion by criterion.
  - A figure that was not measured is not met.
options:
  _input:
    description: The content of C(report.json).
    type: dict
    required: true
  root_files_below:
    description: How many files the repository's root may hold at most, and one more.
    type: int
    default: 100
  nodes:
    description: How many nodes of the cluster have to be Ready.
    type: int
    required: true
  gpu_nodes:
    description: How many nodes have to offer at least one GPU.
    type: int
    default: 0
  requests:
    description: How many requests the prober has to have sent at least.
    type: int
    default: 1
"""

EXAMPLES = r"""
- name: Show the verdicts
  ansible.builtin.debug:
    msg: >-
      {{ lookup('ansible.builtin.file', 'artifacts/lab/report.json') | from_json
         | sophia.replatform.evidence_verdicts(nodes=5, gpu_nodes=5) | map(attribute='line') }}
"""

RETURN = r"""
_value:
  description: A verdict a criterion.
  type: list
  elements: dict
  contains:
    criterion:
      description: What is judged.
      type: str
      sample: Requests failed
    figure:
      description: What was measured, null where nothing was.
      type: int
      sample: 0
    threshold:
      description: What was wanted, in words.
      type: str
      sample: '0'
    source:
      description: Where in the report the figure lies.
      type: str
      sample: cutover.requests.failed
    met:
      description: Whether the figure is what was wanted.
      type: bool
      sample: true
    line:
      description: All of it in one line.
      type: str
      sample: 'met     Requests failed: 0 (wanted: 0; from cutover.requests.failed)'
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.verdicts import Wanted, judge


def evidence_verdicts(
    report: t.Mapping[str, t.Any], nodes: int, gpu_nodes: int = 0, root_files_below: int = 100, requests: int = 1
) -> list[dict[str, t.Any]]:
    """See the documentation of the filter."""
    try:
        return judge(report, Wanted(int(root_files_below), int(nodes), int(gpu_nodes), int(requests)))
    except (KeyError, TypeError) as exc:
        raise AnsibleFilterError(f"evidence_verdicts: this is not the content of a report.json: {exc!r}") from exc


class FilterModule:
    """The collection's filters about evidence."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"evidence_verdicts": evidence_verdicts}
