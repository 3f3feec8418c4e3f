"""A further server joins: what it needs from a server that runs, and how its etcd member gets into the cluster."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any

from . import bootstrap, etcd, logs
from .join import authorized, trusted_ca
from .settings import Settings
from .token import Token, parse

PREPARING = "starting kubernetes: preparing server"
# What etcd says while it takes in another member; K3s waits then (its pkg/etcd/etcd.go).
BUSY = ("etcdserver: too many learner members in cluster", "etcdserver: unhealthy cluster")


def joins(settings: Settings) -> bool:
    """With data on the disk a server keeps its place, whatever ``server`` says."""
    return bool(settings.text("server")) and not etcd.initialized(settings)


class Invitation:
    """The server to join, reached over the CA that the token vouches for, with the server token."""

    def __init__(self, settings: Settings) -> None:
        self.url = settings.text("server").rstrip("/")
        text = settings.secret("token")
        if not text:
            raise logs.Fatal(f"{PREPARING}: K3S_TOKEN is required to join a cluster")
        try:
            self.token: Token = parse(text, "server")
        except ValueError as error:
            raise logs.Fatal(f"{PREPARING}: failed to validate token: {error}") from error
        try:
            self.cacerts = trusted_ca(self.url, self.token)
        except (OSError, http.client.HTTPException) as error:
            raise logs.Fatal(f"{PREPARING}: failed to get CA certs: {error}") from error

    def get(self, path: str) -> Any:
        try:
            status, answer = authorized(self.url, self.cacerts, "server", self.token.password, "GET", path)
        except (OSError, http.client.HTTPException) as error:
            raise logs.Fatal(f"{PREPARING}: Get {self.url}{path}: {error}") from error
        if status != 200:
            said = {401: "401 Unauthorized", 403: "403 Forbidden"}.get(status, f"{status} {answer.decode()}")
            what = "failed to validate token" if status in (401, 403) else "failed to bootstrap cluster data"
            raise logs.Fatal(f"{PREPARING}: {what}: {self.url}{path}: {said}")
        return json.loads(answer)

    def accept(self, settings: Settings) -> None:
        """Take over the cluster's authorities and keys; nothing is written before the settings are known to agree."""
        theirs = self.get("/v1-k3s/config")
        different = bootstrap.mismatched(bootstrap.critical(settings), theirs)
        files = self.get("/v1-k3s/server-bootstrap")
        agents = settings.secret("agent-token")
        if agents and not bootstrap.holds_agent_password(files, parse(agents).password):
            different.append("agent-token")
        for name in different:
            logs.warning(f"critical configuration mismatched: {name}")
        if different:
            raise logs.Fatal(
                f"{PREPARING}: failed to bootstrap cluster data: failed to validate server configuration: "
                "critical configuration value mismatch between servers"
            )
        bootstrap.write(settings, files)

    def member(self, settings: Settings, pause: float = 1) -> str:
        """Make room for this server's etcd member, after those that join already; gives the cluster as ``--initial-cluster`` wants it."""
        while True:
            try:
                return self.take_place(settings)
            except etcd.EtcdError as error:
                if not str(error).startswith(BUSY):
                    raise logs.Fatal(f"ETCD join failed: {error}") from error
                logs.info(f"Waiting for other members to finish joining etcd cluster: {error}")
                time.sleep(pause)

    def take_place(self, settings: Settings) -> str:
        """One attempt; ``EtcdError`` when a member answers and says no, since another one would say the same."""
        name, own = etcd.member_name(settings), etcd.peer_url(settings)
        known = etcd.members_from(self.get("/db/info"))
        failures = []
        for url in [url for m in known if not m.learner and m.address != settings.advertise for url in m.clients]:
            client = etcd.Etcd(settings, url)
            try:
                cluster, add = etcd.place_among(client.members(), name, settings.node_name, settings.advertise)
                if add:
                    logs.info(f"Adding member {name}={own} to etcd cluster {cluster}")
                    client.add_learner(own)
                    cluster.append(f"{name}={own}")
            except logs.Fatal:
                etcd.name_file(settings).unlink()  # as K3s does: another node name shall give another member name
                raise
            except etcd.EtcdError:
                raise
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"{url}: {error}")
                continue
            logs.info(f"Starting etcd for cluster {cluster}")
            return ",".join(cluster)
        raise logs.Fatal(f"ETCD join failed: no member answers: {'; '.join(failures) or 'none is known'}")
