"""The members of the datastore: learners become voters, nodes say what they are, and pods find the servers that answer."""

from __future__ import annotations

import http.client
import time
from datetime import datetime, timezone
from typing import Any, Callable, Iterable

from . import faults, logs
from .api import STRATEGIC, Api
from .etcd import Etcd, EtcdError, Member
from .settings import Settings

CONDITION = "EtcdIsVoter"
NAME, ADDRESS = "etcd.k3s.cattle.io/node-name", "etcd.k3s.cattle.io/node-address"
ENDPOINTS = "/api/v1/namespaces/default/endpoints"
FAILURES = (OSError, http.client.HTTPException)
HEARTBEAT = 300
VOTER, LEARNER, UNHEALTHY = "voter", "learner", "unhealthy"
SAID = {
    VOTER: ("True", "MemberNotLearner", "Node is a voting member of the etcd cluster"),
    LEARNER: ("False", "MemberIsLearner", "Node has not been promoted to voting member of the etcd cluster"),
    UNHEALTHY: ("False", "Unhealthy", "Node is unhealthy and cannot be contacted"),
}


def wait_for_vote(store: Etcd, pause: float = 0.5, patience: float = 15) -> None:
    """Until this member takes requests: it is promoted, and there is a quorum. Without end, as K3s waits."""
    said = time.monotonic()
    while True:
        try:
            if not store.status().learner:
                store.list("/registry/health")
                return
            reason = "this server has not yet been promoted from learner to voting member"
        except FAILURES as error:
            reason = str(error)
        if time.monotonic() - said > patience:
            said = time.monotonic()
            logs.info(f"Waiting for etcd server to become available: {reason}")
        time.sleep(pause)


def condition(state: str, present: dict[str, Any] | None, now: datetime) -> dict[str, str] | None:
    """What the node's condition shall be, or None where it says so already and not too long ago."""
    status, reason, message = SAID[state]
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    since = stamp
    if present and present.get("status") == status:
        since = present.get("lastTransitionTime") or stamp
        age = now - datetime.strptime(present.get("lastHeartbeatTime") or stamp, "%Y-%m-%dT%H:%M:%SZ").replace(
            tzinfo=timezone.utc
        )
        if present.get("reason") == reason and age.total_seconds() < HEARTBEAT:
            return None
    return {
        "type": CONDITION,
        "status": status,
        "reason": reason,
        "message": message,
        "lastHeartbeatTime": stamp,
        "lastTransitionTime": since,
    }


def node_of(member: Member, nodes: Iterable[dict[str, Any]]) -> dict[str, Any] | None:
    return next((n for n in nodes if (n["metadata"].get("annotations") or {}).get(NAME) == member.name), None)


def endpoint_subsets(addresses: Iterable[str], port: int) -> list[dict[str, Any]]:
    return [
        {
            "addresses": [{"ip": address} for address in sorted(set(addresses))],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        }
    ]


def listed_addresses(endpoints: dict[str, Any] | None) -> list[str]:
    subsets = (endpoints or {}).get("subsets") or []
    return sorted(entry["ip"] for subset in subsets for entry in subset.get("addresses") or [])


class Keeper:
    """One a server; only the one beside etcd's leader acts, as in K3s."""

    def __init__(self, settings: Settings, store: Etcd, api: Api, several: Callable[[], None]) -> None:
        self.settings, self.store, self.api, self.several = settings, store, api, several

    def look(self) -> None:
        members = self.store.members()
        if len(members) > 1:
            self.several()
        if not self.store.status().leads:
            return
        held = faults.not_voters(faults.read())
        nodes = self.api.get("/api/v1/nodes")["items"]
        for member in members:
            self.mark(member, node_of(member, nodes), held)
        self.publish([m.address for m in members if not m.learner])

    def mark(self, member: Member, node: dict[str, Any] | None, held: set[str]) -> None:
        state = self.promoted(member, held) if member.learner else VOTER
        if state == VOTER and not self.healthy(member):
            state = UNHEALTHY
        if not node:
            return
        name = node["metadata"]["name"]
        if name in held:
            state = LEARNER
        present = next((c for c in node["status"].get("conditions") or [] if c["type"] == CONDITION), None)
        wanted = condition(state, present, datetime.now(timezone.utc))
        if wanted:
            self.api.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [wanted]}}, STRATEGIC)

    def promoted(self, member: Member, held: set[str]) -> str:
        if not member.name or member.node in held:
            return LEARNER
        try:
            self.store.promote(member)
        except EtcdError as error:
            logs.info(f"Unable to promote learner {member.name}: {error}")
            return LEARNER
        logs.info(f"Promoted learner {member.name}")
        return VOTER

    def healthy(self, member: Member) -> bool:
        for url in member.clients:
            try:
                return bool(Etcd(self.settings, url).status().leader)
            except FAILURES:
                continue
        return False

    def publish(self, addresses: list[str]) -> None:
        """Where pods reach the API: the servers that answer; the last one stays, since none would be no better."""
        answering = [address for address in addresses if self.answers(address)]
        present = self.api.find(f"{ENDPOINTS}/kubernetes")
        if answering and sorted(answering) != listed_addresses(present):
            subsets = endpoint_subsets(answering, self.settings.port)
            self.api.put(ENDPOINTS, {"metadata": {"name": "kubernetes"}, "subsets": subsets})
            logs.info(f"The API is served at {', '.join(sorted(answering))}")

    def answers(self, address: str) -> bool:
        tls = self.settings.server_dir / "tls"
        stem = tls / "client-supervisor"
        there = Api(
            f"https://{address}:{self.settings.port}",
            tls / "server-ca.crt",
            stem.with_suffix(".crt"),
            stem.with_suffix(".key"),
        )
        try:
            there.call("GET", "/readyz", timeout=3)
        except FAILURES:
            return False
        return True

    def forget(self, node: str) -> None:
        """A node that was deleted takes its member with it, so that it may come back as another machine."""
        members = self.store.members()
        for member in members:
            if member.name and member.node == node and len(members) > 1:
                logs.info(f"Removing name={member.name} id={member.id} address={member.address} from etcd")
                try:
                    self.store.remove(member)
                except EtcdError as error:  # each server tries: another one was first, or there is no quorum
                    logs.warning(f"member {member.name}: {error}")


def notes(name: str, address: str) -> dict[str, str]:
    """What K3s writes on the node of a member."""
    return {NAME: name, ADDRESS: address}
