# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What must hold of the pooler before anything is begun. Pure."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.module_utils.handover import pooler_file
from ansible_collections.sophia.replatform.plugins.module_utils.handover.switchover_world import Pooler, Wanted


def pooler_faults(pooler: Pooler, wanted: Wanted) -> list[str]:
    """Why clients could not be led on, or others would not be with them, each with its mend; empty where all would."""
    faults = pooler_file.faults(pooler.file, pooler.leads_to) if pooler.file else []
    sharing = [one.name for one in pooler.beside if one.leads_to == wanted.other]
    if pooler.file and pooler.file.others_to == wanted.other:
        sharing.append("*")
    if sharing:
        names = ", ".join(sharing)
        faults.append(
            f"the pooler has other databases that lead to {wanted.other}, whose clients would be neither held nor led on: end those clients"
            f" and take {names} out of its configuration until this is done (RELOAD, and KILL what SHOW DATABASES still has), or give"
            f" {names} an instance of their own"
        )
    return faults
