#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: volume_info
short_description: Tells whether a host has a volume of Docker, where it lies and how many entries it holds
version_added: 0.1.0
description:
  - Reads a volume through the Docker Engine of the host that the module runs on. A volume that is not there is an ordinary answer.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.docker
  - sophia.replatform.reads
options:
  volume:
    description: Name of the volume, as C(docker volume ls) shows it.
    type: str
    required: true
seealso:
  - module: sophia.replatform.volume_handover
"""

EXAMPLES = r"""
- name: Look for the volume on every node
  sophia.replatform.volume_info:
    volume: shop_wiki-data
  register: found
"""

RETURN = r"""
exists:
  description: Whether the host has the volume.
  type: bool
  returned: success
driver:
  description: The volume's driver; empty where there is none.
  type: str
  returned: success
  sample: local
path:
  description: The folder of the host that holds its files; empty where there is none.
  type: str
  returned: success
  sample: /var/lib/docker/volumes/shop_wiki-data/_data
device:
  description: What the volume's options say is mounted at that folder, only while it is in use; empty for an ordinary one.
  type: str
  returned: success
entries:
  description: How many entries are directly in that folder; 0 where it can't be listed.
  type: int
  returned: success
  sample: 12
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client, volumes


def main() -> None:
    module = AnsibleModule(
        argument_spec={"volume": {"type": "str", "required": True}, **client.ARGUMENTS}, supports_check_mode=True
    )
    if client.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("docker"), exception=client.IMPORT_ERROR)
    try:
        engine = client.connect(module.params)
        module.exit_json(changed=False, **volumes.look(engine, module.params["volume"]))
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))


if __name__ == "__main__":
    main()
