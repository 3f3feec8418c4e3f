"""The prober's lines summed up."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.traffic import (
    Traffic,
    count_failures,
    parse,
    sum_up,
    within,
)
from hypothesis import given
from hypothesis import strategies as st

SAMPLE = st.fixed_dictionaries(
    {
        "t": st.integers(100, 160),
        "service": st.sampled_from(["backend", "frontend"]),
        "total": st.integers(0, 50),
        "failed": st.integers(0, 3),
        "sides": st.dictionaries(st.sampled_from(["swarm", "k3s"]), st.integers(0, 30)),
        "latency_ms": st.dictionaries(st.sampled_from(["1.0", "2.0", "4.0"]), st.integers(1, 30)),
    }
)


def line(**changes: t.Any) -> str:
    sample = {"t": 100, "service": "backend", "total": 3, "failed": 1, "sides": {"swarm": 2}, "latency_ms": {"2.0": 2}}
    return json.dumps({**sample, **changes})


@given(st.lists(SAMPLE, max_size=30), st.integers(1, 60))
def test_however_it_is_cut_into_bins_and_services_the_sums_are_the_same(
    samples: list[dict[str, t.Any]], seconds: int
) -> None:
    traffic = sum_up(map(json.dumps, samples), None, None)
    total = sum(sample["total"] for sample in samples)
    assert traffic.whole().total == total
    assert traffic.whole().failed == sum(sample["failed"] for sample in samples)
    assert sum(traffic.whole([service]).total for service in traffic.services) == total
    bins = traffic.bins(seconds)
    assert sum(part.total for part in bins.values()) == total
    assert sum(sum(part.latency.values()) for part in bins.values()) == sum(
        sum(sample["latency_ms"].values()) for sample in samples
    )
    assert list(bins) == sorted(bins)
    assert all(start % seconds == 0 for start in bins)


@given(st.lists(SAMPLE, max_size=60), st.integers(1, 20))
def test_long_migrations_have_longer_slots_and_the_same_sums(samples: list[dict[str, t.Any]], most: int) -> None:
    fine, coarse = Traffic(), Traffic(most=most)
    for sample in filter(None, map(parse, map(json.dumps, samples))):
        fine.take(sample)
        coarse.take(sample)
        assert all(len(slots) <= most for slots in coarse.services.values())
    assert coarse.whole() == fine.whole()
    assert coarse.bins(coarse.slot_s) == fine.bins(coarse.slot_s)
    assert coarse.bins(3600) == fine.bins(3600)


@given(st.lists(SAMPLE, max_size=10), st.integers(0, 400))
def test_a_torn_line_costs_itself_alone(samples: list[dict[str, t.Any]], cut: int) -> None:
    lines = [json.dumps(sample) for sample in samples]
    torn = line()[: min(cut, len(line()) - 1)]
    assert sum_up([*lines, torn], None, None) == sum_up(lines, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "null",
        '{"t": 1, "service": "s", "reason": "timeout"}',
        line(total=None),
        line(total=True),
        line(total=-1),
        line(total=1.5),
        line(failed="0"),
        line(t="soon"),
        line(t=None),
        line(sides=[1]),
        line(sides={"swarm": -1}),
        line().replace("100", "NaN"),
        line().replace("100", "Infinity"),
    ],
)
def test_lines_of_another_kind_are_no_samples(text: str) -> None:
    assert parse(text) is None


def test_sides_and_latency_may_be_missing() -> None:
    sample = parse('{"t": 1, "service": "s", "total": 4, "failed": 4}')
    assert sample is not None
    assert (sample["sides"], sample["latency_ms"]) == ({}, {})


@pytest.mark.parametrize(
    ("second", "since", "until", "counts"),
    [
        (10, None, None, True),
        (10, 10.9, None, True),
        (10, 11.0, None, False),
        (10, None, 10.0, True),
        (10, None, 9.9, False),
        (10, 9, 12, True),
    ],
)
def test_a_second_counts_if_it_overlaps_the_time(
    second: int, since: float | None, until: float | None, counts: bool
) -> None:
    assert within(second, since, until) is counts
    assert sum_up([line(t=second)], since, until).whole().total == (3 if counts else 0)


def test_the_share_is_of_the_answers_whose_side_is_known() -> None:
    whole = sum_up([line(total=10, sides={"swarm": 1, "k3s": 3, "unknown": 6})], None, None).whole()
    assert whole.share("k3s") == 0.75
    for sides in ({}, {"unknown": 9}):
        assert sum_up([line(sides=sides)], None, None).whole().share("k3s") is None


def test_two_lines_of_one_second_add_up_as_after_a_restart_of_the_prober() -> None:
    traffic = sum_up([line(), line(total=5, failed=0)], None, None)
    assert (traffic.bins()[100].total, traffic.bins()[100].failed) == (8, 1)


def test_failures_are_counted_by_service_and_reason_within_the_time() -> None:
    failures = [(5, "backend", "timeout"), (15, "backend", "timeout"), (16, "backend", "timeout"), (16, "rag", "502")]
    lines = [json.dumps({"t": when, "service": service, "reason": reason}) for when, service, reason in failures]
    counted = count_failures([*lines, line(t=16), '{"t": 16, "reason": "to', '{"reason": 1}', "[]"], 10, 20)
    assert counted == {("backend", "timeout"): 2, ("rag", "502"): 1}
