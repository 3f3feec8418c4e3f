#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_report
short_description: Merge evidence journals and make the migration's report
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Merges the journals of the hosts (C(hosts/*/journal.jsonl)) into C(journal.jsonl), each record once and by time, and
    writes C(report.json) and C(report.html), all below O(artifacts).
  - The figures come from the journal, from the prober's measurements (C(hosts/*/prober/*.jsonl)) and from what the phases
    wrote about their results (C(repository.json), C(cluster.json), C(platform.json), C(cutover.json)). A figure that none of
    them holds is null.
  - A report tells of the managed world and is no part of it, so the module never reports C(changed).
requirements:
  - jinja2
attributes:
  check_mode:
    description: Nothing is written in check mode; the report is still returned.
    support: full
  diff_mode:
    description: There is no diff, since nothing that is managed changes.
    support: none
  idempotent:
    description: The same evidence makes the same report.
    support: full
options:
  artifacts:
    description: Folder that holds the evidence and gets the report.
    type: path
    required: true
  environment:
    description: Name of the environment, as the report shows it.
    type: str
    required: true
  verification:
    description:
      - What verify found, C(time), C(verdicts) (see P(sophia.replatform.evidence_verdicts#filter)) and C(nodes). It is kept as C(verify.json),
        and the page shows it until another is given.
    type: dict
  template:
    description: The Jinja template of C(report.html). Without one only C(report.json) is written.
    type: path
"""

EXAMPLES = r"""
- name: Merge the journals and make the report
  sophia.replatform.evidence_report:
    artifacts: artifacts/lab
    environment: lab
"""

RETURN = r"""
report:
  description: The content of C(report.json).
  returned: success
  type: dict
  sample:
    environment: lab
    phases:
      repository: {status: ok, seconds: 9.114, ended: "2026-11-23T10:00:09Z", recorded: "2026-11-23T10:00:09Z"}
      cluster: {status: ok, seconds: 141.2, ended: "2026-11-23T10:02:40Z", recorded: "2026-11-23T10:02:40Z"}
      platform: {status: running, seconds: null, ended: null, recorded: null}
      cutover: {status: null, seconds: null, ended: null, recorded: null}
    repository: {root_files_before: 318, root_files_after: 41, moved: 277, protected_changed: 0}
    cluster:
      nodes:
        - {name: node-1, ready: true, gpus: 1, version: v1.20.2+k3s1}
    platform: {endpoints: null}
    cutover:
      requests: {total: 31250, failed: 0, p50_ms: 2.0, p99_ms: 9.5}
      steps: null
    swarm: {services_left: null, nodes_left: null}
"""

import json
import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.folder import read_evidence
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.merge import write_whole
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.page import page_data
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.report import build_report

JINJA_ERROR = None
try:
    import jinja2
except ImportError:
    JINJA_ERROR = traceback.format_exc()


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "artifacts": {"type": "path", "required": True},
            "environment": {"type": "str", "required": True},
            "verification": {"type": "dict"},
            "template": {"type": "path"},
        },
        supports_check_mode=True,
    )
    given = module.params
    if given["template"] and JINJA_ERROR:
        module.fail_json(msg=missing_required_lib("jinja2"), exception=JINJA_ERROR)
    try:
        if given["verification"] and not module.check_mode:
            write_whole(f"{given['artifacts']}/verify.json", json.dumps(given["verification"], indent=2) + "\n")
        evidence = read_evidence(given["artifacts"], write=not module.check_mode)
        report = build_report(given["environment"], evidence)
        if not module.check_mode:
            write_whole(f"{given['artifacts']}/report.json", json.dumps(report, indent=2) + "\n")
            if given["template"]:
                with open(given["template"], encoding="utf-8") as handle:
                    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
                        handle.read()
                    )
                write_whole(f"{given['artifacts']}/report.html", template.render(page_data(report, evidence)))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"the report cannot be made: {exc}")
    module.exit_json(changed=False, report=report)


if __name__ == "__main__":
    main()
