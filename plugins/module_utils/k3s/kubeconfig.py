# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cluster's entry in a kubeconfig that may hold others."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError


def merge(fetched: t.Mapping[str, t.Any], present: t.Any, name: str, server: str) -> dict[str, t.Any]:
    """The kubeconfig C(present) with the cluster, user and context of C(fetched) as C(name), at the URL C(server).

    Entries of other names, their order, the chosen context and every key that is not known here stay. The chosen context becomes
    C(name) only where none is chosen.

    Raises C(RefusedError) when C(present) is no kubeconfig, or when another context uses an entry that would be replaced.
    """
    merged = _kubeconfig(present)
    for context in merged["contexts"]:
        used = context.get("context") or {}
        if context.get("name") != name and name in (used.get("cluster"), used.get("user")):
            raise RefusedError(
                f"context '{context.get('name')}' of the kubeconfig uses an entry named '{name}'; set another k3s_kubeconfig_context"
            )
    cluster = {**_only(fetched, "clusters", "cluster"), "server": server}
    user = _only(fetched, "users", "user")
    namespace = {k: v for k, v in _context(merged, name).items() if k == "namespace"}
    _put(merged["clusters"], name, "cluster", cluster)
    _put(merged["users"], name, "user", user)
    _put(merged["contexts"], name, "context", {"cluster": name, "user": name, **namespace})
    merged["current-context"] = merged.get("current-context") or name
    return merged


def _kubeconfig(present: t.Any) -> dict[str, t.Any]:
    if present in (None, ""):
        present = {"apiVersion": "v1", "kind": "Config"}
    if not isinstance(present, t.Mapping) or present.get("kind", "Config") != "Config":
        raise RefusedError("the file at k3s_kubeconfig_dest is no kubeconfig; set another k3s_kubeconfig_dest")
    return {**present, **{kind: list(present.get(kind) or []) for kind in ("clusters", "users", "contexts")}}


def _only(fetched: t.Mapping[str, t.Any], kind: str, key: str) -> dict[str, t.Any]:
    entries = fetched.get(kind) or []
    if len(entries) != 1:
        raise RefusedError(
            f"the server's kubeconfig has {len(entries)} {kind}, not one; look at /etc/rancher/k3s/k3s.yaml"
        )
    return dict(entries[0][key])


def _context(merged: t.Mapping[str, t.Any], name: str) -> t.Mapping[str, t.Any]:
    return next((entry.get("context") or {} for entry in merged["contexts"] if entry.get("name") == name), {})


def _put(entries: list[t.Any], name: str, key: str, value: t.Mapping[str, t.Any]) -> None:
    """Replaces the entry C(name) in its place, or appends it."""
    entry = {"name": name, key: value}
    for place, there in enumerate(entries):
        if there.get("name") == name:
            entries[place] = entry
            return
    entries.append(entry)
