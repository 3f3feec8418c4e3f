# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which NVIDIA driver is loaded, and which one modprobe would load."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import re
import struct
import typing as t
import zlib

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.sysfs import Tree

try:
    from compression import zstd  # type: ignore[import-not-found]
except ImportError:
    zstd = None  # before Python 3.14

_MODULE = re.compile(r"nvidia(?:-current|-tesla(?:-\d+)?)?(?:-open)?\.ko(?:\.(?:gz|xz|zst))?")
_RUNNING = re.compile(r"^NVRM version:.*?\s(\d+(?:\.\d+)+)\s", re.MULTILINE)
_DECOMPRESS: dict[str, t.Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    **({".zst": zstd.decompress} if zstd else {}),
}

Modinfo = t.Callable[[str, str], str]


class Driver(t.NamedTuple):
    """A driver's version, such as C(580.65.06), and its flavour, C(open) or C(proprietary)."""

    version: str
    flavour: str


def loaded(tree: Tree) -> Driver | None:
    told = tree.text("/proc/driver/nvidia/version") or ""
    match = _RUNNING.search(told)
    version = tree.text("/sys/module/nvidia/version") or (match.group(1) if match else None)
    if not version:
        return None
    if match:
        return Driver(version, "open" if " Open Kernel Module " in told else "proprietary")
    # P is the kernel's mark of a module without a free licence.
    return Driver(version, "proprietary" if "P" in (tree.text("/sys/module/nvidia/taint") or "") else "open")


def installed(tree: Tree, release: str, modinfo: Modinfo) -> Driver | None:
    """The driver that modprobe finds for a kernel.

    C(modinfo) answers for a file and a field; it is asked when Python can't decompress the module.
    """
    path = _listed(tree, release)
    if path is None:
        return None
    if os.path.splitext(path)[1] in (".ko", *_DECOMPRESS):
        fields = _read(path)
    else:
        fields = {name: modinfo(path, name) for name in ("version", "license")}
    if not fields.get("version"):
        raise ReplatformError(f"{path} tells no version; it is no driver of NVIDIA, or it is broken")
    return Driver(fields["version"], "open" if "GPL" in fields.get("license", "") else "proprietary")


def coherent_memory_mode(tree: Tree) -> str | None:
    """How the loaded driver manages memory that processor and GPU share: C(driver) or C(numa).

    The option C(CoherentGPUMemoryMode) sets C(EnableUserNUMAManagement), and branches that default to C(driver) set only the
    latter, so that is what is in effect (C(os-registry.c) in U(https://github.com/NVIDIA/open-gpu-kernel-modules)).
    """
    params = tree.text("/proc/driver/nvidia/params")
    if not params:
        return None
    values = dict(line.split(": ", 1) for line in params.splitlines() if ": " in line)
    mode = values.get("CoherentGPUMemoryMode", "").strip('"')
    return mode or ("driver" if values.get("EnableUserNUMAManagement") == "0" else "numa")


def state(
    tree: Tree, release: str, following: str | None, modinfo: Modinfo, has_coherent_memory: bool
) -> dict[str, t.Any]:
    """The return value C(driver) of C(gpu_info); C(following) is the kernel that the next boot takes, where it is known."""
    running, found = loaded(tree), installed(tree, release, modinfo)
    later = found if following in (None, release) else installed(tree, str(following), modinfo)
    nouveau = tree.exists("/sys/module/nouveau")
    either = running or found
    return {
        "loaded": running.version if running else None,
        "installed": found.version if found else None,
        "next": later.version if later else None,
        "flavour": either.flavour if either else None,
        "reboot_needed": bool(found and (nouveau or (running and running != found))),
        "coherent_memory_mode": coherent_memory_mode(tree) if has_coherent_memory else None,
        "nouveau_loaded": nouveau,
    }


def _listed(tree: Tree, release: str) -> str | None:
    """The path of the module by C(modules.dep), which modprobe goes by. Debian calls it nvidia-current."""
    folder = f"/lib/modules/{release}"
    listing = (line.partition(":")[0] for line in (tree.text(f"{folder}/modules.dep") or "").splitlines())
    found = [name for name in listing if _MODULE.fullmatch(os.path.basename(name))]
    # The shortest name is nvidia.ko, which modprobe takes without a look at its configuration.
    for name in sorted(found, key=lambda name: (len(os.path.basename(name)), name)):
        path = tree.path(f"{folder}/{name}")
        if os.path.exists(path):
            return path
    return None


def _read(path: str) -> dict[str, str]:
    decompress = _DECOMPRESS.get(os.path.splitext(path)[1])
    try:
        with open(path, "rb") as raw:
            section = _section(io.BytesIO(decompress(raw.read())) if decompress else raw, b".modinfo")
    except (OSError, EOFError, ValueError, IndexError, lzma.LZMAError, struct.error, zlib.error) as exc:
        raise ReplatformError(f"{path} can't be read as a kernel module ({exc}); install the driver anew") from exc
    entries = (entry.decode("utf-8", "replace").partition("=") for entry in section.split(b"\0") if entry)
    return {name: value for name, _equals, value in entries}


def _section(file: t.BinaryIO, wanted: bytes) -> bytes:
    """A section of an ELF file of 64 bits, little-endian, as kernel modules for x86_64 and aarch64 are (elf(5))."""
    header = file.read(64)
    if header[:6] != b"\x7fELF\x02\x01":
        raise ValueError("no ELF file of 64 bits")
    offset, size, count, names = struct.unpack("<Q10xHHH", header[40:64])
    file.seek(offset)
    table = [struct.unpack("<I20xQQ", file.read(size)[:40]) for _index in range(count)]
    titles = _content(file, table[names])
    for section in table:
        if titles[section[0] :].partition(b"\0")[0] == wanted:
            return _content(file, section)
    return b""


def _content(file: t.BinaryIO, section: tuple[int, int, int]) -> bytes:
    file.seek(section[1])
    return file.read(section[2])
