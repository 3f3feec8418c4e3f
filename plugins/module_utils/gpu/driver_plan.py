# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done about a host's driver: adopt it, install one, keep it as it is, or refuse. No I/O.

The plan is made from the world alone, so that a run which was cut off is made good by the next.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import host_files, packages, repositories

Map = t.Mapping[str, t.Any]

#: The first branch that has coherent driver-based memory management.
COHERENT_BRANCH = 580
INITRD = "/boot/initrd.img-"
GRUB_CONFIG = "/boot/grub/grub.cfg"


def driver_plan(observed: Map, settings: Map) -> dict[str, t.Any]:
    """C(action), what to install, write, hold and rebuild, why a reboot is due, and C(needed): whether anything is.

    C(initramfs) are the kernels whose initial RAM disk is to be made again. C(unfinished) is a line about a run of dpkg that was cut
    off; the packages are then to be set up and looked at anew before anything else.

    C(observed): C(gpu) (what module C(gpu_info) returns), C(distribution), C(version), C(codename), C(targets) (lines of
    apt-get indextargets), C(keys) (lines of the sources with signed-by), C(packages) (lines of dpkg-query), C(updates) (how many
    records dpkg has not merged), C(holds) (lines of apt-mark showhold), C(files) (what module C(find) returned about the files),
    C(compiler) (text of /proc/version), C(unit) (text of the persistence daemon's unit).

    C(settings): the role's variables without their prefix. Raises C(RefusedError) with one line that says what to mend.
    """
    gpu = observed["gpu"]
    profile = gpu["profile"]
    if not profile:
        raise RefusedError("no NVIDIA GPU is seen on this host; take it out of the group gpu")
    branch = wanted_branch(settings["branch"])
    there = packages.installed(observed["packages"])
    files = {item["path"]: item for item in observed["files"]}
    managed = host_files.PIN in files
    action = _action(gpu, profile, branch, packages.partly(observed["packages"]), managed, settings)
    arguments = [*profile["kernel_arguments"], *settings["kernel_arguments"]]
    mode = profile["coherent_memory_mode"]
    wanted = {host_files.BLACKLIST: host_files.unattended_blacklist(settings["hold_kernels"])}
    plan: dict[str, t.Any] = {
        "action": action,
        "sources": {},
        "key": None,
        "first": [],
        "install": [],
        "leading": "",
        "modules": "",
        "unfinished": packages.unfinished(observed["packages"], observed["updates"]),
    }

    if action == "install":
        plan.update(_installation(observed, settings, branch, there, wanted))
    _refuse_coherent(mode, branch if action == "install" else packages.branch_of(gpu["driver"]["installed"] or ""))
    if plan["modules"] != "none":
        wanted[host_files.NOUVEAU] = host_files.nouveau()
        if mode:
            wanted[host_files.COHERENT] = host_files.coherent(mode)
    if arguments:
        wanted[host_files.GRUB] = host_files.grub_arguments(arguments)
    drop_in = host_files.persistence_drop_in(observed["unit"]) if settings["persistence"] else ""
    if drop_in:
        wanted[host_files.DROP_IN] = drop_in

    plan["files"] = {path: text for path, text in sorted(wanted.items()) if host_files.differs(files.get(path), text)}
    plan["initramfs"] = [
        release
        for release in kernels(gpu)
        if _stale(files, INITRD + release, [host_files.NOUVEAU, host_files.COHERENT], plan["files"])
    ]
    plan["grub"] = _stale(files, GRUB_CONFIG, [host_files.GRUB], plan["files"])
    if host_files.GRUB in plan["files"] and GRUB_CONFIG not in files:
        raise RefusedError(
            f"{GRUB_CONFIG} is not there, so the boot arguments {' '.join(arguments)} can't be set; "
            "set them in the boot loader of this host by hand"
        )
    held = set(observed["holds"].split())
    plan["hold"] = [name for name in sorted(there) if packages.is_driver(name) and name not in held]
    plan["reboot"] = reboot_reasons(gpu, arguments, plan["modules"])
    driver = gpu["driver"]
    plan["load"] = bool(
        plan["modules"] != "none" and driver["installed"] and not driver["loaded"] and not plan["reboot"]
    )
    _refuse_bare_kernel(gpu, plan)
    plan["because"] = _because(plan)
    plan["needed"] = bool(plan["because"])
    return plan


def wanted_branch(text: t.Any) -> int:
    """The branch as a number; V(580) and V(580.65) are told apart."""
    if not str(text).isdigit():
        raise RefusedError(f"nvidia_driver_branch: a branch is a number such as 580, not {text!r}")
    return int(text)


def kernels(gpu: Map) -> list[str]:
    """The kernel that runs, and that which the next boot takes where it is another one."""
    return list(dict.fromkeys(release for release in (gpu["kernel"]["release"], gpu["kernel"]["next"]) if release))


def reboot_reasons(gpu: Map, arguments: t.Sequence[str] = (), modules: str = "dkms") -> list[str]:
    """Why the host must boot again before its GPUs are right, one line a reason."""
    driver = gpu["driver"]
    reasons = []
    if modules != "none":
        if driver["nouveau_loaded"]:
            reasons.append("nouveau is loaded")
        elif driver["reboot_needed"]:
            reasons.append(f"{driver['loaded']} is loaded and {driver['installed']} is installed")
        wanted = (gpu["profile"] or {}).get("coherent_memory_mode")
        if wanted and driver["loaded"] and driver["coherent_memory_mode"] != wanted:
            reasons.append(f"the coherent memory mode is {driver['coherent_memory_mode']}, not {wanted}")
    missing = [argument for argument in arguments if argument not in gpu["kernel"]["command_line"]]
    if missing:
        reasons.append(f"the kernel was started without {' '.join(missing)}")
    return reasons


def _action(gpu: Map, profile: Map, branch: int, parts: t.Sequence[str], managed: bool, settings: Map) -> str:
    """C(adopt) or C(install); C(parts) are the packages that are there, wholly or not."""
    if profile["kernel_modules"] == "proprietary":
        raise RefusedError(
            f"the open kernel modules can't run {profile['architecture']} GPUs; install a driver for this host by hand"
        )
    driver = gpu["driver"]
    if not managed and settings["adopt"] and _healthy(driver, profile):
        return "adopt"
    has = driver["installed"] or driver["loaded"]
    if has and not any(packages.is_driver(name) for name in parts):
        raise RefusedError(
            f"driver {has} was not installed from packages; remove it (nvidia-uninstall) before nvidia_driver_branch {branch} is installed"
        )
    if "lambda-stack-cuda" in parts:
        raise RefusedError(
            f"driver {has} belongs to lambda-stack-cuda and can't be adopted: {_ill(driver, profile)}; upgrade Lambda Stack, or remove it first"
        )
    if has and packages.branch_of(has) > branch:
        raise RefusedError(
            f"nvidia_driver_branch: {branch} is older than the driver {has} on this host; remove that one first"
        )
    if branch < profile["minimum_branch"]:
        raise RefusedError(
            f"nvidia_driver_branch: {branch} has no open modules for {profile['architecture']}; take {profile['minimum_branch']} or later"
        )
    return "install"


def _healthy(driver: Map, profile: Map) -> bool:
    return bool(driver["loaded"]) and not _ill(driver, profile)


def _ill(driver: Map, profile: Map) -> str:
    """Why a driver is not one to adopt; empty if it is."""
    if not driver["loaded"]:
        return "it is not loaded"
    if driver["reboot_needed"] or driver["loaded"] != driver["installed"]:
        return f"{driver['loaded']} is loaded and {driver['installed']} is installed"
    if profile["kernel_modules"] == "open":
        if driver["flavour"] != "open":
            return "its modules are not the open ones"
        if packages.branch_of(driver["loaded"]) < profile["minimum_branch"]:
            return f"{profile['architecture']} needs branch {profile['minimum_branch']}"
    return ""


def _installation(observed: Map, settings: Map, branch: int, there: Map, wanted: dict[str, str]) -> dict[str, t.Any]:
    """What has to be installed, and in C(wanted) the files that must be there before; C(keep) when nothing is missing."""
    gpu = observed["gpu"]
    source = packages.source_of(settings["source"], observed["distribution"])
    modules = packages.module_form(settings["modules"], source, gpu["secure_boot"], settings["key_enrolled"])
    names = packages.driver_packages(
        source,
        observed["distribution"],
        branch,
        modules,
        kernels(gpu),
        packages.compiler_of(observed["compiler"]),
        gpu["profile"]["fabric_manager"],
    )
    wanted[host_files.PIN] = host_files.driver_pin(source, observed["distribution"], branch)
    sources = {}
    key = None
    if source == "cuda":
        repository = repositories.cuda_repository(
            settings["cuda_repository"], observed["distribution"], observed["version"], gpu["machine"]
        )
        if not repositories.configured(observed["targets"], repository["uri"]):
            sources[repository["path"]] = repository["content"]
            key = {"url": repository["key_url"], "path": repository["key_path"]}
    elif source == "debian":
        components = repositories.debian_components(observed["targets"], observed["keys"], observed["codename"])
        if components:
            sources[host_files.SOURCE] = components
    missing = [name for name in names["first"] + names["install"] if name not in there]
    right = packages.branch_of(there.get(names["leading"], "")) == branch
    found = [gpu["driver"]["installed"], *([gpu["driver"]["next"]] if gpu["kernel"]["next"] else [])]
    built = modules == "none" or all(packages.branch_of(version or "") == branch for version in found)
    whole = not missing and right and built
    if key and not whole:
        repositories.refuse_unverified("nvidia_driver_cuda_key_checksum", settings["cuda_key_checksum"], key["url"])
    return {
        "action": "keep" if whole else "install",
        "sources": {} if whole else sources,
        "first": [] if whole else [name for name in names["first"] if name not in there],
        "install": [] if whole else names["install"],
        "leading": names["leading"],
        "modules": modules,
        "key": None if whole else key,
    }


def _refuse_coherent(mode: str | None, branch: int) -> None:
    if mode and branch < COHERENT_BRANCH:
        raise RefusedError(
            f"this host's GPU shares its memory with the CPU, which needs branch {COHERENT_BRANCH} or later, not {branch}; "
            f"set nvidia_driver_branch: {COHERENT_BRANCH} (and nvidia_driver_adopt: false where an older driver is installed)"
        )


def _refuse_bare_kernel(gpu: Map, plan: Map) -> None:
    """An adopted driver is not installed again, so nothing here gives its module to a newer kernel."""
    kernel = gpu["kernel"]
    if plan["action"] == "adopt" and plan["reboot"] and kernel["next"] and not gpu["driver"]["next"]:
        raise RefusedError(
            f"{'; '.join(plan['reboot'])}, but the next boot takes the kernel {kernel['next']}, which has no nvidia module; build it "
            f"(dkms autoinstall --kernelver {kernel['next']}), or remove that kernel"
        )


def _stale(files: Map, product: str, sources: t.Sequence[str], writing: Map) -> bool:
    """Whether what is made from C(sources) is older than they are, or they are about to be written."""
    made = files.get(product)
    if made is None:
        return False
    return any(path in writing or (path in files and files[path]["mtime"] > made["mtime"]) for path in sources)


def _because(plan: Map) -> list[str]:
    lines = [f"{plan['unfinished']}, and would be set up first"] if plan["unfinished"] else []
    if plan["action"] == "install":
        lines.append(f"{' '.join(plan['install'])} would be installed")
    lines += [f"{path} would be written" for path in [*plan["sources"], *plan["files"]]]
    if plan["hold"]:
        lines.append(f"{len(plan['hold'])} packages would be held")
    if plan["initramfs"] or plan["grub"]:
        lines.append("what the host boots with would be made again")
    if plan["load"]:
        lines.append("the module would be loaded")
    return lines + list(plan["reboot"])
