# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From a module's options to the place where the scripts for a pooler and what is behind it run."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.handover import cluster, container, places
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client


def place_and_lock(options: t.Mapping[str, t.Any]) -> tuple[places.Place, str]:
    """Where scripts run, and the file on this host that keeps runs apart."""
    if options["swarm_service"]:
        service = options["swarm_service"]
        place: places.Place = container.Container(client.connect(options), service, options["deadline"])
        return place, f"/run/lock/replatform-{service}.lock"
    if options["service"]:
        at = cluster.Cluster(options["kubeconfig"], options["namespace"], options["deadline"])
        lock = f"{options['kubeconfig']}.{options['namespace']}.{options['name']}.lock"
        return cluster.Pod(at, options["service"]), lock
    return places.Here(options["deadline"]), f"{options['pooler_file']}.run.lock"
