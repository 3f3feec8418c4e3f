#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: edge_quiet_info
short_description: Tells how often a Traefik has asked the old sides of its routes within a while
version_added: 0.1.0
description:
  - Watches, on the edge host, the routes that M(sophia.replatform.traffic_shift) has written, for O(window) seconds, and counts what their
    old sides, all but O(serving), were asked.
  - Of HTTP routes these are the requests that Traefik itself counts. One is counted when it has ended, so one that was begun before the
    window and lasts longer is not seen. Checks of the servers' health are not among them.
  - Of TCP routes Traefik counts nothing. That their old side has no weight is required at each look, and connections from
    this host to its servers that stand at two looks in a row, two seconds apart, are counted. A check of a server's health is closed at once.
  - Fails with one line where nothing can be said, as when Traefik has no metrics by service, was restarted within the window or does not answer.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment: sophia.replatform.reads
options:
  api_url:
    description: Address of Traefik's API, which has the metrics too.
    type: str
    default: http://127.0.0.1:8099
  services:
    description: The HTTP services to watch. Each must have a route.
    type: list
    elements: str
    required: true
  serving:
    description: Name of the side that is to serve.
    type: str
    default: k3s
  window:
    description:
      - For how many seconds to watch. V(0) looks once, which counts nothing but tells RV(sources).
      - In check mode it is not spent, and once is looked.
    type: float
    default: 60
seealso:
  - module: sophia.replatform.swarm_quiet_info
"""

EXAMPLES = r"""
- name: Watch for a minute
  sophia.replatform.edge_quiet_info:
    services: [backend, frontend]
  register: watched

- name: Refuse to go on while the old side is asked
  ansible.builtin.assert:
    that: not watched.requests and not watched.connections
"""

RETURN = r"""
requests:
  description: By HTTP service, how many requests its old side has answered within the window, those without any left out.
  type: dict
  returned: success
  sample: {backend: 3}
connections:
  description: By TCP route, how many connections of clients stood on its old side, those without any left out.
  type: dict
  returned: success
  sample: {database: 1}
sources:
  description: The addresses of this host from which it asks the servers of the old sides.
  type: list
  elements: str
  returned: success
  sample: [192.0.2.11]
watched_s:
  description: For how many seconds that was watched.
  type: int
  returned: success
  sample: 60
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.edge_api import EdgeApi
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.quiet import EdgeQuiet, watch


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "api_url": {"type": "str", "default": "http://127.0.0.1:8099"},
            "services": {"type": "list", "elements": "str", "required": True},
            "serving": {"type": "str", "default": "k3s"},
            "window": {"type": "float", "default": 60},
        },
        supports_check_mode=True,
    )
    params = module.params
    quiet = EdgeQuiet(EdgeApi(params["api_url"]), params["services"], params["serving"])
    try:
        watched_s = watch(quiet.look, 0 if module.check_mode else params["window"])
        sources = quiet.sources()
    except (ReplatformError, OSError) as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(
        changed=False,
        requests=quiet.requests,
        connections=quiet.connections,
        sources=sources,
        watched_s=int(watched_s),
    )


if __name__ == "__main__":
    main()
