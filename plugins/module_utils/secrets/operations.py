# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: secrets and configs of a Swarm to be in a namespace, with an injected Engine client and cluster API."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while
from ansible_collections.sophia.replatform.plugins.module_utils.secrets import carrier, copying
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.cluster_api import ClusterApi, ConflictError
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.copying import CONFIG, SECRET, Item, Wanted
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.manifest import (
    changes,
    keeper_of,
    manifest,
    source_id_of,
    value_of,
)
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.client import api_errors
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.operations import SLICE_S, SwarmOperation
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw


class Copy(SwarmOperation):
    """Values live no longer than one step; between steps there are digests, keyed anew in every run, so that a digest in a
    log says nothing about a value that could be guessed.
    """

    def __init__(self, client: t.Any, cluster: ClusterApi, wanted: Wanted, seconds: int) -> None:
        super().__init__(client)
        self.cluster = cluster
        self.wanted = wanted
        self.seconds = seconds
        self.simulate = copying.simulate
        self._key = os.urandom(32)
        self._found: dict[Item, dict[str, t.Any] | None] = {}
        self._digests: dict[Item, str] = {}
        self._lengths: dict[Item, int] = {}
        self._written: set[Item] = set()

    def observe(self) -> dict[str, t.Any]:
        world = super().observe()
        world.update(run=self.wanted.run, secrets={}, configs={}, containers=[], cluster={}, written=set(self._written))
        if world["nodes"]:
            with api_errors("read the secrets and configs of the Swarm"):
                for kind in ("secrets", "configs"):
                    world[kind] = {thing["Spec"]["Name"]: thing["ID"] for thing in getattr(self.client, kind)()}
                world["containers"] = self.client.containers(all=True, filters={"label": carrier.LABEL})
            self._read_configs(world["configs"])
            self._read_cluster(world["cluster"])
        world["digests"] = dict(self._digests)
        return world

    def next_step(self, world: Raw) -> Decision:
        return copying.next_step(world, self.wanted)

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        if step.name == "compare":
            item = Item(step.data["kind"], step.data["source"])
            return self._note(item, self._value(item))
        if step.name in ("create", "update"):
            return self._write(Item(step.data["kind"], step.data["source"]), step)
        return super().act(step)

    def write(self, step: Step) -> None:
        if step.name == "start_task":
            self._start(step.data["image"])
        else:
            self.client.remove_service(step.data["id"])

    def copied(self, steps: t.Iterable[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
        """What O(steps) made of every secret and config."""
        done = {
            (step["kind"], step["source"]): f"{step['name']}d" for step in steps if step["name"] in ("create", "update")
        }
        return [
            {
                "kind": item.kind,
                "name": item.name,
                "source": item.source,
                "result": done.get((item.kind, item.source), "unchanged"),
                **self._facts(item),
            }
            for item in copying.items(self.wanted)
        ]

    def abandon(self) -> None:
        """Take away what this run has started; for a run that ends early."""
        with contextlib.suppress(ReplatformError), api_errors("remove the service that reads the secrets"):
            for service in self.client.services(filters={"label": f"{carrier.LABEL}={self.wanted.run}"}):
                self.client.remove_service(service["ID"])

    def _start(self, image: str) -> None:
        known = {secret["Spec"]["Name"]: secret["ID"] for secret in self.client.secrets()}
        mounts = {name: known[name] for name in self.wanted.secrets}
        node_id = self.client.info()["Swarm"]["NodeID"]
        # Not create_service(): older SDKs know no jobs.
        spec = carrier.specification(self.wanted.run, node_id, image, mounts, self.seconds)
        self.client._result(self.client._post_json(self.client._url("/services/create"), data=spec), True)

    def _read_configs(self, known: t.Mapping[str, str]) -> None:
        for item in copying.items(self.wanted):
            if item.kind == CONFIG and item.source in known and item not in self._digests:
                self._note(item, self._value(item))

    def _read_cluster(self, cluster: dict[Item, copying.Held]) -> None:
        """Every object once, and again when this run has written it."""
        for item in copying.items(self.wanted):
            if item not in self._found:
                self._found[item] = self.cluster.get(item.kind, item.name)
            found = self._found[item]
            if found is not None:
                value = value_of(found, item.source)
                digest = None if value is None else self._digest(value)
                cluster[item] = copying.Held(
                    digest, source_id_of(found), keeper_of(found), bool(found.get("immutable", False))
                )

    def _write(self, item: Item, step: Step) -> dict[str, t.Any]:
        value = self._value(item)
        if self._digest(value) != self._digests[item]:
            raise ReplatformError(f"{item.source} was read twice with two results: run it again")
        found = self._found.pop(item, None)
        origin = (item.source, step.data["id"], value)
        try:
            if step.name == "create":
                whole = manifest(item.kind, item.name, self.cluster.namespace, *origin)
                self.cluster.create(item.kind, whole)
            elif found is not None:
                self.cluster.patch(item.kind, item.name, changes(item.kind, found, *origin))
        except ConflictError as exc:
            return {"again": str(exc)}
        self._written.add(item)
        return self._facts(item)

    def _note(self, item: Item, value: bytes) -> dict[str, t.Any]:
        self._digests[item] = self._digest(value)
        self._lengths[item] = len(value)
        return self._facts(item)

    def _facts(self, item: Item) -> dict[str, t.Any]:
        """What may be known of a value; nothing when it was not read."""
        known = item in self._digests
        return {"bytes": self._lengths[item], "digest": self._digests[item]} if known else {}

    def _digest(self, value: bytes) -> str:
        return hmac.new(self._key, value, hashlib.sha256).hexdigest()

    def _value(self, item: Item) -> bytes:
        if item.kind == SECRET:
            return self._mounted(item.source)
        with api_errors(f"read config {item.source}"):
            (config,) = [one for one in self.client.configs() if one["Spec"]["Name"] == item.source]
            return base64.b64decode(self.client.inspect_config(config["ID"])["Spec"].get("Data") or "")

    def _mounted(self, name: str) -> bytes:
        """A secret, from the task that mounts it, through the stream of an exec."""
        with api_errors(f"read secret {name}"):
            command = ["cat", f"{carrier.FOLDER}/{name}"]
            run = self.client.exec_create(self._container(), command, stdout=True, stderr=True, tty=False, user="0:0")
            value, said = self.client.exec_start(run["Id"], demux=True)
            # The stream may end a moment before the Engine knows how the command ended.
            wait_while(lambda: self.client.exec_inspect(run["Id"])["Running"], SLICE_S, 0.1)
            code = self.client.exec_inspect(run["Id"])["ExitCode"]
        if code != 0:
            # Only what came as an error: the rest could be a part of the value.
            why = (said or b"").decode(errors="replace").strip() or f"cat ended with {code}; does the image have it?"
            raise ReplatformError(f"could not read secret {name}: {why}")
        return value or b""

    def _container(self) -> str:
        world = super().observe()
        for service in carrier.services(world):
            task = carrier.task_of(world, service)
            if task and carrier.run_of(service) == self.wanted.run:
                return str(task["Status"]["ContainerStatus"]["ContainerID"])
        raise ReplatformError("the task that reads the secrets is gone: run it again")
