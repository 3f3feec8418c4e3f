# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values as Kubernetes objects, and back. Pure."""

from __future__ import annotations

import base64
import binascii
import typing as t

# A label says who made an object; annotations say where its value came from.
MADE_BY = {"app.kubernetes.io/managed-by": "replatform"}
SOURCE = "replatform.sophia.ai/swarm-source"
SOURCE_ID = "replatform.sophia.ai/swarm-id"
# A label of a secret or config in a Swarm that was made again: the IDs that it had before.
FORMER_IDS = "replatform.sophia.ai/swarm-ids"


def manifest(kind: str, name: str, namespace: str, source: str, source_id: str, value: bytes) -> dict[str, t.Any]:
    """The whole object. The key is the name that the Swarm knows, since a pod mounts the key as a file."""
    return {
        "apiVersion": "v1",
        "kind": kind,
        **({"type": "Opaque"} if kind == "Secret" else {}),
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(MADE_BY),
            "annotations": {SOURCE: source, SOURCE_ID: source_id},
        },
        **_data(kind, source, value),
    }


def changes(kind: str, found: t.Mapping[str, t.Any], source: str, source_id: str, value: bytes) -> dict[str, t.Any]:
    """A merge patch that gives O(found) the value; refused by the server when it has changed since. Other keys stay."""
    return {
        "metadata": {
            "resourceVersion": found["metadata"]["resourceVersion"],
            "labels": dict(MADE_BY),
            "annotations": {SOURCE: source, SOURCE_ID: source_id},
        },
        **_data(kind, source, value, patch=True),
    }


def value_of(found: t.Mapping[str, t.Any], source: str) -> bytes | None:
    """The value under the key O(source), or none when there is no such key."""
    if found["kind"] == "Secret" or source in (found.get("binaryData") or {}):
        text = ((found.get("data") if found["kind"] == "Secret" else found["binaryData"]) or {}).get(source)
        try:
            return None if text is None else base64.b64decode(text, validate=True)
        except binascii.Error:
            return None
    plain = (found.get("data") or {}).get(source)
    return None if plain is None else str(plain).encode()


def source_id_of(found: t.Mapping[str, t.Any]) -> str:
    """The ID on the Swarm that the object says it came from; empty when it says nothing."""
    return str((found["metadata"].get("annotations") or {}).get(SOURCE_ID, ""))


def keeper_of(found: t.Mapping[str, t.Any]) -> str:
    """The controller that owns the object and would undo a change, e.g. C(ExternalSecret shop); empty when none does."""
    for owner in found["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return f"{owner['kind']} {owner['name']}"
    return ""


def _data(kind: str, key: str, value: bytes, patch: bool = False) -> dict[str, t.Any]:
    encoded = base64.b64encode(value).decode()
    if kind == "Secret":
        return {"data": {key: encoded}}
    try:
        text = value.decode()
    except UnicodeDecodeError:
        # A key may stand in one of the two alone; null takes it out of the other.
        return {**({"data": {key: None}} if patch else {}), "binaryData": {key: encoded}}
    return {"data": {key: text}, **({"binaryData": {key: None}} if patch else {})}
