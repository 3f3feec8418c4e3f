# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: the drain of a node as the loop drives it, through an injected kubectl."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.journal import utc_now
from ansible_collections.sophia.replatform.plugins.module_utils.loop import Decision, Step
from ansible_collections.sophia.replatform.plugins.module_utils.operation import wait_while
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import drain
from ansible_collections.sophia.replatform.plugins.module_utils.rolling import pods as pods_
from ansible_collections.sophia.replatform.plugins.module_utils.rolling.kubectl import Kubectl, KubectlError

# One wait is one record in the journal; a longer one is several, so that the deadline is looked at in between.
SLICE_S = 10.0
POLL_S = 2.0


class Drain:
    """A node to be drained, cordoned or schedulable. A slice of waiting is no longer than O(deadline_s)."""

    def __init__(
        self, kubectl: Kubectl, wanted: drain.Wanted, grace_period: int | None = None, deadline_s: float = SLICE_S
    ) -> None:
        self.kubectl = kubectl
        self.wanted = wanted
        self.grace_period = grace_period
        self.slice_s = min(SLICE_S, deadline_s)
        self.poll_s = min(POLL_S, self.slice_s / 2)
        self.simulate = drain.simulate
        self.world: dict[str, t.Any] = {}
        self.version = ""

    def observe(self) -> dict[str, t.Any]:
        """The node, its pods and the budgets; a server that is silent for a moment is asked again for a while."""
        silent: list[KubectlError] = []

        def unread() -> bool:
            silent.clear()
            try:
                self.world = self._read()
            except KubectlError as exc:
                if not exc.passing:
                    raise
                silent.append(exc)
            return bool(silent)

        wait_while(unread, self.slice_s, self.poll_s)
        if silent:
            raise silent[0]
        return self.world

    def next_step(self, world: drain.Raw) -> Decision:
        return drain.next_step(world, self.wanted)

    def act(self, step: Step) -> t.Mapping[str, t.Any] | None:
        if step.name == "wait_for_pods":
            return wait_while(lambda: self._still(step), self.slice_s, self.poll_s)
        if step.name == "evict":
            return self._evict(step.data["pods"])
        return self._patch(step)

    def _read(self) -> dict[str, t.Any]:
        node = self.kubectl.node(self.wanted.node)
        if node is None or self.wanted.state != "drained":
            return {"node": node, "pods": [], "budgets": []}
        return {"node": node, "pods": self.kubectl.pods(self.wanted.node), "budgets": self.kubectl.budgets()}

    def _still(self, step: Step) -> bool:
        decision = self.next_step(self.observe())
        return isinstance(decision, Step) and decision.name == step.name

    def _evict(self, names: t.Sequence[str]) -> dict[str, t.Any]:
        """Evict each pod, those that are held again and again until the slice is over."""
        self.version = self.version or self.kubectl.eviction_version()
        pods = {pods_.name(pod): pod for pod in self.world["pods"]}
        held: dict[str, str] = dict.fromkeys(names, "")

        def any_held() -> bool:
            for name in list(held):
                answer = self._evict_one(pods[name])
                held.pop(name) if answer is None else held.update({name: answer})
            return bool(held)

        waited = wait_while(any_held, self.slice_s, self.poll_s)
        return {"evicted": len(names) - len(held), **({"refused": held, **waited} if held else {})}

    def _evict_one(self, pod: drain.Raw) -> str | None:
        """Why the pod is not evicted yet; None when it is, or is gone."""
        meta = pod["metadata"]
        # The UID sees to it that no younger pod of the same name, started elsewhere since, is evicted in its stead.
        options: dict[str, t.Any] = {"preconditions": {"uid": meta["uid"]}}
        if self.grace_period is not None:
            options["gracePeriodSeconds"] = self.grace_period
        try:
            self.kubectl.evict(
                meta["namespace"],
                meta["name"],
                {
                    "apiVersion": self.version,
                    "kind": "Eviction",
                    "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
                    "deleteOptions": options,
                },
            )
        except KubectlError as exc:
            if exc.reason in ("NotFound", "Conflict"):
                return None
            # The pods of a namespace that is being removed end without us.
            if exc.passing or "is being terminated" in str(exc):
                return str(exc)
            raise
        return None

    def _patch(self, step: Step) -> dict[str, t.Any] | None:
        free = step.name in ("uncordon", "unmark")
        begun = (drain.mark(self.world["node"]) or {}).get("since") if step.name == "annotate" else None
        text = None if free else drain.annotation(step, begun or utc_now())
        patch: dict[str, t.Any] = {
            # With the version that was looked at, so that a cordon of somebody else's in between is not taken for ours.
            "metadata": {
                "resourceVersion": self.world["node"]["metadata"]["resourceVersion"],
                "annotations": {drain.ANNOTATION: text},
            },
            "spec": {"unschedulable": None if free else True},
        }
        try:
            self.kubectl.patch_node(self.wanted.node, patch)
        except KubectlError as exc:
            # Read again and decide again; the deadline ends what never comes right.
            if exc.reason != "Conflict" and not exc.passing:
                raise
            return {"again": str(exc), **wait_while(lambda: True, self.poll_s / 4, self.poll_s / 4)}
        return None
