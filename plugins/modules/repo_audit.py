#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: repo_audit
short_description: Looks at a git repository and says what in it is clutter
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Classifies every tracked and every untracked file that is not ignored by rules, counts what is in the root, and finds
    which files that a rule would move are still mentioned, where, and with what certainty.
  - Reads only. The repository, its index and its branches stay as they are.
attributes:
  check_mode:
    support: full
    description: Writes no report.
  diff_mode:
    support: none
    description: Nothing is changed.
  idempotent:
    support: full
    description: Never reports a change; a report is evidence and does not count as one.
extends_documentation_fragment:
  - sophia.replatform.repository
options:
  path:
    description: Root of the repository's work tree.
    type: path
    required: true
  root_limit:
    description: Fewer files than this are wanted in the root.
    type: int
    default: 100
  report:
    description:
      - Path of the report without its ending; C(.json) holds every file and every reference, C(.md) a summary.
      - Without, no report is written.
    type: path
  keep_report:
    description:
      - Leave a report that is there alone when nothing is left to move, or when a run that was cut off has moved a part.
        That is for the report of how things were before.
    type: bool
    default: false
requirements:
  - git >= 2.23
  - pathspec >= 0.12
"""

EXAMPLES = r"""
- name: See what is clutter
  sophia.replatform.repo_audit:
    path: /srv/platform
    report: /srv/artifacts/audit-before
    protected: ["README*"]
    rules:
      - category: backups
        patterns: ["*.backup", "*.old"]
        reason: A copy beside its original
"""

RETURN = r"""
audit:
  description: The figures of the audit.
  returned: success
  type: dict
  sample:
    files: 1953
    bytes: 17340385
    untracked: 0
    root_files: 337
    root_folders: 31
    root_files_after: 61
    moves: 412
    categories: {reports: {files: 140, bytes: 1203111}}
    largest: [{path: uv.lock, bytes: 812345}]
    kept: [{path: docker-compose.yml, reason: "workflow .github/workflows/ci.yml:12 uses it"}]
    faults: []
    remaining: [README.md]
report:
  description: The files of the report.
  returned: when O(report) is given
  type: list
  elements: str
  sample: [/srv/artifacts/audit-before.json, /srv/artifacts/audit-before.md]
"""

import json
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import audit, files, rules
from ansible_collections.sophia.replatform.plugins.module_utils.repository.arguments import SURVEY_OPTIONS
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import ledger_path, read_ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import fault_of, listing, survey


def run(module: AnsibleModule) -> dict:
    params = module.params
    root = os.path.realpath(params["path"])
    fault = fault_of(root)
    if fault:
        raise RefusedError(fault)
    git = Git(root)
    seen = survey(git, rules.Classifier(rules.parse_rules(params["rules"]), params["protected"]), *listing(git))
    result: dict[str, t.Any] = {"changed": False, "audit": audit.summarise(seen)}
    if not params["report"]:
        return result
    result["report"] = [params["report"] + ending for ending in (".json", ".md")]
    book = read_ledger(ledger_path(git.state_folder()))
    past = not seen.plan.moves or (book is not None and book.is_open)
    if module.check_mode or (params["keep_report"] and past and os.path.exists(result["report"][0])):
        return result
    full = audit.in_full(seen)
    os.makedirs(os.path.dirname(params["report"]), mode=0o750, exist_ok=True)
    files.write_whole(result["report"][0], [json.dumps(full, indent=1, sort_keys=True)])
    name = os.path.basename(params["report"])
    files.write_whole(result["report"][1], [audit.markdown(name, full, params["root_limit"])])
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SURVEY_OPTIONS,
            "report": {"type": "path"},
            "keep_report": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if rules.PATHSPEC_ERROR:
        module.fail_json(msg=missing_required_lib("pathspec"), exception=rules.PATHSPEC_ERROR)
    try:
        result = run(module)
    except (ReplatformError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
