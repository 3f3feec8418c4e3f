# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between Git, the release and the cluster. Pure.

Git and the release are both what helm rendered, and must be equal. The cluster completes what it is given (defaults, status,
labels of controllers), so that there each field of the release must be as the release has it. Values of Secrets are compared
and never told.
"""

from __future__ import annotations

import base64
import re
import typing as t
from dataclasses import dataclass

Object = t.Mapping[str, t.Any]
Key = t.Tuple[str, str, str]

#: Mappings to which the cluster itself adds nothing, so that an additional key is somebody's change.
_WHOLE = frozenset({"data", "limits", "nodeSelector"})
#: Objects that have no namespace, of the kinds that charts have (Kubernetes API reference).
_CLUSTER_WIDE = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingWebhookConfiguration",
    }
)
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|[kMGTPE]i?|Ki)?")
_SUFFIXES = {"m": 1e-3, **{name: 1000.0 ** (power + 1) for power, name in enumerate("kMGTPE")}}
_SUFFIXES.update({name: 1024.0 ** (power + 1) for power, name in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))})
_MISSING = object()


@dataclass(frozen=True)
class Difference:
    """One difference: between O(left) and O(right) (C(git), C(release) or C(cluster)), of which object, at which field
    (empty for all of it), and what both have there."""

    left: str
    right: str
    what: str
    field: str
    left_has: str
    right_has: str

    def line(self) -> str:
        if not self.field:
            there, gone = (self.left, self.right) if self.left_has else (self.right, self.left)
            return f"{self.what} is in the {there} and not in the {gone}".replace("the git", "Git")
        sides = f"{self.left_has} in the {self.left}, {self.right_has} in the {self.right}"
        return f"{self.what}: {self.field} is {sides}".replace("the git", "Git")


def drift(
    git: t.Sequence[Object], release: t.Sequence[Object], cluster: t.Sequence[Object], namespace: str
) -> list[str]:
    """One line a difference. O(git) and O(release) are the objects that helm rendered from the one and keeps of the other
    (hooks, which a release does not keep, are left out), O(cluster) those that are there; O(namespace) is the release's."""
    ours, theirs, live = (_by_key(objects, namespace) for objects in (git, release, cluster))
    found = _between("git", ours, "release", theirs, _exact)
    live = {key: one for key, one in live.items() if key in theirs}
    found += _between("release", theirs, "cluster", live, _held)
    return [one.line() for one in found]


def kinds(objects: t.Iterable[Object], namespace: str) -> list[dict[str, str]]:
    """What to list so that all of O(objects) are read: C(apiVersion), C(kind) and C(namespace), which is empty for objects of the
    whole cluster, each once; O(namespace) is the release's."""
    found: dict[tuple[str, str, str], None] = {}
    for one in objects:
        kind = str(one.get("kind", ""))
        where = "" if kind in _CLUSTER_WIDE else str((one.get("metadata") or {}).get("namespace") or namespace)
        found[(str(one.get("apiVersion", "")), kind, where)] = None
    return [{"apiVersion": version, "kind": kind, "namespace": where} for version, kind, where in found]


def _by_key(objects: t.Iterable[Object], namespace: str) -> dict[Key, Object]:
    found: dict[Key, Object] = {}
    for one in objects:
        metadata = one.get("metadata") or {}
        if "helm.sh/hook" in (metadata.get("annotations") or {}):
            continue
        group = str(one.get("apiVersion", "")).rpartition("/")[0]
        kind = str(one.get("kind", ""))
        where = "" if kind in _CLUSTER_WIDE else str(metadata.get("namespace") or namespace)
        found[(f"{kind}.{group}".rstrip("."), where, str(metadata.get("name", "")))] = one
    return found


def _between(
    left: str,
    ours: t.Mapping[Key, Object],
    right: str,
    theirs: t.Mapping[Key, Object],
    compare: t.Callable[[t.Any, t.Any, str], t.Iterator[tuple[str, t.Any, t.Any]]],
) -> list[Difference]:
    found = []
    for key in sorted({*ours, *theirs}):
        what = " ".join([key[0].partition(".")[0], "/".join(part for part in key[1:] if part)])
        if key not in ours or key not in theirs:
            found.append(
                Difference(left, right, what, "", "all" if key in ours else "", "all" if key in theirs else "")
            )
            continue
        secret = key[0] == "Secret"
        mine, other = (_plain(one) if secret else one for one in (ours[key], theirs[key]))
        for field, mine_has, other_has in compare(mine, other, ""):
            if field in ("apiVersion", "metadata.namespace"):
                continue  # they are told by the key, or are another version of the same
            hide = secret and field.startswith("data")
            found.append(Difference(left, right, what, field, _word(mine_has, hide), _word(other_has, hide)))
    return found


def _plain(secret: Object) -> Object:
    """A Secret with all that it holds in C(data), as the cluster keeps it."""
    data = dict(secret.get("data") or {})
    for name, text in (secret.get("stringData") or {}).items():
        data[name] = base64.b64encode(str(text).encode()).decode()
    return {**{key: value for key, value in secret.items() if key != "stringData"}, "data": data}


def _word(value: t.Any, hide: bool) -> str:
    if value is _MISSING:
        return "nothing"
    if hide:
        return "another value"
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."


def _exact(left: t.Any, right: t.Any, path: str) -> t.Iterator[tuple[str, t.Any, t.Any]]:
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}, key=str):
            yield from _exact(left.get(key, _MISSING), right.get(key, _MISSING), _below(path, key))
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (one, other) in enumerate(zip(left, right)):
            yield from _exact(one, other, f"{path}[{_item(one, number)}]")
    elif left != right and not (_is_nothing(left) and _is_nothing(right)):
        yield path, left, right


def _held(wanted: t.Any, live: t.Any, path: str) -> t.Iterator[tuple[str, t.Any, t.Any]]:
    if isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            yield from _held(value, live.get(key, _MISSING), _below(path, key))
        if path.rpartition(".")[2] in _WHOLE:
            for key in sorted(set(live) - set(wanted)):
                yield _below(path, key), _MISSING, live[key]
    elif isinstance(wanted, list) and isinstance(live, list):
        yield from _held_list(wanted, live, path)
    elif not (_same(wanted, live) or (_is_nothing(wanted) and _is_nothing(live))):
        yield path, wanted, live


def _held_list(wanted: list[t.Any], live: list[t.Any], path: str) -> t.Iterator[tuple[str, t.Any, t.Any]]:
    if _named(wanted) and _named(live):
        ours, theirs = ({one["name"]: one for one in items} for items in (wanted, live))
        for name in dict.fromkeys([*ours, *theirs]):
            yield from _held(ours.get(name, _MISSING), theirs.get(name, _MISSING), f"{path}[{name}]")
    elif len(wanted) != len(live):
        yield path, wanted, live
    else:
        for number, (one, other) in enumerate(zip(wanted, live)):
            yield from _held(one, other, f"{path}[{number}]")


def _below(path: str, key: t.Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _item(one: t.Any, number: int) -> t.Any:
    return one.get("name", number) if isinstance(one, dict) else number


def _named(items: list[t.Any]) -> bool:
    names = [one.get("name") for one in items if isinstance(one, dict)]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(items)


def _is_nothing(value: t.Any) -> bool:
    """The cluster does not keep what is empty."""
    return value is _MISSING or value is None or value in ("", 0, False) or value == [] or value == {}


def _same(wanted: t.Any, live: t.Any) -> bool:
    if type(wanted) is type(live) and wanted == live:
        return True
    if wanted is _MISSING or live is _MISSING or isinstance(wanted, bool) or isinstance(live, bool):
        return False
    if not isinstance(wanted, (str, int, float)) or not isinstance(live, (str, int, float)):
        return False
    return str(wanted) == str(live) or (_amount(wanted) is not None and _amount(wanted) == _amount(live))


def _amount(value: t.Any) -> float | None:
    """A Kubernetes quantity as a number, in thousandths so that C(0.5) is C(500m)."""
    found = _QUANTITY.fullmatch(str(value))
    return round(float(found[1]) * _SUFFIXES.get(found[2] or "", 1.0) * 1000) if found else None
