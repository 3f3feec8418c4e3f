"""``k3s server --cluster-reset``: this server's member alone becomes the cluster, from its own data or from a snapshot."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.request
from pathlib import Path
from typing import Callable

from . import bootstrap, controlplane, etcd, logs, members, passwords, pki, snapshots
from .child import Child, wait_until
from .settings import Settings

DONE = (
    "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. "
    "Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes"
)
TEMPORARY_CLIENT, TEMPORARY_PEER = "http://127.0.0.1:2399", "http://127.0.0.1:2398"


def flag_file(settings: Settings) -> Path:
    return settings.server_dir / "db/reset-flag"


def run(settings: Settings, write_certificates: Callable[[], None]) -> None:
    snapshot = settings.text("cluster-reset-restore-path")
    if settings.text("server"):
        raise logs.Fatal(
            "cannot perform cluster-reset while server URL is set - remove server from configuration before resetting"
        )
    if flag_file(settings).exists() and not snapshot:
        raise logs.Fatal(
            "cluster-reset was successfully performed, please remove the cluster-reset flag and start k3s normally, "
            f"if you need to perform another cluster reset, you must first manually delete the {flag_file(settings)} file"
        )
    if not snapshot and not etcd.initialized(settings):
        raise logs.Fatal(f"etcd database not found in {settings.server_dir}")
    chosen = passwords.choose(settings)
    if snapshot:
        take_over(settings, chosen[0])
    write_certificates()
    place = etcd.folder(settings)
    if snapshot:
        fresh = place.with_name("etcd-restored")
        snapshots.prepare(fresh)
        name = f"{settings.node_name}-{secrets.token_hex(4)}"
        snapshots.restore(settings, name, fresh)
        snapshots.keep_old(place)
        fresh.rename(place)
        pki.write(etcd.name_file(settings), name.encode())
    else:
        name = etcd.member_name(settings, fresh=True)
    alone(settings, name, chosen)
    pki.write(flag_file(settings), b"")
    logs.info(DONE)


def alone(settings: Settings, name: str, chosen: tuple[str, str]) -> None:
    """Start the member as the only one, see that it is, that it answers at our address, and that the token is its own."""
    member = Child("etcd", [*controlplane.etcd(settings, name), "--force-new-cluster=true"]).start()
    try:
        store = etcd.Etcd(settings)
        members.wait_for_vote(store)
        bootstrap.agree(store, settings, chosen, passwords.known(settings))
        own = etcd.peer_url(settings)
        [only] = store.members()
        if only.peers != (own,):
            store.move(only, own)
        passwords.keep(settings, *chosen)
    finally:
        member.stop(30)


def take_over(settings: Settings, password: str) -> None:
    """The snapshot's own authorities and keys: with others, no certificate of the cluster would be worth anything."""
    place = settings.server_dir / "db/etcd-temporary"
    snapshots.prepare(place)
    snapshots.restore(settings, "temporary", place)
    words = {"name": "temporary", "data-dir": str(place), "force-new-cluster": "true", "logger": "zap"}
    words |= {"listen-client-urls": TEMPORARY_CLIENT, "advertise-client-urls": TEMPORARY_CLIENT}
    words |= {"listen-peer-urls": TEMPORARY_PEER, "initial-advertise-peer-urls": TEMPORARY_PEER}
    words |= {"initial-cluster": f"temporary={TEMPORARY_PEER}", "log-level": "error"}
    member = Child("etcd", [etcd.PROGRAM, *controlplane.arguments(words, [])]).start()
    try:
        wait_until("the snapshot's etcd", 60, lambda: read_plain("/") or True)
        found = read_plain(bootstrap.storage_key(password))
    finally:
        member.stop(30)
        snapshots.prepare(place)
    if not found:
        raise logs.Fatal(bootstrap.DIFFERENT_TOKEN)
    for name in bootstrap.write(settings, bootstrap.decrypt(password, found)):
        logs.info(f"{settings.server_dir / name} is the snapshot's now")


def read_plain(key: str) -> bytes:
    """A value from the temporary member, which has neither certificates nor clients."""
    body = json.dumps({"key": base64.b64encode(key.encode()).decode()}).encode()
    with urllib.request.urlopen(f"{TEMPORARY_CLIENT}/v3/kv/range", body, timeout=5) as answer:
        values = json.loads(answer.read()).get("kvs") or [{"value": ""}]
    return base64.b64decode(values[0]["value"])
