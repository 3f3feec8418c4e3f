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
  - Tells what C(repo_archive) would do with the same options, and after it, whether anything still uses what was moved.
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
  state:
    description:
      - The state of C(repo_archive) whose moves are told. V(archived) moves into C(archive) alone, V(organised) sorts
        scripts into C(scripts), too, and with V(restored) nothing is told to move.
    type: str
    choices: [archived, organised, restored]
    default: organised
  root_limit:
    description: Fewer files than this are wanted in the root.
    type: int
    default: 100
  report:
    description:
      - Path of the report without its ending; C(.json) holds every file and every reference, C(.txt) and C(.md) are for
        people. They hold paths, and nothing of what files contain.
      - Without, no report is written.
    type: path
  keep_report:
    description:
      - Leave a report that is there alone when nothing is left to move, or when a run that was cut off has moved a part.
        That is for the report of how things were before.
    type: bool
    default: false
  compare_to:
    description: Path of the C(.json) of an earlier report, whose figures are put beside the new ones.
    type: path
requirements:
  - git >= 2.23
  - pathspec >= 0.12
  - PyYAML
  - dockerfile-parse
notes:
  - Fails with one line that names what to mend when O(path) is no repository, when a rule, a category or a protected
    pattern is at fault, and when O(compare_to) is no audit.
"""

EXAMPLES = r"""
- name: See what is clutter
  sophia.replatform.repo_audit:
    path: /srv/platform
    report: /srv/artifacts/audit-before
    protected: ["README*"]
    protected_days: 14
    rules:
      - category: backups
        patterns: ["*.backup", "*.old"]
        reason: A copy beside its original

- name: See what has become of it
  sophia.replatform.repo_audit:
    path: /srv/platform
    report: /srv/artifacts/audit-after
    compare_to: /srv/artifacts/audit-before.json
    rules: "{{ rules }}"
"""

RETURN = r"""
audit:
  description:
    - The figures of the audit, and what a person might have to act on. The C(.json) of the report also has every file
      (C(all_files)) and every group of files with one content (C(copies)).
    - A reference is certain when the tool that reads the file resolves it to exactly this path. C(broken) are certain
      references to what earlier runs moved. C(groups) are references to a folder or a glob that files to move are in.
  returned: success
  type: dict
  sample:
    files: 1953
    bytes: 17340385
    untracked: 0
    executables: 212
    root_files: 337
    root_folders: 31
    root_files_after: 61
    moves: 412
    rewrites: 0
    categories: {reports: {files: 140, bytes: 1203111}}
    duplicates: {groups: 31, files: 44, bytes: 102311}
    largest: [{path: uv.lock, bytes: 812345}]
    symlinks: [{path: docs/current.md, to: operations.md, leads: inside}]
    submodules: [external/inspector]
    nested: []
    kept: [{path: docker-compose.yml, reason: "workflow .github/workflows/ci.yml:12 uses it"}]
    faults: []
    remaining: [README.md]
    references: {deploy_it.sh: [{file: docs/how.md, line: 3, kind: text, certain: false}]}
    groups: [{file: Dockerfile, line: 4, kind: dockerfile, pattern: "*.sh", paths: 12}]
    broken: []
report:
  description: The files of the report.
  returned: when O(report) is given
  type: list
  elements: str
  sample: [/srv/artifacts/audit-before.json, /srv/artifacts/audit-before.txt, /srv/artifacts/audit-before.md]
comparison:
  description: The figures of both audits, in the order in which the report has them.
  returned: when O(compare_to) is given
  type: list
  elements: dict
  sample: [{figure: files in the root, before: 337, after: 61}]
"""

import os
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import audit, files, references, rules
from ansible_collections.sophia.replatform.plugins.module_utils.repository.arguments import SURVEY_OPTIONS
from ansible_collections.sophia.replatform.plugins.module_utils.repository.contents import look_inside
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git
from ansible_collections.sophia.replatform.plugins.module_utils.repository.ledger import ledger_path, read_ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Intent
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import classifier_for, listing, survey


def run(params: t.Mapping[str, t.Any], check_mode: bool) -> dict[str, t.Any]:
    root = os.path.realpath(params["path"])
    classifier = classifier_for(root, params)
    before = audit.read_audit(params["compare_to"]) if params["compare_to"] else None
    git = Git(root)
    intent = Intent(params["state"], params["on_reference"], git.line("rev-parse", "HEAD"), params["categories"])
    seen = survey(git, classifier, intent, *listing(git))
    inside = look_inside(git, seen)
    figures = audit.summarise(seen, inside)
    result: dict[str, t.Any] = {"changed": False, "audit": figures}
    if before is not None:
        result["comparison"] = audit.compare(before, figures)
    if not params["report"]:
        return result
    report = os.path.abspath(params["report"])
    result["report"] = [report + ending for ending in (".json", ".txt", ".md")]
    book = read_ledger(ledger_path(git.state_folder()))
    past = not seen.plan.moves or (book is not None and book.is_open)
    if check_mode or (params["keep_report"] and past and os.path.exists(result["report"][0])):
        return result
    full = audit.in_full(seen, inside)
    name, limit = os.path.basename(report), params["root_limit"]
    pages = (
        audit.as_json(full),
        audit.text(name, full, limit, before),
        audit.markdown(name, full, limit, before),
    )
    os.makedirs(os.path.dirname(report), mode=0o750, exist_ok=True)
    for path, page in zip(result["report"], pages):
        files.write_whole(path, [page.rstrip("\n")])
    return result


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SURVEY_OPTIONS,
            "report": {"type": "path"},
            "keep_report": {"type": "bool", "default": False},
            "compare_to": {"type": "path"},
        },
        supports_check_mode=True,
    )
    for library, error in (
        ("pathspec", rules.PATHSPEC_ERROR),
        ("PyYAML", references.YAML_ERROR),
        ("dockerfile-parse", references.DOCKERFILE_ERROR),
    ):
        if error:
            module.fail_json(msg=missing_required_lib(library), exception=error)
    try:
        result = run(module.params, module.check_mode)
    except (ReplatformError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
