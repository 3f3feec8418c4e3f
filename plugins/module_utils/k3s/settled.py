# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a node is all that the inventory says, so that a run need not go through the role on it. No I/O."""

from __future__ import annotations

import hashlib
import typing as t

Map = t.Mapping[str, t.Any]

_MISSING: Map = {}


def unsettled(seen: Map, wanted: Map) -> list[str]:
    """What role k3s would still have to do on a host, one line each; empty when nothing is left.

    C(seen) is what module C(k3s_info) returned. C(wanted): C(unit), C(texts) (C(path), C(mode), and C(content) or C(secret)), C(files) (by
    path: C(mode), and C(sha256) or C(sha1) where the content is known beforehand), C(absent) (files that must not be there), C(tools),
    C(table) (a mark that the loaded table has, with C(table_unit)), and C(newer) (pairs of files, the first at least as new as the
    second).

    A content that is not known beforehand, such as a token, is judged by its time elsewhere: K3s is started again when a file is
    newer than its process.
    """
    files = seen["files"]
    texts = {text["path"]: {"mode": text["mode"], "sha1": _sha1(text)} for text in wanted["texts"]}
    return [
        *_unit_faults(seen["units"].get(f"{wanted['unit']}.service", _MISSING), f"{wanted['unit']}.service"),
        *(
            line
            for path, file in sorted({**wanted["files"], **texts}.items())
            for line in _file_faults(path, files.get(path), file)
        ),
        *(f"{path} is there" for path in wanted["absent"] if path in files),
        *(f"{path} is there" for path in seen["found"]),
        *(f"{name} is missing" for name in wanted["tools"] if name not in seen["tools"]),
        *_table_faults(seen, wanted),
        *(
            f"{first} is older than {second}"
            for first, second in wanted.get("newer", [])
            if first in files and second in files and files[first]["mtime"] < files[second]["mtime"]
        ),
    ]


def differing(files: t.Mapping[str, Map], texts: t.Iterable[Map]) -> list[str]:
    """The paths of texts that a host does not have, or has with another content: C(files) is C(k3s_info)'s."""
    return [text["path"] for text in texts if files.get(text["path"], _MISSING).get("sha1") != _sha1(text)]


def _sha1(text: Map) -> str:
    # To compare with what module k3s_info tells; it protects nothing.
    return hashlib.sha1(text["secret" if "secret" in text else "content"].encode(), usedforsecurity=False).hexdigest()


def _unit_faults(unit: Map, name: str) -> list[str]:
    right = {"ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
    return [f"{name}: {key} is {unit.get(key)}" for key, value in right.items() if unit.get(key) != value]


def _file_faults(path: str, file: Map | None, wanted: Map) -> list[str]:
    if file is None:
        return [f"{path} is missing"]
    faults = [f"{path} differs" for kind in ("sha1", "sha256") if wanted.get(kind, file[kind]) != file[kind]]
    if (file["mode"], file["uid"], file["gid"]) != (wanted["mode"], 0, 0):
        faults.append(f"{path} has mode {file['mode']} and owner {file['uid']}:{file['gid']}")
    return faults


def _table_faults(seen: Map, wanted: Map) -> list[str]:
    if not wanted.get("table"):
        return []
    faults = [] if wanted["table"] in seen["table"] else ["another table is loaded"]
    unit = seen["units"].get(wanted["table_unit"], _MISSING)
    return faults + _unit_faults(unit, wanted["table_unit"])
