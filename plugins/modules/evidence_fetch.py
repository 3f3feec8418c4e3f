#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_fetch
short_description: Bring the controller's copies of a host's evidence up to date
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Copies files that only grow (journals, measurements) from a host to the controller. Only what the copies lack travels,
    compressed, and the part that was fetched before is checked by its SHA-256.
  - Where a file no longer begins with what was fetched before (the host was made anew), the whole file is fetched again.
  - The copies are evidence and no part of the managed world, so the module never reports C(changed).
  - A host that cannot be reached is passed over with a warning; what it recorded is fetched the next time.
  - An action plugin of the same name runs on the controller and calls this module on the host.
attributes:
  check_mode:
    description: Nothing is fetched in check mode.
    support: full
  diff_mode:
    description: There is no diff, since nothing that is managed changes.
    support: none
  idempotent:
    description: A second run fetches what was written in between.
    support: full
options:
  src:
    description: Folder on the host. A folder that is missing has no files.
    type: path
    required: true
  dest:
    description: Folder on the controller that holds the copies; made with mode C(0750) if missing.
    type: path
  patterns:
    description: Which files below O(src), as shell patterns, at most one folder deep.
    type: list
    elements: str
    default: [journal.jsonl, prober/*.jsonl]
  have:
    description: Given by the action plugin; C(size) and C(sha256) of each copy, by name.
    type: dict
    default: {}
  limit:
    description: Bytes that one call to the host reads at most.
    type: int
    default: 8388608
"""

EXAMPLES = r"""
- name: Fetch what the host has recorded
  sophia.replatform.evidence_fetch:
    src: /var/lib/replatform
    dest: "artifacts/lab/hosts/{{ inventory_hostname }}"
"""

RETURN = r"""
reached:
  description: Whether the host could be reached.
  returned: success
  type: bool
  sample: true
fetched:
  description: Bytes that were fetched, by file.
  returned: success
  type: dict
  sample:
    journal.jsonl: 5120
    prober/samples.jsonl: 1048576
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.tail import read_tails


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "src": {"type": "path", "required": True},
            "dest": {"type": "path"},
            "patterns": {"type": "list", "elements": "str", "default": ["journal.jsonl", "prober/*.jsonl"]},
            "have": {"type": "dict", "default": {}},
            "limit": {"type": "int", "default": 8388608},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        tails = read_tails(given["src"], given["patterns"], given["have"], given["limit"])
    except OSError as exc:
        module.fail_json(msg=f"the evidence below {given['src']} cannot be read: {exc.strerror or exc}")
    module.exit_json(changed=False, **tails)


if __name__ == "__main__":
    main()
