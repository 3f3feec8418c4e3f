#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: volume_handover
short_description: Makes one folder equal to another that a service writes to, with the service stopped for a granted window
version_added: 0.1.0
description:
  - Runs on the host that has both folders, for example a volume of Docker and the folder of a local-path claim of Kubernetes.
  - Copies while the service runs, by rsync, until a last pass and a comparison take no more than half of the window. Then the
    service is to be stopped, and a last pass is made and proven - type, mode, owner, size, SHA-256, target of links, hard links,
    extended attributes and ACLs of every entry are equal on both sides.
  - Links are carried as links and never followed. Holes stay holes.
  - Starts and stops nothing. It sees in the mounts of all processes of the host who can write to either folder, whoever runs
    the containers, and copies into no folder that is in use, nor for the last time from one.
  - The way back is the same call with O(source) and O(target) exchanged.
  - A run that was killed is resumed by running it again.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.operation
options:
  name:
    description: Name of the service in the journal.
    type: str
    required: true
  source:
    description: The folder that the service writes to.
    type: path
    required: true
  target:
    description: The folder that becomes equal to it. It must be there.
    type: path
    required: true
  state:
    description:
      - V(checked) means that nothing stands in the way that can be known beforehand. It changes nothing.
      - V(ahead) means that O(target) is so near to O(source) that the rest fits into the window.
      - V(open) means that the window is open. Stop the service right after.
      - V(equal) means that nobody uses either folder and that O(target) is proven to be equal, or that the service runs on
        it since it was.
      - V(closed) means that the window is closed, the service having been started on either side.
    type: str
    required: true
    choices: [checked, ahead, open, equal, closed]
  window:
    description:
      - Seconds for which the service may be stopped. What is under way when they are over is ended, and the module fails.
      - Without it every state but V(closed) is refused.
    type: int
    default: 0
  approved_by:
    description: Who has approved the window. Without it every state but V(closed) is refused.
    type: str
    default: ""
  record:
    description:
      - File on the host that holds the pair of folders, the proof, and when the window was opened. Its folder must be there.
      - There are locks with the same name and an ending beside it.
    type: path
    required: true
  overwrite:
    description: Whether O(target) may lose what it holds and was not copied from O(source).
    type: bool
    default: false
requirements:
  - rsync >= 3.1 with ACLs and extended attributes
notes:
  - Run it as root, who alone sees the mounts of others and can carry owners.
  - A process of the host itself that writes to a folder, and not by a mount of its own, is not seen.
  - Other filesystems that are mounted below O(source) are refused. Attributes of C(chattr) are not carried; neither are times
    compared, which are carried.
seealso:
  - module: sophia.replatform.volume_info
  - module: sophia.replatform.swarm_scale
"""

EXAMPLES = r"""
- name: Copy while the service runs
  sophia.replatform.volume_handover:
    name: wiki
    source: /var/lib/docker/volumes/shop_wiki-data/_data
    target: /var/lib/rancher/k3s/storage/pvc-4f0c_shop_wiki-data-wiki-0
    state: ahead
    window: 60
    approved_by: ada
    record: /var/lib/replatform/volumes/wiki.json
"""

RETURN = r"""
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - {name: begin, from: /srv/old, to: /srv/new}
    - {name: copy, from: /srv/old, to: /srv/new, checksum: false, files: 812, deleted: 0, bytes: 73400320, seconds: 3.1}
    - {name: compare, entries: 840, differences: [], seconds: 0.4}
reason:
  description: Why nothing is left to do.
  type: str
  returned: success
  sample: a last pass and the comparison take about 0.9 s of 60 s
proven:
  description: Whether O(target) has been proven and nothing has been copied since.
  type: bool
  returned: success
window_open:
  description: Whether a window is open, or over and not closed.
  type: bool
  returned: success
left_s:
  description: Seconds that are left of the open window; 0 when it is over, and O(window) when none is open.
  type: float
  returned: success
  sample: 41.3
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import volume_run
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, alone, perform


def main() -> None:
    module = AnsibleModule(argument_spec={**volume_run.ARGUMENTS, **ARGUMENTS}, supports_check_mode=True)
    options = module.params
    try:
        with alone(f"{options['record']}.lock", options["deadline"], module.check_mode):
            operation = volume_run.VolumeHandover(options)
            result = perform(operation, volume_run.OPERATION, options["name"], options, module.check_mode)
        module.exit_json(**result, **operation.standing())
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))
    except OSError as exc:
        module.fail_json(msg=f"{exc.filename or options['source']}: {exc.strerror or exc}")


if __name__ == "__main__":
    main()
