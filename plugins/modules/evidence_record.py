#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_record
short_description: Append one record to an evidence journal
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Appends one JSON line to a journal and flushes it to disk before it returns.
  - A journal tells what was done to the managed world and is no part of it, so the module never reports C(changed).
attributes:
  check_mode:
    description: Nothing is written in check mode; the journal tells of deeds alone.
    support: full
  diff_mode:
    description: There is no diff, since nothing that is managed changes.
    support: none
  idempotent:
    description: Each run appends a record, which is what a journal is for; C(changed) stays false.
    support: none
options:
  path:
    description: The journal, on the host the module runs on. Missing folders are made with mode C(0750).
    type: path
    required: true
  phase:
    description: The phase of the migration to which the record belongs.
    type: str
    required: true
    choices: [repository, cluster, platform, cutover]
  operation:
    description: What is going on, for example V(phase).
    type: str
    default: phase
  subject:
    description: To whom or to what it is done.
    type: str
    default: ''
  step:
    description: The step of the operation; the phase's name where nothing is given.
    type: str
  event:
    description: What happened to the step.
    type: str
    required: true
    choices: [start, ok, failed, refused]
  data:
    description: Figures of the step, without secrets.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Record that the phase has started
  sophia.replatform.evidence_record:
    path: artifacts/lab/journal.jsonl
    phase: cluster
    event: start
"""

RETURN = r"""
record:
  description: The record that was appended; empty in check mode.
  returned: success
  type: dict
  sample:
    data: {}
    event: start
    id: 2a93c1f06d8d4d0f8f5e2f2a3ad9a8a4
    operation: phase
    phase: cluster
    step: cluster
    subject: ''
    time: '2026-11-23T10:15:00.123Z'
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "phase": {"type": "str", "required": True, "choices": ["repository", "cluster", "platform", "cutover"]},
            "operation": {"type": "str", "default": "phase"},
            "subject": {"type": "str", "default": ""},
            "step": {"type": "str"},
            "event": {"type": "str", "required": True, "choices": ["start", "ok", "failed", "refused"]},
            "data": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    given = module.params
    if module.check_mode:
        module.exit_json(changed=False, record={})
    journal = Journal(given["path"], given["phase"], given["operation"], given["subject"])
    try:
        record = journal.write(given["step"] or given["phase"], given["event"], given["data"])
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(changed=False, record=record)


if __name__ == "__main__":
    main()
