# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a stack would be lost with its Swarm: what has no home in a namespace of a cluster. Pure: what both sides say in, names out.

A home is found by the names that phase 3 gives, or by the annotation RV(manifest.SOURCE), which anybody may write.
"""

from __future__ import annotations

import posixpath
import re
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.secrets.manifest import FORMER_IDS, SOURCE, SOURCE_ID
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import dns_name
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.restoration import each_reference
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.schedules import is_job, schedules
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import Raw

_NAME = "app.kubernetes.io/name"
_PART_OF = "app.kubernetes.io/part-of"
_V1, _BATCH = "v1", "batch/v1"
# What may be a home, and what has to be read to know it.
_ASKED = {
    "secret": ((_V1, "Secret"),),
    "config": ((_V1, "ConfigMap"),),
    "volume": ((_V1, "PersistentVolumeClaim"), (_V1, "Pod")),
    "job": ((_BATCH, "Job"), (_BATCH, "CronJob")),
    "schedule": ((_BATCH, "CronJob"),),
}


def wanting(
    whole: Raw, stack: str, volumes: t.Iterable[str], may_be_lost: t.Collection[str], filled: t.Collection[str]
) -> list[dict[str, t.Any]]:
    """What needs a home, as RV(homeless) takes it.

    O(whole) is what C(swarm_stack_info) says with C(specs), or nothing where there is no Swarm any more; O(volumes) are names of
    volumes of the hosts that shall go, whoever mounts them; O(filled) are the services whose data is in their claims, or need not be.
    """
    specs = {str(one["name"]): one["spec"] for one in whole.get("services") or []}
    things = [*_objects(whole, stack, specs), *_volumes(stack, specs, volumes), *_jobs(specs)]
    more = {"stack": stack, "filled": sorted(filled)}
    return [{**thing, **more} for thing in things if thing["name"] not in may_be_lost]


def homeless(things: t.Iterable[Raw], found: t.Iterable[Raw]) -> list[dict[str, str]]:
    """Those of O(things) that have no home among the objects O(found): C(kind), C(name), and C(text) for a person."""
    items = list(found)
    result = []
    for thing in things:
        reasons = [_fault(thing, item) for item in items if _may_be_home(thing, item, items)]
        if "" not in reasons:
            why = f" ({reasons[0]})" if reasons else ""
            result.append(
                {"kind": thing["kind"], "name": thing["name"], "text": f"{thing['kind']} {thing['name']}{why}"}
            )
    return result


def _thing(kind: str, name: str, plain: t.Iterable[str], **more: t.Any) -> dict[str, t.Any]:
    """O(plain) are the names that its home may have, before they become names that Kubernetes takes."""
    asked = [{"api_version": version, "kind": of} for version, of in _ASKED[kind]]
    names = sorted({dns_name(one) for one in (name, *plain)})
    return {"kind": kind, "name": name, "names": names, "ids": [], "mounts": [], "asked": asked, **more}


def _objects(whole: Raw, stack: str, specs: t.Mapping[str, Raw]) -> list[dict[str, t.Any]]:
    used: dict[str, set[str]] = {}

    def see(kind: str, value: str) -> str:
        used.setdefault(kind, set()).add(value)
        return value

    for spec in specs.values():
        each_reference(spec, see)
    result = []
    for kind in ("secret", "config"):
        for item in (whole.get("objects") or {}).get(f"{kind}s") or []:
            if item["own"] or item["id"] in used.get(kind, ()):
                ids = [item["id"], *(item.get("labels") or {}).get(FORMER_IDS, "").split()]
                plain = [_short(stack, item["name"])] if item["own"] else []
                result.append(_thing(kind, item["name"], plain, ids=ids))
    return result


def _volumes(stack: str, specs: t.Mapping[str, Raw], volumes: t.Iterable[str]) -> list[dict[str, t.Any]]:
    mounts: dict[str, list[dict[str, str]]] = {name: [] for name in volumes}
    for service, spec in specs.items():
        for mount in (spec["TaskTemplate"].get("ContainerSpec") or {}).get("Mounts") or []:
            # One without a source belongs to a task and goes with it.
            if mount.get("Type", "volume") in ("volume", "cluster") and mount.get("Source"):
                mounts.setdefault(mount["Source"], []).append({"service": service, "path": mount["Target"]})
    return [_thing("volume", name, [_short(stack, name)], mounts=mounts[name]) for name in sorted(mounts)]


def _jobs(specs: t.Mapping[str, Raw]) -> list[dict[str, t.Any]]:
    result = []
    for service, spec in specs.items():
        planned = schedules(spec)
        for name in planned:
            plain = [name, f"{service}-{name}"] if name else [service]
            result.append(_thing("schedule", f"{spec['Name']}/{name}" if name else spec["Name"], plain))
        if is_job(spec) and not planned:
            result.append(_thing("job", spec["Name"], [service]))
    return result


def _short(stack: str, name: str) -> str:
    """The name without that of the stack before it, as a stack file has it."""
    return name[len(stack) + 1 :] if name.startswith(f"{stack}_") else name


def _may_be_home(thing: Raw, item: Raw, items: t.Iterable[Raw]) -> bool:
    kinds = [one["kind"] for one in thing["asked"] if one["kind"] != "Pod"]
    if item["kind"] not in kinds:
        return False
    meta = item["metadata"]
    source = (meta.get("annotations") or {}).get(SOURCE)
    if source is not None:
        return bool(source == thing["name"])
    if meta["name"] in thing["names"]:
        return True
    if thing["kind"] == "volume":
        return _of_a_template(thing, meta["name"]) or meta["name"] in _mounted(thing, items)
    labels = meta.get("labels") or {}
    return labels.get(_NAME) in thing["names"] and labels.get(_PART_OF) == thing["stack"]


def _fault(thing: Raw, item: Raw) -> str:
    """Why it is no home after all; empty where it is."""
    notes = item["metadata"].get("annotations") or {}
    if thing["ids"] and notes.get(SOURCE_ID, "") not in ("", *thing["ids"]):
        return f"made anew since {item['kind']} {item['metadata']['name']} was copied from it"
    if thing["kind"] == "volume" and (item.get("status") or {}).get("phase") != "Bound":
        return f"claim {item['metadata']['name']} has no volume yet"
    if thing["kind"] == "volume" and SOURCE not in notes and not _is_filled(thing, item["metadata"]["name"]):
        return f"nobody has put its data into claim {item['metadata']['name']}"
    return ""


def _is_filled(thing: Raw, claim: str) -> bool:
    """Whether a service that mounts the volume was handed over. Where none is known any more, the name of the claim has it, or nothing."""
    if thing["mounts"]:
        return any(one["service"] in thing["filled"] for one in thing["mounts"])
    return claim in thing["names"] or (bool(thing["filled"]) and _of_a_template(thing, claim, thing["filled"]))


def _of_a_template(thing: Raw, claim: str, services: t.Collection[str] = ()) -> bool:
    """Whether a StatefulSet of O(services) has made the claim, by default of those that mount the volume; any, where none is known."""
    names = "|".join(map(re.escape, thing["names"]))
    known = services or [one["service"] for one in thing["mounts"]]
    makers = "|".join(map(re.escape, known)) or ".+"
    return re.fullmatch(rf"({names})-({makers})-\d+", claim) is not None


def _mounted(thing: Raw, items: t.Iterable[Raw]) -> set[str]:
    """The claims that pods of the same services mount at the same paths; the volume may have any name."""
    paths = {(one["service"], posixpath.normpath(one["path"])) for one in thing["mounts"]}
    found = set()
    for pod in items:
        if pod["kind"] == "Pod":
            service = (pod["metadata"].get("labels") or {}).get(_NAME)
            claims = {
                volume["name"]: volume["persistentVolumeClaim"]["claimName"]
                for volume in pod["spec"].get("volumes") or []
                if "persistentVolumeClaim" in volume
            }
            for container in pod["spec"]["containers"]:
                for mount in container.get("volumeMounts") or []:
                    if mount["name"] in claims and (service, posixpath.normpath(mount["mountPath"])) in paths:
                        found.add(claims[mount["name"]])
    return found
