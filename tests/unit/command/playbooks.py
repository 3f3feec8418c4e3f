# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tiny playbooks for two hosts that are this machine, and what ansible-runner says while the first of them runs.

python tests/unit/command/playbooks.py   records it anew into recorded.jsonl
"""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import typing as t

import ansible_runner

HERE = pathlib.Path(__file__).parent
SECRET = "hunter2"  # what no view may show

ALL_KINDS = f"""
- name: A tiny play
  hosts: all
  gather_facts: false
  tasks:
    - name: Say
      ansible.builtin.debug:
        msg: [one, two]
    - name: Change
      ansible.builtin.command: "true"
    - name: Set a secret
      ansible.builtin.set_fact:
        tiny_secret: {SECRET}
      no_log: true
    - name: Change by a secret
      ansible.builtin.command: echo {SECRET}
      no_log: true
    - name: Change by secrets
      ansible.builtin.command: echo {{{{ item }}}}
      loop: [{SECRET}, {SECRET}-too]
      no_log: true
    - name: Skip
      ansible.builtin.debug:
      when: false
    - name: Rescue
      block:
        - name: Fail to be rescued
          ansible.builtin.fail:
            msg: no good
      rescue:
        - name: Mend
          ansible.builtin.debug:
            msg: mended
    - name: Fail by a secret
      ansible.builtin.command: sh -c 'echo {SECRET} >&2; exit 1'
      no_log: true
      ignore_errors: true # so that the events of one are recorded
    - name: Write
      ansible.builtin.copy:
        content: "hello\\n"
        dest: "{{{{ tiny_folder }}}}/{{{{ inventory_hostname }}}}"
        mode: "0600"
    - name: Fail at last
      ansible.builtin.command: sh -c 'echo the reason >&2; exit 3'
      when: inventory_hostname == 'two'
"""

LISTEN = """
- name: A play that is stopped
  hosts: one
  gather_facts: false
  tasks:
    - name: Wait
      ansible.builtin.command: sh -c 'read line < {{ tiny_folder }}/fifo && touch {{ tiny_folder }}/waited'
    - name: After
      ansible.builtin.command: touch {{ tiny_folder }}/after
"""

# More than a pipe holds, so whoever has nobody to tell it to waits for ever.
LISTEN_AND_TELL = LISTEN.replace("/waited'", "/waited && seq 100000'")

# As the phases do it: a start and an end in the journal.
RECORDED = """
- name: A phase
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Begin
      sophia.replatform.evidence_record:
        path: "{{ evidence_artifacts }}/journal.jsonl"
        phase: PHASE
        event: start
    - name: Say how hosts are met
      ansible.builtin.debug:
        msg: "host keys are checked: {{ lookup('ansible.builtin.config', 'HOST_KEY_CHECKING') }}"
    - name: End
      sophia.replatform.evidence_record:
        path: "{{ evidence_artifacts }}/journal.jsonl"
        phase: PHASE
        event: ok
"""

FAULTY = """
- name: A play that can't be read
  hosts: all
  tasks:
    - no_such.module.anywhere:
"""

LOST = """
- name: A play with a host that can't be reached
  hosts: all
  gather_facts: false
  tasks:
    - name: Reach it
      ansible.builtin.ping:
      vars:
        ansible_connection: ansible.builtin.ssh
        ansible_host: 127.0.0.1
        ansible_port: 1
"""

ROLLBACK = """
- name: The way back
  hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: Refuse
      ansible.builtin.assert:
        that: phase == 'cutover'
        fail_msg: "no way back from {{ phase }}"
"""


def inventory(folder: pathlib.Path) -> dict[str, t.Any]:
    """Two hosts, with the evidence and what playbooks write in O(folder)."""
    shared = {
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "evidence_artifacts": str(folder / "artifacts"),
        "tiny_folder": str(folder),
    }
    return {"all": {"hosts": {"one": {}, "two": {}}, "vars": shared}}


def record() -> None:
    """Run the first playbook and keep what its events say, without what differs from run to run."""
    events: list[dict[str, t.Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "play.yml").write_text(ALL_KINDS)
        (folder / "hosts.json").write_text(json.dumps(inventory(folder)))
        ansible_runner.run(
            private_data_dir=name,
            project_dir=name,
            playbook=str(folder / "play.yml"),
            inventory=[str(folder / "hosts.json")],
            cmdline="--diff",
            quiet=True,
            event_handler=events.append,
        )
        kept = [
            {
                "event": event["event"],
                "stdout": event["stdout"],
                "event_data": {
                    key: value
                    for key, value in event.get("event_data", {}).items()
                    if not key.endswith(("uuid", "path", "start", "end", "duration"))
                    and key not in ("playbook", "uuid")
                },
            }
            for event in events
        ]
        text = "".join(json.dumps(event, sort_keys=True) + "\n" for event in kept).replace(name, "/tiny")
    (HERE / "recorded.jsonl").write_text(text.replace(os.path.expanduser("~"), "/home"))


if __name__ == "__main__":
    record()
