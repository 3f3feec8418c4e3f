# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which Secrets a release names, and which of them will not be there. Pure."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import dns_name

PULL_KEY = ".dockerconfigjson"


def faults(
    values: t.Mapping[str, t.Any],
    present: t.Iterable[t.Mapping[str, t.Any]] = (),
    given: t.Iterable[str] = (),
    pull_secrets: t.Iterable[str] = (),
) -> list[str]:
    """One line for every Secret, or key of one, that a service of the chart's O(values) mounts, or that pulling images
    needs, and that will not be there.

    O(present) are the Secrets of the namespace, as Kubernetes gives them; of their data only the keys are looked at.
    O(given) are the names on the Swarm of what is written before the release is deployed.
    """
    known = {item["metadata"]["name"]: set(item.get("data") or {}) for item in present}
    for source in given:
        known.setdefault(dns_name(source), set()).add(source)
    lines = []
    for (secret, key), users in sorted(_named(values, pull_secrets).items()):
        keys = known.get(secret)
        if keys is None:
            lines.append(f"Secret {secret} of {', '.join(users)} is not in the cluster and nothing brings it there")
        elif key not in keys:
            lines.append(f"Secret {secret} of {', '.join(users)} has no key {key}")
    return lines


def _named(values: t.Mapping[str, t.Any], pull_secrets: t.Iterable[str]) -> dict[tuple[str, str], list[str]]:
    named: dict[tuple[str, str], list[str]] = {}
    for service, body in sorted((values.get("services") or {}).items()):
        for item in body.get("secrets") or []:
            named.setdefault((item["secret"], item["key"]), []).append(service)
    for name in pull_secrets:
        named.setdefault((name, PULL_KEY), []).append("platform_image_pull_secrets")
    return named
