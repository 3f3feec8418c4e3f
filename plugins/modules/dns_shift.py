#!/usr/bin/python
# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: dns_shift
short_description: Leads names elsewhere by DNS updates, with TTLs lowered before and waited out
version_added: 0.1.0
description:
  - Changes A, AAAA and CNAME records of one zone by DNS updates (RFC 2136), each in one transaction that has as its prerequisite that the record is
    still what was seen.
  - The TTL is lowered first; the values change when every resolver has forgotten the old TTL; they count as changed when every resolver has
    forgotten the old values. Each of these times begins when every authoritative server has been seen to show the change. The module does not
    sit them out; it returns O(ignore:wait_s), and is run again then.
  - What a record was, and where it stands, is in a TXT record beside it, C(_replatform.<name>), written in the same transaction. So a run that was
    killed is resumed from any controller, and the way back is known. It goes when the record has arrived or is back.
author: The sophia.replatform maintainers (@sophia-ai)
extends_documentation_fragment:
  - sophia.replatform.operation
requirements:
  - dnspython >= 2.3 where the module runs
options:
  state:
    description:
      - V(lowered) lowers the TTLs.
      - V(shifted) changes the values, with all that has to come before.
      - V(promoted) gives the records their last TTL and gives up the way back. It is refused before they are V(shifted).
      - V(rolled_back) brings values and TTLs back to what they were. A record that has not set out, or that is promoted, stays as it is.
    type: str
    choices: [lowered, shifted, promoted, rolled_back]
    required: true
  zone:
    description: The zone.
    type: str
    required: true
  server:
    description: The primary, which takes the updates, as C(address) or C(address:port), with brackets around an IPv6 address that has a port.
    type: str
    required: true
  servers:
    description: The other authoritative servers. A server that is not named is not waited for.
    type: list
    elements: str
    default: []
  key_name:
    description: Name of the TSIG key. Without it updates are not signed.
    type: str
  key_secret:
    description: Its secret, base64.
    type: str
  key_algorithm:
    description: Its algorithm.
    type: str
    choices: [hmac-sha256, hmac-sha384, hmac-sha512, hmac-sha224, hmac-sha1, hmac-md5]
    default: hmac-sha256
  records:
    description: The records, as they are to be. Each must be in the zone already.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, within the zone or absolute; V(@) is the zone's own.
        type: str
        required: true
      type:
        description: Type.
        type: str
        choices: [A, AAAA, CNAME]
        default: A
      values:
        description: All values. A name in one is within the zone unless it ends with a dot.
        type: list
        elements: str
        required: true
      ttl:
        description: Seconds that it is to have in the end; without it those that it had.
        type: int
  lowered_ttl:
    description: Seconds that records have from V(lowered) until V(promoted). That long a way back takes.
    type: int
    default: 60
  propagation_timeout:
    description: Seconds within which the other servers must show a change.
    type: float
    default: 60
  query_timeout:
    description: Seconds within which a server must answer; a question is asked up to three times, an update once.
    type: float
    default: 5
"""

EXAMPLES = r"""
- name: Lower the TTL, hours before
  sophia.replatform.dns_shift:
    state: lowered
    zone: example.com
    server: 192.0.2.53
    servers: [198.51.100.53]
    key_name: replatform
    key_secret: "{{ vault_dns_key_secret }}"
    records:
      - {name: www, type: A, values: [203.0.113.10, 203.0.113.11]}
  delegate_to: localhost
"""

RETURN = r"""
reached:
  description: Whether the records have the state, for every resolver.
  type: bool
  returned: success
wait_s:
  description: Seconds until the last of the records can go on; then run it again. 0 when the state is reached.
  type: int
  returned: success
  sample: 3540
steps:
  description: The steps that were taken, in order; in check mode those that would be.
  type: list
  elements: dict
  returned: success
  sample:
    - name: lower_ttl
      record: www.example.com.
      type: A
      from_ttl: 3600
      ttl: 60
reason:
  description: Why nothing is left to do now.
  type: str
  returned: success
  sample: resolvers may know what was there before for 3540 s more
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.sophia.replatform.plugins.module_utils.dns import shift
from ansible_collections.sophia.replatform.plugins.module_utils.dns import zone as zones
from ansible_collections.sophia.replatform.plugins.module_utils.dns.operation import Shift
from ansible_collections.sophia.replatform.plugins.module_utils.dns.shift import Target
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.operation import ARGUMENTS, perform

RECORD = {
    "name": {"type": "str", "required": True},
    "type": {"type": "str", "choices": ["A", "AAAA", "CNAME"], "default": "A"},
    "values": {"type": "list", "elements": "str", "required": True},
    "ttl": {"type": "int"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["lowered", "shifted", "promoted", "rolled_back"], "required": True},
            "zone": {"type": "str", "required": True},
            "server": {"type": "str", "required": True},
            "servers": {"type": "list", "elements": "str", "default": []},
            "key_name": {"type": "str"},
            "key_secret": {"type": "str", "no_log": True},
            "key_algorithm": {"type": "str", "choices": zones.ALGORITHMS, "default": "hmac-sha256"},
            "records": {"type": "list", "elements": "dict", "required": True, "options": RECORD},
            "lowered_ttl": {"type": "int", "default": 60},
            "propagation_timeout": {"type": "float", "default": 60},
            "query_timeout": {"type": "float", "default": 5},
            **ARGUMENTS,
        },
        required_together=[("key_name", "key_secret")],
        supports_check_mode=True,
    )
    if zones.IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("dnspython"), exception=zones.IMPORT_ERROR)
    given = module.params
    key = zones.Key(given["key_name"], given["key_secret"], given["key_algorithm"]) if given["key_name"] else None
    try:
        zone = zones.Zone(given["zone"], given["server"], given["servers"], key, given["query_timeout"])
        records = [zone.record(r["name"], r["type"], r["values"], r["ttl"]) for r in given["records"]]
        target = Target(given["state"], given["lowered_ttl"])
        shift.check(target, records)
        operation = Shift(zone, records, target, given["propagation_timeout"])
        result = perform(operation, "dns_shift", given["zone"], given, module.check_mode)
    except ReplatformError as exc:
        module.fail_json(msg=str(exc))
    module.exit_json(**result, wait_s=operation.wait_s, reached=operation.wait_s == 0)


if __name__ == "__main__":
    main()
