#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: host_files
short_description: Brings several files, folders and links of a host to what they are to be, in one call
version_added: 0.1.0
description:
  - Writes what a service reads at its start with one round trip to the host, where M(ansible.builtin.copy) takes some five a file.
  - A file gets its content, its mode and its owner before it gets its name, so that a reader sees the old file or the new one, and
    nobody reads a secret in between. What is right already is not touched, and keeps its time.
  - Everything belongs to the user who runs the module.
  - Folders come first, then files in their order, links, and what is to go. Each step stands alone, and a call that was cut off is
    made good by the same call again.
author: The sophia.replatform maintainers (@sophia-ai)
attributes:
  check_mode:
    support: full
    description: Nothing is changed, and the diff is what would be.
  diff_mode:
    support: full
    description: A secret is never part of it.
options:
  directories:
    description: Folders that are to be there, parents before children, with mode C(0755).
    type: list
    elements: path
    default: []
  files:
    description: Regular files that are to be there.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it is. A symbolic link of that name is replaced, not followed.
        type: path
        required: true
      content:
        description: The text that it holds, if it is no secret. A file has this or an entry in O(secrets).
        type: str
      mode:
        description: Its mode, in octal digits.
        type: str
        default: "0644"
      force:
        description: Whether a file that is there gets this content, too.
        type: bool
        default: true
  secrets:
    description: The texts of those of O(files) that are in no log and no diff, by path.
    type: dict
    default: {}
  links:
    description: Symbolic links that are to be there, each with where it leads. One that leads elsewhere is replaced; a file is refused.
    type: dict
    default: {}
  absent:
    description: Files and links that are not to be there. A folder is refused. What they held is not shown.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Write what K3s reads at its start
  sophia.replatform.host_files:
    directories: [/etc/rancher/k3s]
    files:
      - path: /etc/rancher/k3s/config.yaml
        content: "node-name: ai-core\n"
        mode: "0600"
      - path: /etc/rancher/k3s/token
        mode: "0600"
    secrets:
      /etc/rancher/k3s/token: "{{ token }}"
    links:
      /usr/local/bin/kubectl: k3s
  register: written

- name: Say what has changed
  ansible.builtin.debug:
    var: written.changed_paths
"""

RETURN = r"""
changed_paths:
  description: What has been written, made or taken away, in order; in check mode what would be.
  type: list
  elements: str
  returned: success
  sample: [/etc/rancher/k3s/config.yaml]
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils import host_files
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
    "force": {"type": "bool", "default": True},
}


def changes(given: t.Mapping[str, t.Any], check_mode: bool) -> t.Iterator[host_files.Change | None]:
    """What each entry changes, in the order in which it is done."""
    for path in given["directories"]:
        yield host_files.make_directory(path, 0o755, check_mode)
    for file in given["files"]:
        secret = given["secrets"].get(file["path"])
        if (secret is None) == (file["content"] is None):
            raise RefusedError(
                f"files: {file['path']} needs its text in content or, by its path, in secrets, and not in both"
            )
        content = file["content"] if secret is None else secret
        yield host_files.write(
            file["path"], content, octal(file["mode"]), file["force"], secret is not None, check_mode
        )
    for path, target in given["links"].items():
        yield host_files.link(path, target, check_mode)
    for path in given["absent"]:
        yield host_files.remove(path, secret=True, check_mode=check_mode)


def octal(digits: str) -> int:
    """A mode from its digits; raises C(RefusedError) for anything else."""
    try:
        return int(digits, 8)
    except ValueError:
        raise RefusedError(f"files: mode {digits!r} is not made of octal digits, such as '0644'") from None


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "directories": {"type": "list", "elements": "path", "default": []},
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
            # An option of its own, since of one within a list the call's line in the host's journal would show what is quoted in it.
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "links": {"type": "dict", "default": {}},
            "absent": {"type": "list", "elements": "path", "default": []},
        },
        supports_check_mode=True,
    )
    done: list[host_files.Change] = []
    try:
        # All that can be refused is refused before the first file is written.
        list(changes(module.params, check_mode=True))
        for change in changes(module.params, module.check_mode):
            done += [change] if change else []
    except (ReplatformError, OSError) as error:
        module.fail_json(msg=str(error), changed_paths=[change["path"] for change in done], changed=bool(done))
    diff = [{key: change[key] for key in change if key != "path"} for change in done]
    module.exit_json(changed=bool(done), changed_paths=[change["path"] for change in done], diff=diff)


if __name__ == "__main__":
    main()
