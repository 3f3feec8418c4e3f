# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who begins a cluster: decided by looking at the world, never by a host's place in the inventory alone."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError


def bootstrap(
    me: str,
    servers: t.Sequence[t.Mapping[str, t.Any]],
    joined: str | None = None,
    check_mode: bool = False,
) -> dict[str, t.Any]:
    """What the server C(me) is to do: C({"action": "keep" | "init" | "join", "server": name or url or None}).

    C(servers) lists C({name, url, data, answers}) in inventory order: C(data) is true with a datastore on disk and None when the
    disk could not be looked at, C(answers) is true when the supervisor answers. C(joined) is the C(server) key of the configuration
    that is there already.

    A server with data keeps its place. One without data joins whoever answers, so that a wiped first server comes back
    instead of starting a second cluster. Only when nobody answers and nobody has data does the first one begin.

    Raises C(RefusedError) when data is there, or may be there, but nobody serves it, or when a later server would have to begin.
    """
    mine = next(server for server in servers if server["name"] == me)
    others = [server for server in servers if server["name"] != me]
    if mine["data"]:
        return {"action": "keep", "server": joined}
    for other in others:
        if other["answers"]:
            return {"action": "join", "server": other["url"]}
    holders = [other["name"] for other in others if other["data"]]
    if holders:
        raise RefusedError(
            f"{holders[0]} holds the cluster's data but does not answer; start it there (systemctl start k3s) "
            f"before {me} joins, or a second cluster would begin"
        )
    unseen = [other["name"] for other in others if other["data"] is None]
    if unseen:
        raise RefusedError(
            f"{unseen[0]} can't be reached, so nobody knows whether it holds the cluster's data; bring it back, or take it out of "
            f"the inventory if it is gone for good, before {me} begins a cluster"
        )
    if servers[0]["name"] == me:
        return {"action": "init", "server": None}
    if check_mode:
        return {"action": "join", "server": servers[0]["url"]}
    raise RefusedError(
        f"{servers[0]['name']} does not answer at {servers[0]['url']}; {me} can't join, and must not begin"
    )


def api_url(host: t.Mapping[str, t.Any], port: int | str) -> str:
    """The URL of a server's API from its host variables."""
    address = host.get("k3s_api_address") or host.get("ansible_host") or host["inventory_hostname"]
    return f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"


def servers(
    names: t.Sequence[str],
    urls: t.Sequence[str],
    datastores: t.Sequence[t.Mapping[str, t.Any]],
    pings: t.Sequence[t.Mapping[str, t.Any]],
) -> list[dict[str, t.Any]]:
    """The world for RV(bootstrap) from what C(find) and C(uri) returned for each server, in the same order."""
    return [
        {
            "name": name,
            "url": url,
            "data": None if store.get("unreachable") or store.get("failed") else store.get("matched", 0) > 0,
            "answers": ping.get("status", -1) in (200, 401, 403),
        }
        for name, url, store, ping in zip(names, urls, datastores, pings)
    ]
