# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command replatform: the playbooks of this collection run from one place, with progress, evidence and exit codes.

It adds no step of a migration. What it knows is which playbook belongs to which phase; everything else it reads: from Ansible's
events while a playbook runs, from the evidence when none does, from the inventory where no host may be contacted.
"""
