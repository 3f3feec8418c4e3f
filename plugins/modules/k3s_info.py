#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: k3s_info
short_description: Tells what there is of K3s on a host
version_added: 0.1.0
description:
  - Reads in one call what role P(sophia.replatform.k3s#role) decides by, the units of K3s as systemd knows them, files with their sums
    and times, the server that the node has joined, and, where K3s does not run, what could keep it from beginning.
  - Reads only.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment: sophia.replatform.reads
options:
  unit:
    description: The host's own unit of K3s. While it is up, RV(listeners) and RV(networks) are not read, since what listens is K3s itself.
    type: str
    choices: [k3s, k3s-agent]
    required: true
  config_dir:
    description: Where K3s' C(config.yaml) is.
    type: path
    default: /etc/rancher/k3s
  files:
    description: Files about which RV(files) is to tell.
    type: list
    elements: path
    default: []
  patterns:
    description: Names with wildcards of files and folders that should not be there; RV(found) tells those that are.
    type: list
    elements: path
    default: []
  data_dir:
    description: Where K3s keeps its data.
    type: path
    default: /var/lib/rancher/k3s
  table:
    description: Name of the nftables table of family C(inet) that is told by RV(table); empty for none.
    type: str
    default: ''
  table_unit:
    description: The unit that loads O(table).
    type: str
    default: replatform-k3s-firewall.service
notes:
  - Run it as root; C(ss) tells the names of processes to root alone.
  - A file's content is never returned.
"""

EXAMPLES = r"""
- name: Look at K3s
  sophia.replatform.k3s_info:
    unit: k3s
    files: [/usr/local/bin/k3s, /etc/rancher/k3s/config.yaml]
  register: seen

- name: Say since when it runs
  ansible.builtin.debug:
    msg: "{{ seen.units['k3s.service'].ExecMainStartTimestamp }}"
"""

RETURN = r"""
machine:
  description: The kind of processor, as the kernel calls it.
  type: str
  returned: success
  sample: x86_64
units:
  description:
    - The properties of C(k3s.service), C(k3s-agent.service) and O(table_unit), by the unit's name.
    - Times are in UTC. C(LoadState) of a unit that is not there is V(not-found).
  type: dict
  returned: success
  sample:
    k3s.service:
      Id: k3s.service
      LoadState: loaded
      ActiveState: active
      UnitFileState: enabled
      NeedDaemonReload: "no"
      ExecMainStartTimestamp: Fri 2026-11-27 22:37:49 UTC
files:
  description: Those of O(files) that are there, by path. C(mtime) is in seconds since 1970, C(mode) has four digits.
  type: dict
  returned: success
  sample:
    /etc/rancher/k3s/config.yaml:
      path: /etc/rancher/k3s/config.yaml
      sha1: 2fd4e1c67a2d28fced849ee1bb76e7391b93eb12
      sha256: d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592
      mode: "0600"
      uid: 0
      gid: 0
      mtime: 1795819594.25
found:
  description: What O(patterns) match.
  type: list
  elements: str
  returned: success
  sample: []
datastore:
  description:
    - What there is in O(data_dir) of a cluster to which a server belongs, or belonged. V(etcd) and V(state.db) are datastores, V(token) is the
      cluster's token, which is there also where the datastore is elsewhere.
  type: list
  elements: str
  returned: success
  sample: [etcd, token]
server:
  description: The value of C(server) in C(config.yaml), or none.
  type: str
  returned: success
  sample: https://172.31.77.11:6443
config_keys:
  description: The keys of C(config.yaml), without their values.
  type: list
  elements: str
  returned: success
  sample: [node-name, server, token-file]
tools:
  description: Which of C(kubectl), C(crictl) and C(ctr) the host has.
  type: list
  elements: str
  returned: success
  sample: [kubectl, crictl, ctr]
table:
  description: The text of the table that is loaded; empty if there is none.
  type: str
  returned: success
  sample: ""
listeners:
  description: The text of C(ss -Hlntup), while K3s does not run.
  type: str
  returned: success
  sample: ""
networks:
  description: The text of C(docker network inspect) of all networks, while K3s does not run.
  type: str
  returned: success
  sample: ""
"""

import glob
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.k3s import host

UNITS = ["k3s.service", "k3s-agent.service"]
PROPERTIES = "Id,LoadState,ActiveState,UnitFileState,ExecMainStartTimestamp,NeedDaemonReload"
UP = ("active", "activating", "reloading", "deactivating")
DATASTORE = {"etcd": "server/db/etcd", "state.db": "server/db/state.db", "token": "server/token"}
TOOLS = ("kubectl", "crictl", "ctr")


def answer(module: AnsibleModule, *words: str) -> str:
    """The output of a program; empty when it fails, or is not there."""
    program = module.get_bin_path(words[0], opt_dirs=["/usr/sbin", "/sbin"])
    if not program:
        return ""
    code, out, _err = module.run_command([program, *words[1:]], environ_update={"TZ": "UTC", "LC_ALL": "C"})
    return out if code == 0 else ""


def about(module: AnsibleModule, path: str) -> dict:
    """What RV(files) says of one file."""
    status = os.stat(path)
    return {
        "path": path,
        "sha1": module.sha1(path),
        "sha256": module.sha256(path),
        "mode": f"{status.st_mode & 0o7777:04o}",
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime": status.st_mtime,
    }


def config(path: str) -> str:
    """The text of C(config.yaml); empty when it is not there."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def networks(module: AnsibleModule) -> str:
    names = answer(module, "docker", "network", "ls", "--quiet").split()
    return answer(module, "docker", "network", "inspect", *names) if names else ""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "unit": {"type": "str", "choices": ["k3s", "k3s-agent"], "required": True},
            "config_dir": {"type": "path", "default": "/etc/rancher/k3s"},
            "files": {"type": "list", "elements": "path", "default": []},
            "patterns": {"type": "list", "elements": "path", "default": []},
            "data_dir": {"type": "path", "default": "/var/lib/rancher/k3s"},
            "table": {"type": "str", "default": ""},
            "table_unit": {"type": "str", "default": "replatform-k3s-firewall.service"},
        },
        supports_check_mode=True,
    )
    given = module.params
    units = host.units(answer(module, "systemctl", "show", *UNITS, given["table_unit"], "--property", PROPERTIES))
    text = config(os.path.join(given["config_dir"], "config.yaml"))
    begins = units.get(f"{given['unit']}.service", {}).get("ActiveState") not in UP
    module.exit_json(
        changed=False,
        machine=os.uname().machine,
        units=units,
        files={path: about(module, path) for path in given["files"] if os.path.isfile(path)},
        found=sorted(path for pattern in given["patterns"] for path in glob.glob(pattern)),
        datastore=[name for name, path in DATASTORE.items() if os.path.lexists(os.path.join(given["data_dir"], path))],
        server=host.server_of(text),
        config_keys=host.keys_of(text),
        tools=[name for name in TOOLS if module.get_bin_path(name)],
        table=answer(module, "nft", "list", "table", "inet", given["table"]) if given["table"] else "",
        listeners=answer(module, "ss", "-Hlntup") if begins else "",
        networks=networks(module) if begins else "",
    )


if __name__ == "__main__":
    main()
