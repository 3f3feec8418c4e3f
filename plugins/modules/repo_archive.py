#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: repo_archive
short_description: Moves a git repository's clutter out of the way, behind a proven backup, and puts it back
version_added: 0.1.0
author: The sophia.replatform maintainers (@sophia-ai)
description:
  - Classifies every file by rules, backs the work tree and the history up, reads the backup back, and only then renames
    what the rules call clutter, in one commit on a migration branch.
  - Archived files keep their path below the category's folder, their mode and their history. C(archive/README.md) and
    C(archive/manifest.json) say what was moved, whence and why. Symbolic links that move still lead where they led.
  - What is protected, untracked, a submodule, or used with certainty by a file that stays, is not moved.
  - A run that was killed is finished by running it again. When a hook of the repository refuses the commit, everything
    is put back. A run that was made is undone with O(state=restored).
  - Runs where the repository is, and needs no other host. User and system configuration of git is only read to reach
    O(remote), so filters that are only set there do not run.
attributes:
  check_mode:
    support: full
    description: Says what would be done, writes nothing. With O(remote), the remote is asked for its branches.
  diff_mode:
    support: full
    description: The paths that move, one a line, and what changes in files that are written. Of files that use what moves
      only the replaced names are shown.
  idempotent:
    support: full
    description: A tidy repository is left alone.
extends_documentation_fragment:
  - sophia.replatform.repository
options:
  state:
    description:
      - V(archived) means that no tracked file matches a rule whose destination is below C(archive), except for what has
        to stay.
      - V(organised) means the same of rules whose destination is below C(scripts), too.
      - V(restored) means that every run of this O(phase) is undone, the newest first, each in a commit of its own on the
        branch that is checked out. What was changed since stays as it is and is returned as a conflict. O(rules) are
        then only used to tell what is protected.
    type: str
    choices: [archived, organised, restored]
    default: organised
  root_limit:
    description: The run is refused, with nothing changed, unless it leaves fewer files than this in the root.
    type: int
    default: 100
  backup_path:
    description: Folder for backups, outside the repository. Each run that moves something adds one folder.
    type: path
    required: true
  backup_keep:
    description: How many verified backups of this repository stay there; older ones are deleted once a run is at its end.
      The last one that is known to be good always stays. V(0) keeps all.
    type: int
    default: 5
  branch:
    description: Branch for the commit, made at HEAD unless it is there. Not used with O(state=restored).
    type: str
    default: replatform-archive
  added:
    description:
      - Contents of text files by path, from the root, that the run's commit adds where git has nothing; V(restored) takes them out
        again. A file that git has stays as it is.
      - Not used with O(state=restored).
    type: dict
    default: {}
  remote:
    description:
      - Name of a remote of the repository that O(branch) is pushed to once the commit is made, as a new branch. The run
        is refused when the remote has a branch of this name. Empty means not to push.
      - Not used with O(state=restored).
    type: str
    default: ""
  allow_dirty:
    description: Whether to go on when tracked files have changes that are not staged. Staged changes are always refused.
    type: bool
    default: false
  author:
    description: Who commits.
    type: dict
    suboptions:
      name:
        description: Name of the author and committer.
        type: str
        default: sophia.replatform
      email:
        description: Address of the author and committer.
        type: str
        default: replatform@localhost
  commit_message:
    description: Message of the commit. A line C(Replatform-Run) that names the run is added to it.
    type: str
    default: Move what is no longer used into the archive
  journal:
    description: File that each step is appended to, one JSON object a line. Without, steps are only returned.
    type: path
  phase:
    description: Phase that the journal files the steps under. The figures returned are those of runs of the same phase.
    type: str
    default: repository
  deadline:
    description: Seconds after which no further step is begun.
    type: int
    default: 3600
  lock_timeout:
    description: Seconds to wait for another run on the same repository to end.
    type: int
    default: 30
requirements:
  - git >= 2.23
  - pathspec >= 0.12
  - zstandard
notes:
  - Fails with one line that names what to mend when the repository is detached, unborn, in the middle of a merge, rebase,
    cherry-pick, revert or bisect, shallow, a partial clone or a sparse checkout, or has uncommitted changes; when
    destinations collide, also by case or Unicode form, or lead outside; when a link leads outside; when the limit for the
    root cannot be reached; when the backup might not fit; when another run holds the lock.
"""

EXAMPLES = r"""
- name: Move backups and old reports out of the way
  sophia.replatform.repo_archive:
    path: /srv/platform
    backup_path: /srv/platform.backups
    branch: tidy-up
    protected: ["README*", "backend/services/*memory*.py"]
    rules:
      - category: backups
        patterns: ["*.backup", "*.old"]
        reason: A copy beside its original
      - category: deployment-scripts
        patterns: ["/deploy_*.sh"]
        reason: Scripts live in scripts/
        destination: scripts/deployment

- name: Move the files of a stack that runs elsewhere by now, and say so in the same commit
  sophia.replatform.repo_archive:
    path: /srv/platform
    backup_path: /srv/platform.backups
    state: archived
    branch: main
    phase: cutover
    rules:
      - category: legacy-deployments
        patterns: [/docker-stack.yml]
        reason: The stack runs on K3s
    added:
      MIGRATED.md: "The stack runs on K3s since {{ now().date() }}.\n"

- name: Put everything back
  sophia.replatform.repo_archive:
    path: /srv/platform
    backup_path: /srv/platform.backups
    state: restored
    rules: []
"""

RETURN = r"""
state:
  description: The state that was asked for.
  returned: success
  type: str
  sample: organised
root_files_before:
  description: Files in the root, ignored ones not counted, before the run that moved them.
  returned: success
  type: int
  sample: 337
root_files_after:
  description: Files in the root after it. In check mode, what it would be.
  returned: success
  type: int
  sample: 61
moved:
  description:
    - Files moved by the last run that moved any; with O(state=restored), put back since the last run that archived.
    - In check mode, how many would be.
  returned: success
  type: int
  sample: 412
categories:
  description: Files moved, by category.
  returned: success
  type: dict
  sample: {backups: 12, reports: 140}
rewritten:
  description: Names of moved files that were replaced in files that use them.
  returned: success
  type: list
  elements: dict
  sample: [{path: .github/workflows/ci.yml, line: 12, old: ./deploy.sh, new: ./scripts/deployment/deploy.sh}]
protected_changed:
  description: Protected files whose type, mode or SHA-256 differs from the backup's manifest, those in RV(rewritten) left
    out. Null when nothing was moved.
  returned: success
  type: int
  sample: 0
backup:
  description: Where the backup is, and the SHA-256, bytes and number of members of its tar as they were read back, and the
    SHA-256 of its bundle.
  returned: success
  type: dict
  sample:
    path: /srv/platform.backups/platform-20261123T103000Z-1f2e3d4c5b6a
    sha256: 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
    bundle_sha256: 87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7
    bytes: 4210688
    members: 1953
branch:
  description: Branch that holds the commit. Null when nothing was moved.
  returned: success
  type: str
  sample: tidy-up
commit:
  description: The commit that holds the moves, the last of them where several runs were undone. Null when nothing was moved.
  returned: success
  type: str
  sample: 1f2e3d4c5b6a79880f1e2d3c4b5a69788796a5b4
pushed:
  description: The remote that the branch was pushed to. Null when it was not.
  returned: success
  type: str
  sample: origin
kept:
  description: Files that a rule matches and that stay, with the reason.
  returned: success
  type: list
  elements: dict
  sample: [{path: docker-compose.yml, reason: "workflow .github/workflows/ci.yml:12 uses it"}]
conflicts:
  description: With O(state=restored), what was not put back, by its path before the run, with the reason and where both
    sides are.
  returned: success
  type: list
  elements: dict
  sample: [{path: plan.md, reason: there is another file at plan.md since the run; the file stays at archive/plans/plan.md}]
steps:
  description: The steps that were taken, or would be.
  returned: success
  type: list
  elements: dict
  sample: [{name: branch, branch: tidy-up}, {name: backup}]
"""

import os

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.journal import Journal
from ansible_collections.sophia.replatform.plugins.module_utils.repository import rules, tarball
from ansible_collections.sophia.replatform.plugins.module_utils.repository.adapter import Settings
from ansible_collections.sophia.replatform.plugins.module_utils.repository.archive import Wanted
from ansible_collections.sophia.replatform.plugins.module_utils.repository.arguments import SURVEY_OPTIONS
from ansible_collections.sophia.replatform.plugins.module_utils.repository.run import archive
from ansible_collections.sophia.replatform.plugins.module_utils.repository.survey import classifier_for


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **SURVEY_OPTIONS,
            "backup_path": {"type": "path", "required": True},
            "backup_keep": {"type": "int", "default": 5},
            "added": {"type": "dict", "default": {}},
            "branch": {"type": "str", "default": "replatform-archive"},
            "remote": {"type": "str", "default": ""},
            "allow_dirty": {"type": "bool", "default": False},
            "author": {
                "type": "dict",
                "apply_defaults": True,
                "options": {
                    "name": {"type": "str", "default": "sophia.replatform"},
                    "email": {"type": "str", "default": "replatform@localhost"},
                },
            },
            "commit_message": {"type": "str", "default": "Move what is no longer used into the archive"},
            "journal": {"type": "path"},
            "phase": {"type": "str", "default": "repository"},
            "deadline": {"type": "int", "default": 3600},
            "lock_timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    for library, error in (("pathspec", rules.PATHSPEC_ERROR), ("zstandard", tarball.ZSTANDARD_ERROR)):
        if error:
            module.fail_json(msg=missing_required_lib(library), exception=error)
    params = module.params
    settings = Settings(
        root=os.path.realpath(params["path"]),
        backup_path=os.path.abspath(params["backup_path"]),
        author=params["author"],
        message=params["commit_message"],
        phase=params["phase"],
    )
    wanted = Wanted(
        branch=params["branch"],
        root_limit=params["root_limit"],
        allow_dirty=params["allow_dirty"],
        state=params["state"],
        on_reference=params["on_reference"],
        categories=params["categories"],
        remote=params["remote"],
        backup_keep=params["backup_keep"],
        added={str(path): str(text).encode() for path, text in params["added"].items()},
    )
    try:
        result = archive(
            settings,
            wanted,
            classifier_for(settings.root, params),
            Journal(params["journal"], params["phase"], "repo_archive", settings.root),
            deadline_s=params["deadline"],
            lock_wait_s=params["lock_timeout"],
            check_mode=module.check_mode,
        )
    except (ReplatformError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
