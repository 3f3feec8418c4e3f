# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who needs the Docker Engine of a host, and which packages are it. Pure: what the host says in, names out."""

from __future__ import annotations

import re
import typing as t

Raw = t.Mapping[str, t.Any]
# Of Docker and of the distributions.
PACKAGES = (
    "docker-ce", "docker-ce-cli", "docker-ce-rootless-extras", "docker-buildx-plugin", "docker-compose-plugin", "docker-model-plugin",
    "docker-scan-plugin", "docker.io", "docker-cli", "docker-buildx", "docker-compose", "docker-compose-v2", "docker-doc", "moby-engine", "moby-cli",
)  # fmt: skip
CONTAINERD = "containerd.io"
UNITS = ("docker.socket", "docker.service")
# What containerd keeps for Docker itself.
_MOBY = {"moby", "plugins.moby"}
_STOPPED = {"created", "exited", "dead"}
_STACK = "com.docker.stack.namespace"
_DOCKER_TRUE = re.compile(
    r"^[\"']?docker[\"']?\s*:\s*[\"']?true\b|(?:^|[\s\"'])--docker(?:[\s\"']|=true|$)", re.MULTILINE | re.IGNORECASE
)
_ENDPOINT = re.compile(r"container-runtime-endpoint\S*[\s:=\"']+(?:unix://)?/run/containerd/")


def needed_by(containers: t.Iterable[Raw], stack: str, k3s_files: t.Mapping[str, str], cri_dockerd: bool) -> list[str]:
    """Each that would stop without Docker, in words; the containers of O(stack) go with it."""
    others = [one for one in containers if (one.get("Labels") or {}).get(_STACK) != stack]
    found = [
        f"container {str((one.get('Names') or [one['Id'][:12]])[0]).lstrip('/')} ({one.get('State', 'unknown')})"
        for one in others
    ]
    found += [f"K3s (docker: true in {path})" for path, text in sorted(k3s_files.items()) if _DOCKER_TRUE.search(text)]
    return sorted(found) + (["cri-dockerd"] if cri_dockerd else [])


def interrupted(inspected: t.Iterable[Raw]) -> list[str]:
    """The containers that do not stay as they are when Docker starts again: those that run, and those it would start."""
    return sorted(
        str(one["Name"]).lstrip("/")
        for one in inspected
        if one["State"]["Status"] not in _STOPPED or one["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no")
    )


def installed(listed: str) -> list[str]:
    """Names from C(dpkg-query -W -f='${binary:Package} ${db:Status-Abbrev}\\n') or C(rpm -qa --qf '%{NAME} ii\\n')."""
    lines = [line.split() for line in listed.splitlines()]
    return sorted({words[0].partition(":")[0] for words in lines if len(words) > 1 and words[1].startswith("ii")})


def to_remove(there: t.Collection[str], namespaces: t.Collection[str], k3s_files: t.Mapping[str, str]) -> list[str]:
    """The packages of Docker; Docker's containerd too, where it runs for Docker alone. A distribution's stays."""
    used = set(namespaces) - _MOBY or any(_ENDPOINT.search(text) for text in k3s_files.values())
    return [name for name in (*PACKAGES, *(() if used else (CONTAINERD,))) if name in there]


def goes_along(simulated: str, packages: t.Collection[str]) -> list[str]:
    """What else C(apt-get -s remove) would take away."""
    gone = {line.split()[1].partition(":")[0] for line in simulated.splitlines() if line.startswith("Remv ")}
    return sorted(gone - set(packages))
