"""``k3s etcd-snapshot``: save, ls, delete, prune, as files named NAME-NODE-SECONDS, and the way back from one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import zipfile
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Mapping, Sequence

import yaml

from . import etcd, flags, logs
from .config import load_with
from .settings import Settings, resolve

COMMANDS = ("save", "ls", "list", "l", "delete", "prune")
OPTIONS = {
    **flags.SERVER,
    **dict.fromkeys(("name", "dir", "output", "snapshot-retention", "etcd-server", "etcd-token"), flags.TEXT),
    **dict.fromkeys(("snapshot-compress",), flags.BOOL),
}
ALIASES = {
    "name": "etcd-snapshot-name",
    "dir": "etcd-snapshot-dir",
    "snapshot-retention": "etcd-snapshot-retention",
    "snapshot-compress": "etcd-snapshot-compress",
}
ON_DEMAND = "on-demand"
RETENTION = 5
COMPRESSED = ".zip"


@dataclass(frozen=True)
class Snapshot:
    file: Path
    created: int
    size: int

    @property
    def name(self) -> str:
        return self.file.name


def folder(settings: Settings) -> Path:
    return Path(settings.text("etcd-snapshot-dir", str(settings.server_dir / "db/snapshots")))


def found(place: Path) -> list[Snapshot]:
    """The oldest first; the time is in the name, as K3s reads it."""
    snapshots = []
    for file in place.glob("*") if place.is_dir() else []:
        if not file.is_file() or file.name.startswith(".") or file.suffix == ".part":
            continue
        seconds = file.name.removesuffix(COMPRESSED).rpartition("-")[2]
        status = file.stat()
        snapshots.append(Snapshot(file, int(seconds) if seconds.isdigit() else int(status.st_mtime), status.st_size))
    return sorted(snapshots, key=lambda snapshot: (snapshot.created, snapshot.name))


def surplus(snapshots: Sequence[Snapshot], prefix: str, keep: int) -> list[Snapshot]:
    """What a retention of ``keep`` takes away: the oldest whose names begin with ``prefix``; 0 takes nothing."""
    mine = [snapshot for snapshot in snapshots if snapshot.name.startswith(prefix)]
    return mine[: max(len(mine) - keep, 0)] if keep > 0 else []


def control(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    tls = settings.server_dir / "tls/etcd"
    call = [
        etcd.CONTROL,
        "--endpoints",
        f"https://127.0.0.1:{etcd.CLIENT_PORT}",
        "--cacert",
        str(tls / "server-ca.crt"),
    ]
    call += ["--cert", str(tls / "client.crt"), "--key", str(tls / "client.key"), *words]
    return subprocess.run(call, env={**os.environ, "ETCDCTL_API": "3"}, capture_output=True, text=True, check=False)


def save(settings: Settings) -> Snapshot:
    place = folder(settings)
    if place == settings.server_dir / "db/snapshots":
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    elif not place.is_dir():
        raise logs.Fatal(f"failed to get etcd-snapshot-dir: stat {place}: no such file or directory")
    now = int(time.time())
    target = place / f"{settings.text('etcd-snapshot-name', ON_DEMAND)}-{settings.node_name}-{now}"
    logs.info(f"Saving etcd snapshot to {target}")
    result = control(settings, "snapshot", "save", str(target))
    if result.returncode:
        for rest in (target, Path(f"{target}.part")):
            rest.unlink(missing_ok=True)
        raise logs.Fatal(f"failed to save snapshot: {result.stderr.strip()[-300:]}")
    target.chmod(0o600)
    if settings.flag("etcd-snapshot-compress"):
        archive = Path(f"{target}{COMPRESSED}")
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.write(target, target.name)
        archive.chmod(0o600)
        target.unlink()
        target = archive
    return Snapshot(target, now, target.stat().st_size)


def as_object(snapshot: Snapshot, node: str) -> dict[str, Any]:
    """As K3s' ETCDSnapshotFile."""
    stamp = datetime.fromtimestamp(snapshot.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {"name": f"local-{snapshot.name}"},
        "spec": {"location": f"file://{snapshot.file}", "nodeName": node, "snapshotName": snapshot.name},
        "status": {"creationTime": stamp, "readyToUse": True, "size": str(snapshot.size)},
    }


def table(snapshots: Sequence[Snapshot], node: str) -> str:
    rows = [["Name", "Location", "Size", "Created"]]
    for snapshot in snapshots:
        item = as_object(snapshot, node)
        rows.append([snapshot.name, item["spec"]["location"], str(snapshot.size), item["status"]["creationTime"]])
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(" ".join([*(cell.ljust(w) for cell, w in zip(row, widths)), row[3]]) for row in rows)


def restore(settings: Settings, name: str, target: Path) -> None:
    """A member's data from the file that ``cluster-reset-restore-path`` names."""
    source = Path(settings.text("cluster-reset-restore-path"))
    if not source.exists():
        raise logs.Fatal(f"etcd: snapshot path does not exist: {source}")
    if source.is_dir():
        raise logs.Fatal(f"etcd: snapshot path must be a file, not a directory: {source}")
    plain = source
    if source.suffix == COMPRESSED:
        plain = source.with_suffix("")
        with zipfile.ZipFile(source) as zipped, zipped.open(zipped.namelist()[0]) as packed, plain.open("wb") as file:
            shutil.copyfileobj(packed, file)
    peer = etcd.peer_url(settings)
    words = ["--name", name, "--data-dir", str(target), "--initial-cluster", f"{name}={peer}"]
    result = control(settings, "snapshot", "restore", str(plain), *words, "--initial-advertise-peer-urls", peer)
    if plain != source:
        plain.unlink()
    if result.returncode:
        raise logs.Fatal(f"failed to restore snapshot {source}: {result.stderr.strip()[-300:]}")


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Options with their values, and what stands beside them."""
    options, names, rest = [], [], list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            names.append(word)
            continue
        options.append(word)
        if "=" not in word and OPTIONS.get(word.lstrip("-")) != flags.BOOL and rest:
            options.append(rest.pop(0))
    return options, names


def command(words: list[str], environment: Mapping[str, str]) -> int:
    words = ["--output" if word == "-o" else word for word in words]
    act, rest = (words[0], words[1:]) if words and words[0] in COMMANDS else ("save", words)
    options, names = split(rest)
    values = load_with(OPTIONS, options, environment)
    values.update({ALIASES[key]: value for key, value in values.items() if key in ALIASES})
    settings = resolve("server", values)
    if names and act != "delete":
        raise logs.Fatal("this command does not take any arguments")
    if act == "save":
        if not etcd.initialized(settings):
            raise logs.Fatal(f"etcd database not found in {settings.server_dir}")
        logs.info(f"Snapshot {save(settings).name} saved.")
    elif act in ("ls", "list", "l"):
        show(settings, values.get("output") or "table")
    elif act == "delete":
        if not names:
            raise logs.Fatal("no snapshots given for removal")
        delete(settings, names)
    else:
        prefix = f"{settings.text('etcd-snapshot-name', ON_DEMAND)}-{settings.node_name}-"
        keep = int(settings.text("etcd-snapshot-retention", str(RETENTION)))
        delete(settings, [snapshot.name for snapshot in surplus(found(folder(settings)), prefix, keep)])
    return 0


def show(settings: Settings, output: str) -> None:
    listing = found(folder(settings))
    document = {"apiVersion": "v1", "kind": "List", "items": [as_object(s, settings.node_name) for s in listing]}
    if output == "json":
        print(json.dumps(document))
    elif output == "yaml":
        print(yaml.safe_dump(document, sort_keys=False), end="")
    elif output == "table":
        print(table(listing, settings.node_name))
    else:
        raise logs.Fatal(f"invalid output format: {output}")


def delete(settings: Settings, names: Sequence[str]) -> None:
    present = {snapshot.name: snapshot.file for snapshot in found(folder(settings))}
    for name in names:
        if name in present:
            present[name].unlink()
            logs.info(f"Snapshot {name} deleted.")
        else:
            logs.info(f"Snapshot {name} not found locally")


def keep_old(place: Path) -> None:
    if place.exists():
        old = place.with_name(f"{place.name}-old-{int(time.time())}")
        place.rename(old)
        logs.info(f"Pre-restore etcd database moved to {old}")


def prepare(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
