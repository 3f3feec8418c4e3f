# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was found on a host, against what a migration needs of it."""

from __future__ import annotations

import typing as t

SUPPORTED = {"Debian": ["12", "13"], "Ubuntu": ["22.04", "24.04"]}
PYTHON = (3, 8)


def host_faults(
    found: t.Mapping[str, t.Any],
    *,
    manager: bool,
    edge_port: int | None,
    disk_free_mb: int,
    skew_s: float,
) -> list[str]:
    """Why a host is not ready.

    C(found): C(distribution), C(version), C(systemd) (whether it runs the host),
    C(python) ([major, minor]), C(architecture) and C(expected_architecture)
    (amd64 or arm64), C(free_mb) (of the file system that takes K3s' data), C(skew_s) (host's clock less the controller's),
    C(swarm) (Docker's LocalNodeState, or None without Docker), C(k3s) (whether K3s is active), C(edge_holder) (who listens
    on the edge's port, if not our own edge).
    """
    faults = []
    versions = SUPPORTED.get(str(found["distribution"]), [])
    if str(found["version"]) not in versions and str(found["version"]).split(".", maxsplit=1)[0] not in versions:
        known = "; ".join(f"{name} {', '.join(each)}" for name, each in SUPPORTED.items())
        faults.append(f"runs {found['distribution']} {found['version']}; supported are {known}")
    if not found["systemd"]:
        faults.append("is not run by systemd, which K3s and the edge need")
    if tuple(found["python"]) < PYTHON:
        faults.append(f"has Python {found['python'][0]}.{found['python'][1]}; 3.8 or newer is needed")
    if found["architecture"] != found["expected_architecture"]:
        faults.append(f"is {found['architecture']}, but replatform_arch says {found['expected_architecture']}")
    if found["free_mb"] < disk_free_mb:
        faults.append(f"has {found['free_mb']} MB free for K3s; {disk_free_mb} are needed (preflight_disk_free_mb)")
    if abs(found["skew_s"]) > skew_s:
        faults.append(
            f"has a clock {found['skew_s']:+.0f} s off the controller's (preflight_time_skew); run an NTP client"
        )
    if found["swarm"] in ("error", "locked", "pending"):
        faults.append(f"has its Docker Swarm in state '{found['swarm']}'; mend it before moving anything")
    elif manager and found["swarm"] != "active" and not found["k3s"]:
        faults.append(
            "is in swarm_manager, but has neither an active Swarm nor K3s; there is nothing to move from here"
        )
    if edge_port and found.get("edge_holder"):
        faults.append(
            f"is the edge, but {found['edge_holder']} holds its port {edge_port}; free it, or set edge_http_port"
        )
    return faults
