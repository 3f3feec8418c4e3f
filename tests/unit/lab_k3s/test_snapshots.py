"""Snapshots as files: which there are, which a retention takes away, and what the commands say."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from k3s_standin import etcd, logs, reset, snapshots
from k3s_standin.settings import resolve


@pytest.fixture
def settings(tmp_path):
    return resolve("server", {"node-ip": ["10.0.0.1"], "node-name": "one", "data-dir": str(tmp_path)})


@pytest.fixture
def words(settings):
    return ["--data-dir", str(settings.data), "--node-name", "one", "--node-ip", "10.0.0.1"]


def put(settings, *names):
    place = snapshots.folder(settings)
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        (place / name).write_text(name)


def names(settings):
    return [snapshot.name for snapshot in snapshots.found(snapshots.folder(settings))]


def test_the_time_is_read_from_the_name_and_a_half_written_file_is_none(settings):
    put(settings, "b-one-100", "a-one-200.zip", "c-one-50.part", ".hidden-1")
    assert names(settings) == ["b-one-100", "a-one-200.zip"]


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=12), st.integers(0, 12))
def test_a_retention_keeps_the_newest_of_its_own_name(times, keep):
    from pathlib import Path

    mine = [snapshots.Snapshot(Path(f"/x/on-demand-one-{t}"), t, 1) for t in sorted(times)]
    other = [snapshots.Snapshot(Path("/x/pre-upgrade-one-1"), 1, 1)]
    gone = snapshots.surplus(other + mine, "on-demand-one-", keep)
    kept = [s for s in mine if s not in gone]
    assert not set(gone) & set(other)
    assert len(kept) == (min(keep, len(mine)) if keep else len(mine))
    assert not gone or not kept or max(s.created for s in gone) < min(s.created for s in kept)


def test_listing_in_each_form(settings, words, capsys):
    put(settings, "pre-upgrade-one-1700000000")
    snapshots.command(["ls", *words], {})
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["Name", "Location", "Size", "Created"]
    assert row.split()[0] == "pre-upgrade-one-1700000000" and row.split()[3] == "2023-11-14T22:13:20Z"
    for output, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        snapshots.command(["ls", "-o", output, *words], {})
        [item] = load(capsys.readouterr().out)["items"]
        assert item["spec"]["location"] == f"file://{snapshots.folder(settings)}/pre-upgrade-one-1700000000"
    with pytest.raises(logs.Fatal, match="invalid output format: xml"):
        snapshots.command(["ls", "-o", "xml", *words], {})


def test_deleting_and_pruning(settings, words, capsys):
    put(settings, *(f"on-demand-one-{i}" for i in range(1, 8)), "pre-upgrade-one-1")
    snapshots.command(["delete", "on-demand-one-1", "nothing", *words], {})
    assert "Snapshot nothing not found locally" in capsys.readouterr().err
    snapshots.command(["prune", "--snapshot-retention", "2", *words], {})
    assert names(settings) == ["pre-upgrade-one-1", "on-demand-one-6", "on-demand-one-7"]
    with pytest.raises(logs.Fatal, match="no snapshots given for removal"):
        snapshots.command(["delete", *words], {})


def test_without_etcd_there_is_nothing_to_save(settings, words):
    with pytest.raises(logs.Fatal, match=f"etcd database not found in {settings.server_dir}"):
        snapshots.command(["save", *words], {})


@pytest.mark.parametrize("name, said", [("missing", "does not exist"), ("", "must be a file, not a directory")])
def test_what_is_no_snapshot_is_refused(tmp_path, name, said):
    values = {"node-ip": ["10.0.0.1"], "data-dir": str(tmp_path), "cluster-reset-restore-path": str(tmp_path / name)}
    with pytest.raises(logs.Fatal, match=f"etcd: snapshot path .*{said}"):
        snapshots.restore(resolve("server", values), "one-x", tmp_path / "new")


def test_a_second_reset_is_refused_until_the_server_has_started(settings):
    reset.flag_file(settings).parent.mkdir(parents=True)
    reset.flag_file(settings).touch()
    with pytest.raises(logs.Fatal, match="cluster-reset was successfully performed, please remove the cluster-reset"):
        reset.run(settings, lambda: None)


def test_a_server_without_data_has_nothing_to_reset(settings):
    assert not etcd.initialized(settings)
    with pytest.raises(logs.Fatal, match="etcd database not found"):
        reset.run(settings, lambda: None)


def test_a_server_that_joins_another_one_is_not_reset(settings):
    settings.values["server"] = "https://10.0.0.2:6443"
    with pytest.raises(logs.Fatal, match="cannot perform cluster-reset while server URL is set"):
        reset.run(settings, lambda: None)
