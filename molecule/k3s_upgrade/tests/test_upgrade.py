"""Every node runs the new release, no request was lost on the way, and never were two servers down at once."""

from __future__ import annotations

import json

NEW = "v1.35.7+k3s1"
RECORDED = "/var/lib/replatform/prober"


def down(journal, names):
    """For each server, the times between the start of its act and its gate."""
    spans, open_since = [], {}
    for entry in journal:
        if entry["operation"] != "rolling" or entry["subject"] not in names:
            continue
        if (entry["step"], entry["event"]) == ("act", "start"):
            open_since.setdefault(entry["subject"], entry["time"])
        if (entry["step"], entry["event"]) == ("gate", "ok"):
            spans.append((open_since.pop(entry["subject"], entry["time"]), entry["time"], entry["subject"]))
    assert not open_since
    return sorted(spans)


def test_every_node_runs_the_new_release(fleet):
    assert fleet.versions() == {NEW}
    assert fleet.condition("Ready") == dict.fromkeys(fleet.hosts, "True")
    assert fleet.condition("EtcdIsVoter") == dict.fromkeys(fleet.servers, "True")
    assert not any(node["spec"].get("unschedulable") for node in fleet.nodes().values())


def test_never_were_two_servers_down(fleet):
    spans = down(fleet.journal(), fleet.servers)
    assert {name for _begin, _end, name in spans} == set(fleet.servers)
    assert all(first[1] <= second[0] for first, second in zip(spans, spans[1:]))


def test_every_pod_was_evicted_and_none_was_deleted(fleet):
    steps = {entry["step"] for entry in fleet.journal() if entry["operation"] == "k3s_drain"}
    assert steps >= {"cordon", "evict", "wait_for_pods", "uncordon"}


def test_no_request_was_lost(fleet):
    edge = fleet.on(fleet.servers[0])
    lines = edge.check_output("cat %s/requests-*.jsonl", RECORDED).splitlines()
    counts = [json.loads(line) for line in lines]
    total = sum(count["total"] for count in counts)
    failed = sum(count["failed"] for count in counts)
    assert total > 20_000
    assert failed == 0


def test_a_snapshot_was_saved_before_each_server_changed(fleet):
    for name in fleet.servers:
        assert "before-upgrade" in fleet.on(name).check_output("ls /var/lib/rancher/k3s/server/db/snapshots")
