# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where packages come from: what apt is configured with already, and what has to be added.

Two entries for one repository with different keys stop apt altogether, so nothing is added that is there.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError

CUDA_KEYRING = "/usr/share/keyrings/cuda-archive-keyring.gpg"
#: NVIDIA's name for an architecture in the CUDA repository; arm64 servers are "sbsa".
CUDA_MACHINES = {"x86_64": "x86_64", "aarch64": "sbsa"}
_SIGNED_BY = re.compile(r"signed-by\s*[:=]\s*([^\s\]]+)", re.IGNORECASE)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEBIAN_COMPONENTS = ("contrib", "non-free", "non-free-firmware")


def targets(text: str) -> list[dict[str, str]]:
    """C(uri), C(suite), C(component) and C(file) from lines of C(apt-get indextargets), their fields parted by bars."""
    found = []
    for line in text.splitlines():
        fields = line.split("|")
        if len(fields) == 4:
            file = fields[3].rpartition(":")[0]
            found.append({"uri": fields[0].rstrip("/"), "suite": fields[1], "component": fields[2], "file": file})
    return found


def signed_by(keys: str, file: str) -> str:
    """The keyring that a source file names, from lines of C(grep -ri signed-by); empty if it names none."""
    for line in keys.splitlines():
        name, _colon, text = line.partition(":")
        found = _SIGNED_BY.search(text)
        if name == file and found:
            return found.group(1)
    return ""


def configured(text: str, uri: str) -> bool:
    """Whether apt has a repository at C(uri) already."""
    return any(target["uri"] == uri.rstrip("/") for target in targets(text))


def cuda_repository(base: str, distribution: str, version: str, machine: str) -> dict[str, str]:
    """C(uri), C(path) and C(line) of the CUDA repository, named as NVIDIA's own keyring package names them."""
    if machine not in CUDA_MACHINES:
        raise RefusedError(f"the CUDA repository is for {' and '.join(CUDA_MACHINES)}, not for {machine}")
    number = version.replace(".", "") if distribution == "Ubuntu" else version.partition(".")[0]
    name = f"{distribution.lower()}{number}"
    arch = CUDA_MACHINES[machine]
    uri = f"{base.rstrip('/')}/{name}/{arch}"
    return {
        "uri": uri,
        "path": f"/etc/apt/sources.list.d/cuda-{name}-{arch}.list",
        "content": f"deb [signed-by={CUDA_KEYRING}] {uri}/ /\n",
        "key_url": f"{uri}/cuda-archive-keyring.gpg",
        "key_path": CUDA_KEYRING,
    }


def refuse_unverified(variable: str, checksum: str, url: str) -> None:
    """A repository's key vouches for all packages in it, and its checksum alone vouches for the key."""
    if not _SHA256.fullmatch(checksum):
        raise RefusedError(
            f"{variable}: '{checksum}' is no SHA-256, and nothing is installed that a key from {url} alone vouches for; compare that "
            "key with its owner's, and give its sha256sum"
        )


def debian_components(text: str, keys: str, codename: str) -> str:
    """A deb822 source with what Debian's own entry lacks for drivers, with that entry's mirror and key; empty if nothing."""
    own = [target for target in targets(text) if target["suite"] == codename]
    main = next((target for target in own if target["component"] == "main"), None)
    if main is None:
        raise RefusedError(
            f"apt has no source with the suite {codename}; add Debian's own before its driver can be installed"
        )
    there = {target["component"] for target in own if target["uri"] == main["uri"]}
    missing = [component for component in _DEBIAN_COMPONENTS if component not in there]
    if not missing:
        return ""
    key = signed_by(keys, main["file"])
    fields: dict[str, t.Any] = {
        "Types": "deb",
        "URIs": main["uri"],
        "Suites": codename,
        "Components": " ".join(missing),
        **({"Signed-By": key} if key else {}),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items())
