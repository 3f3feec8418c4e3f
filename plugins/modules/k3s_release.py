#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_release
short_description: Puts the files of a K3s release on a host, verified
version_added: 0.1.0
description:
  - Downloads in one call what M(ansible.builtin.uri) for the list of sums, M(ansible.builtin.get_url) for each file and
    M(ansible.builtin.command) for C(--version) would take a round trip each for.
  - Each file is verified by its SHA-256 before it takes its name, and a file that is right already is not fetched.
  - The binary is asked of which release it is before it takes its name, too. A sum tells that a file is the one that its list names, not
    of which release the list is.
  - Each file stands alone, and a call that was cut off is made good by the same call again.
author: The sophia.replatform maintainers (@sophia-ai)
attributes:
  check_mode:
    support: full
    description: The list of sums is read, and that the files are there; nothing else is fetched, and the binary is not asked.
  diff_mode:
    support: full
    description: It shows sums.
options:
  url:
    description: The folder of the release, at its site or a mirror.
    type: str
    required: true
  version:
    description: What the binary has to say that it is, such as V(v1.35.6+k3s1).
    type: str
    required: true
  sums:
    description: The name of the release's list of sums. It is fetched when O(checksums) lacks a file.
    type: str
    required: true
  checksums:
    description: SHA-256 by name, which go before those of the list.
    type: dict
    default: {}
  files:
    description: The files, in the order in which they are put in place. The folders in which they are to be are made with mode C(0755).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Its name in the release.
        type: str
        required: true
      path:
        description: Where it is to be.
        type: path
        required: true
      runs:
        description: Whether it is the binary, with mode C(0755) and a release to tell. Any other file has C(0644).
        type: bool
        default: false
  waiting:
    description: A folder on the host in which files may wait that an earlier call has fetched. One with the right sum is copied from there.
    type: path
  timeout:
    description: Seconds that the site may be silent.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Put K3s on the host
  sophia.replatform.k3s_release:
    url: https://github.com/k3s-io/k3s/releases/download/v1.35.6%2Bk3s1
    version: v1.35.6+k3s1
    sums: sha256sum-amd64.txt
    files:
      - name: k3s-airgap-images-amd64.tar.zst
        path: /var/lib/rancher/k3s/agent/images/k3s-airgap-images-amd64.tar.zst
      - name: k3s
        path: /usr/local/bin/k3s
        runs: true
"""

RETURN = r"""
changed_paths:
  description: What has been put in place; in check mode what would be.
  type: list
  elements: str
  returned: success
  sample: [/usr/local/bin/k3s]
"""

import hashlib
import http.client
import os
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.urls import fetch_url
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.k3s.release import checksum, release_faults
from ansible_collections.sophia.replatform.plugins.module_utils.whole_file import taking_its_place

FILE = {
    "name": {"type": "str", "required": True},
    "path": {"type": "path", "required": True},
    "runs": {"type": "bool", "default": False},
}
SETTING = "set k3s_release_url and k3s_version to a release that this host can reach, or use k3s_airgap_dir"
BLOCK = 1 << 20


def asked(module: AnsibleModule, name: str, method: str = "GET") -> t.BinaryIO:
    """The answer of the release's site for one of its files."""
    url = f"{module.params['url']}/{name}"
    answer, info = fetch_url(module, url, method=method, timeout=module.params["timeout"])
    if info["status"] != 200 or answer is None:
        raise RefusedError(f"{url} answered {info['status']} ({info['msg']}); {SETTING}")
    return answer


def wanted_sums(module: AnsibleModule) -> dict[str, str]:
    """The SHA-256 of each of O(files), by name."""
    given, names = module.params["checksums"], [file["name"] for file in module.params["files"]]
    listed = ""
    if any(name not in given for name in names):
        with asked(module, module.params["sums"]) as source:
            listed = b"".join(blocks(source, f"{module.params['url']}/{module.params['sums']}")).decode(
                errors="replace"
            )
    return {name: given[name].lower() if name in given else checksum(listed, name) for name in names}


def blocks(source: t.BinaryIO, origin: str) -> t.Iterator[bytes]:
    """All that there is to read; C(RefusedError) when it ends early, so that the disk is not blamed for the site."""
    try:
        while block := source.read(BLOCK):
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise RefusedError(f"{origin} broke off ({error}); run this again, or {SETTING}") from error


def copied(source: t.Iterable[bytes], target: t.BinaryIO) -> str:
    """The SHA-256 of all that went from one to the other."""
    digest = hashlib.sha256()
    for block in source:
        digest.update(block)
        target.write(block)
    target.close()
    return digest.hexdigest()


def mode_of(file: t.Mapping[str, t.Any]) -> int:
    return 0o755 if file["runs"] else 0o644


def waits(module: AnsibleModule, file: t.Mapping[str, t.Any], wanted: str) -> str:
    """The path in O(waiting) at which the file lies, with the right sum; empty if it does not."""
    path = os.path.join(module.params["waiting"] or "", file["name"])
    return path if module.params["waiting"] and os.path.isfile(path) and module.sha256(path) == wanted else ""


def place(module: AnsibleModule, file: t.Mapping[str, t.Any], wanted: str) -> None:
    """Put one file in its place from O(waiting) or the site."""
    os.makedirs(os.path.dirname(file["path"]), mode=0o755, exist_ok=True)
    near = waits(module, file, wanted)
    with taking_its_place(file["path"], mode_of(file), durable=False) as target:
        with open(near, "rb") if near else asked(module, file["name"]) as source:
            got = copied(blocks(source, near or f"{module.params['url']}/{file['name']}"), target)
        if got != wanted:
            raise RefusedError(
                f"{module.params['url']}/{file['name']} has the SHA-256 {got}, and {module.params['sums']} or k3s_checksums promises "
                f"{wanted}; it was not installed"
            )
        if file["runs"]:
            try:
                said, why = module.run_command([target.name, "--version"], handle_exceptions=False)[1], ""
            except OSError as error:
                said, why = "", f" ({error})"
            faults = release_faults(said, module.params["version"], "k3s_release_url")
            if faults:
                raise RefusedError(faults[0] + why)


def bring(module: AnsibleModule, file: t.Mapping[str, t.Any], wanted: str) -> dict[str, str] | None:
    """Bring one file to what it is to be; the diff, or none where it is that already."""
    path = file["path"]
    before = module.sha256(path) if os.path.isfile(path) else ""
    if before != wanted:
        if not module.check_mode:
            place(module, file, wanted)
        elif not waits(module, file, wanted):
            asked(module, file["name"], "HEAD").close()
        return {"before_header": path, "after_header": path, "before": f"{before}\n", "after": f"{wanted}\n"}
    real = os.path.realpath(path)  # a link has no mode of its own
    changed = module.set_mode_if_different(real, mode_of(file), False)
    changed = module.set_owner_if_different(real, os.geteuid(), changed)
    return (
        {"before_header": path, "after_header": path, "before": "another mode or owner\n", "after": "\n"}
        if changed
        else None
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "version": {"type": "str", "required": True},
            "sums": {"type": "str", "required": True},
            "checksums": {"type": "dict", "default": {}},
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE},
            "waiting": {"type": "path"},
            "timeout": {"type": "int", "default": 30},
        },
        supports_check_mode=True,
    )
    done: dict[str, dict[str, str]] = {}
    try:
        sums = wanted_sums(module)
        for file in module.params["files"]:
            change = bring(module, file, sums[file["name"]])
            if change:
                done[file["path"]] = change
    except (ReplatformError, OSError) as error:
        module.fail_json(msg=str(error), changed_paths=list(done), changed=bool(done))
    module.exit_json(changed=bool(done), changed_paths=list(done), diff=list(done.values()))


if __name__ == "__main__":
    main()
