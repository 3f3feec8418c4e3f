"""This server's etcd member and its neighbours: their names, and a client on etcd's JSON gateway."""

from __future__ import annotations

import base64
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable
from urllib.parse import urlsplit

from . import logs, pki
from .api import Api, ApiError
from .settings import Settings

PROGRAM = "/usr/bin/etcd"
CONTROL = "/usr/bin/etcdctl"
CLIENT_PORT, PEER_PORT = 2379, 2380


class EtcdError(ConnectionError):
    """What etcd refused, in its own words; a kind of OSError, since it may be better a moment later."""


@dataclass(frozen=True)
class Member:
    id: int
    name: str
    peers: tuple[str, ...]
    clients: tuple[str, ...]
    learner: bool

    @property
    def address(self) -> str:
        return urlsplit(self.peers[0]).hostname or "" if self.peers else ""

    @property
    def node(self) -> str:
        """The name of its node: a member is called NODE-<random>."""
        head, hyphen, _ = self.name.rpartition("-")
        return head if hyphen else self.name


@dataclass(frozen=True)
class Status:
    member: int
    leader: int
    learner: bool

    @property
    def leads(self) -> bool:
        return self.member == self.leader


def folder(settings: Settings) -> Path:
    return settings.server_dir / "db/etcd"


def initialized(settings: Settings) -> bool:
    return (folder(settings) / "member/wal").is_dir()


def clustered(settings: Settings) -> bool:
    """Whether K3s would run its embedded etcd; without it, K3s takes SQLite, and this an etcd that nobody can join."""
    return settings.flag("cluster-init") or bool(settings.text("server")) or name_file(settings).exists()


def name_file(settings: Settings) -> Path:
    return folder(settings) / "name"


def member_name(settings: Settings, fresh: bool = False) -> str:
    """Kept beside the data, so that a member whose data was lost comes back as another one."""
    file = name_file(settings)
    if fresh or not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        pki.write(file, f"{settings.node_name}-{uuid.uuid4().hex[:8]}".encode())
    return file.read_text()


def peer_url(settings: Settings) -> str:
    return f"https://{settings.advertise}:{PEER_PORT}"


def members_from(answer: dict[str, Any]) -> list[Member]:
    return [
        Member(
            int(m["ID"]),
            m.get("name", ""),
            tuple(m.get("peerURLs") or ()),
            tuple(m.get("clientURLs") or ()),
            bool(m.get("isLearner")),
        )
        for m in answer.get("members") or []
    ]


def place_among(members: Iterable[Member], name: str, node: str, address: str) -> tuple[list[str], bool]:
    """The others as ``name=url``, with this one if it is there already, and whether it has still to be added.

    A member without a name was added and has not started; at our address, it is us. A member of our node with another
    name is one that lost its data: it has to go first, and goes when its Node is deleted.
    """
    cluster, add = [], True
    for member in members:
        known = member.name or (name if member.address == address else "")
        if known == name and member.address == address:
            add = False
        elif member.name and member.node == node:
            raise logs.Fatal("ETCD join failed: duplicate node name found, please use a unique name for this node")
        cluster += [f"{known}={url}" for url in member.peers]
    return cluster, add


class Etcd:
    """A client of one member over the gateway that etcd serves beside gRPC; identifiers are numbers in texts there."""

    def __init__(self, settings: Settings, url: str = "") -> None:
        tls = settings.server_dir / "tls/etcd"
        url = url or f"https://127.0.0.1:{CLIENT_PORT}"
        self.api = Api(url, tls / "server-ca.crt", tls / "client.crt", tls / "client.key")

    def call(self, path: str, body: dict[str, Any] | None = None, timeout: float = 10) -> dict[str, Any]:
        try:
            answer = self.api.call("POST", f"/v3/{path}", body or {}, timeout=timeout)
        except ApiError as error:
            said = re.search(r'"error":\s*"([^"]*)"', str(error))
            raise EtcdError(said[1] if said else str(error)) from error
        assert isinstance(answer, dict)
        return answer

    def status(self) -> Status:
        answer = self.call("maintenance/status", timeout=3)
        return Status(int(answer["header"]["member_id"]), int(answer.get("leader", 0)), bool(answer.get("isLearner")))

    def members(self) -> list[Member]:
        return members_from(self.call("cluster/member/list"))

    def add_learner(self, peer: str) -> None:
        self.call("cluster/member/add", {"peerURLs": [peer], "isLearner": True})

    def promote(self, member: Member) -> None:
        self.call("cluster/member/promote", {"ID": str(member.id)})

    def remove(self, member: Member) -> None:
        self.call("cluster/member/remove", {"ID": str(member.id)})

    def move(self, member: Member, peer: str) -> None:
        """The member answers at another address now."""
        self.call("cluster/member/update", {"ID": str(member.id), "peerURLs": [peer]})

    def list(self, prefix: str) -> dict[str, bytes]:
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        answer = self.call("kv/range", {"key": _encoded(prefix.encode()), "range_end": _encoded(end.encode())})
        return {base64.b64decode(kv["key"]).decode(): base64.b64decode(kv["value"]) for kv in answer.get("kvs") or []}

    def put(self, key: str, value: bytes) -> None:
        self.call("kv/put", {"key": _encoded(key.encode()), "value": _encoded(value)})

    def delete(self, key: str) -> None:
        self.call("kv/deleterange", {"key": _encoded(key.encode())})


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
