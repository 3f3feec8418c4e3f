# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which packages make a driver, by source and branch, and what is installed of them.

Names follow the archives: Ubuntu's carry the branch and C(-server); NVIDIA's CUDA repository had the branch in its names
up to 580 and pins by a package from 590 on; Debian's carry no branch.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError

#: From this branch on, the CUDA repository's names no longer say the branch.
BRANCHLESS = 590

TOOLKIT = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)

_DRIVER = re.compile(
    r"(lib)?nvidia-.+|nvidia-open|libcuda1|libcudadebugger1|libnvcuvid1|libnvoptix1|libnvsdm.*|linux-(modules|objects)-nvidia-.+"
    r"|firmware-nvidia-gsp|cuda-drivers.*|xserver-xorg-video-nvidia.*"
)
_NOT_DRIVER = re.compile(
    r"(lib)?nvidia-container.*|nvidia-docker.*|nvidia-cuda-.+|nvidia-driver-pinning-.+|libnvidia-egl-.+"
)
_GCC = re.compile(r"\bgcc-(\d+)\b")
_POLICY = re.compile(r"^(\S+):\n((?: .*\n?)*)", re.MULTILINE)
_REMOVED = re.compile(r"^(?:Purg|Remv) (\S+)", re.MULTILINE)
_VERSION = re.compile(r"^ +(?:\*\*\* )?([\w.:~+-]+) -?\d+$", re.MULTILINE)


def source_of(source: str, distribution: str) -> str:
    """The source that V(auto) means on a distribution; a foreign one is refused."""
    own = {"Ubuntu": "ubuntu", "Debian": "debian"}.get(distribution)
    if own is None:
        raise RefusedError(
            f"drivers are installed on Ubuntu and Debian, not on {distribution}; take the host out of the group"
        )
    if source == "auto":
        return own
    if source not in ("cuda", own):
        raise RefusedError(
            f"nvidia_driver_source: '{source}' is no source for {distribution}; take auto, {own} or cuda"
        )
    return source


def module_form(modules: str, source: str, secure_boot: bool | None, enrolled: bool) -> str:
    """C(dkms), C(prebuilt) or C(none): V(auto) takes signed modules where Secure Boot wants them and Ubuntu has them."""
    if modules == "auto":
        modules = "prebuilt" if secure_boot and source == "ubuntu" and not enrolled else "dkms"
    if modules == "prebuilt" and source != "ubuntu":
        raise RefusedError(
            f"nvidia_driver_modules: only Ubuntu has prebuilt modules, not the source {source}; take dkms"
        )
    if modules == "none" and source == "cuda":
        raise RefusedError("nvidia_driver_modules: none is for the sources ubuntu and debian; take dkms with cuda")
    if modules == "dkms" and secure_boot and not enrolled:
        raise RefusedError(
            "Secure Boot is on and would reject the unsigned module that dkms builds; set nvidia_driver_source: ubuntu (its "
            "prebuilt modules are signed), or enrol dkms' key (mokutil --import) and set nvidia_driver_key_enrolled: true"
        )
    return modules


def driver_packages(
    source: str,
    distribution: str,
    branch: int,
    modules: str,
    kernels: t.Sequence[str],
    compiler: str,
    fabric_manager: bool,
) -> dict[str, t.Any]:
    """C(first) (before the others), C(install), and C(leading), the one whose candidate tells the branch.

    C(kernels) are the releases that must have the module, the running one first; C(compiler) is the package of the compiler
    that built that one, or empty.
    """
    first: list[str] = []
    if source == "ubuntu":
        names = _ubuntu(branch, modules, kernels)
        fabric = [f"nvidia-fabricmanager-{branch}"]
    elif source == "cuda":
        suffix = f"-{branch}" if branch < BRANCHLESS and distribution == "Ubuntu" else ""
        names = [f"nvidia-open{suffix}"]
        fabric = [f"nvidia-fabricmanager{suffix}"]
        first = [] if suffix else [f"nvidia-driver-pinning-{branch}"]
    else:
        names = _debian(modules)
        fabric = []
        if fabric_manager:
            raise RefusedError(
                "this host has NVSwitches, and Debian has no fabric manager; set nvidia_driver_source: cuda"
            )
    build: list[str] = []
    if modules == "dkms":
        build = [*(f"linux-headers-{kernel}" for kernel in kernels), "dkms", *([compiler] if compiler else [])]
    return {"first": first, "install": build + names + (fabric if fabric_manager else []), "leading": names[0]}


def _ubuntu(branch: int, modules: str, kernels: t.Sequence[str]) -> list[str]:
    tools = [f"nvidia-utils-{branch}-server", f"nvidia-compute-utils-{branch}-server"]
    if modules == "none":
        return [f"libnvidia-compute-{branch}-server", *tools]
    if modules == "prebuilt":
        return [
            f"nvidia-headless-no-dkms-{branch}-server-open",
            *(f"linux-modules-nvidia-{branch}-server-open-{kernel}" for kernel in kernels),
            *tools,
        ]
    return [f"nvidia-headless-{branch}-server-open", *tools]


def _debian(modules: str) -> list[str]:
    """The driver of a host without a display: C(nvidia-driver) would bring X."""
    user = ["libcuda1", "libnvidia-cfg1", "libnvidia-ml1", "nvidia-modprobe", "nvidia-persistenced", "nvidia-smi"]
    return user if modules == "none" else ["nvidia-open-kernel-dkms", "firmware-nvidia-gsp", *user]


def compiler_of(proc_version: str) -> str:
    """The package of the compiler in C(/proc/version): dkms must build with the one that built the kernel."""
    found = _GCC.search(proc_version)
    return f"gcc-{found.group(1)}" if found else ""


def installed(listing: str) -> dict[str, str]:
    """Version by name, from C(dpkg-query -W) lines of name, status and version; what is not wholly there is left out."""
    found = {}
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1][1:2] == "i":
            found[fields[0].partition(":")[0]] = fields[2]
    return found


def partly(listing: str) -> list[str]:
    """The packages of which anything besides old settings is there, wholly installed or not, by name."""
    found = {line.split()[0].partition(":")[0] for line in listing.splitlines() if _state(line) not in "nc"}
    return sorted(found)


def unfinished(listing: str, updates: int) -> str:
    """That an earlier run of dpkg was cut off and with which packages, in a line; empty if none was.

    C(listing) as for C(installed), C(updates) the number of dpkg's own unmerged records in C(/var/lib/dpkg/updates), by which
    apt itself says that dpkg was interrupted. States: dpkg-query(1), C(db:Status-Abbrev).
    """
    cut = sorted(line.split()[0] for line in listing.splitlines() if _state(line) in "HUFWt" or _broken(line))
    if not cut and not updates:
        return ""
    return f"dpkg was interrupted{' with ' + ', '.join(cut) if cut else ''}"


def _state(line: str) -> str:
    fields = line.split()
    return fields[1][1:2] or "n" if len(fields) > 1 else "n"


def _broken(line: str) -> bool:
    return _state(line) != "n" and line.split()[1][2:3] == "R"


def is_driver(name: str) -> bool:
    """Whether a package is a part of a driver, and must not move without the others."""
    return bool(_DRIVER.fullmatch(name)) and not _NOT_DRIVER.fullmatch(name)


def branch_of(version: str) -> int:
    """The branch in a driver's or a package's version; 0 where there is none."""
    head = version.rpartition(":")[2].partition(".")[0]
    return int(head) if head.isdigit() else 0


def offered(policy: str) -> dict[str, list[str]]:
    """The versions that the archives have, by package, from the text of C(apt-cache policy); pins do not matter here."""
    return {name: sorted(set(_VERSION.findall(block))) for name, block in _POLICY.findall(policy)}


def install_faults(policy: str, names: t.Sequence[str], leading: str, branch: int | str) -> list[str]:
    """Why packages can't be had in this branch, one line a reason.

    C(leading) must be there in the branch: a name is no promise, since old branches become transitional packages of newer ones.
    """
    found = offered(policy)
    versions = found.get(leading, [])
    if not any(branch_of(version) == int(branch) for version in versions):
        there = f"they have {', '.join(versions)}" if versions else "they have none at all"
        fault = f"nvidia_driver_branch: the archives offer no {leading} of branch {branch}; {there}; "
        return [fault + "set a branch that they have, or another nvidia_driver_source"]
    missing = [name for name in names if not found.get(name)]
    return (
        [f"the archives do not have {', '.join(missing)}; add the repository that has, or set nvidia_driver_modules"]
        if missing
        else []
    )


def purge_faults(simulated: str, names: t.Sequence[str], automatic: str = "") -> list[str]:
    """What else a removal would take, in one line, from the text of C(apt-get --simulate purge).

    C(automatic) is the text of C(apt-mark showauto): a package that nobody asked for, and that needs one of C(names), goes with it.
    """
    taken = {name.partition(":")[0] for name in _REMOVED.findall(simulated)}
    others = sorted(taken - set(names) - {name.partition(":")[0] for name in automatic.split()})
    return (
        [f"{', '.join(others)} would be removed too; remove what needs the packages first, or keep them"]
        if others
        else []
    )


def version_faults(policy: str, wanted: t.Sequence[str]) -> list[str]:
    """That the archives do not have the packages (C(name=version)) in the version that is wanted, in one line."""
    found = offered(policy)
    missing = [
        name
        for name, _equals, version in (item.partition("=") for item in wanted)
        if version not in found.get(name, [])
    ]
    if not missing:
        return []
    version = wanted[0].partition("=")[2]
    there = ", ".join(found.get(missing[0], [])) or "none at all"
    return [
        f"nvidia_container_toolkit_version: the archives do not have {', '.join(missing)} in {version}; they have {there}"
    ]
