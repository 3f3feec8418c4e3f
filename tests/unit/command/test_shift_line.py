# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The line of a shift is read as the action plugin writes it."""

from __future__ import annotations

from ansible_collections.sophia.replatform.plugins.action.traffic_shift import progress_line
from hypothesis import given
from hypothesis import strategies as st

from replatform.shift_line import read_shift_line

NAMES = st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)
PROGRESS = st.fixed_dictionaries(
    {
        "service": NAMES,
        "step": st.sampled_from(["precheck", "weight", "watch", "gate", "drain", "mirror", "failed"]),
        "weight": st.integers(0, 100),
    },
    optional={
        "share": st.none() | st.floats(0, 1),
        "canary": st.fixed_dictionaries(
            {
                "requests": st.integers(0, 10**6),
                "success_rate": st.none() | st.floats(0, 100).map(lambda rate: round(rate, 2)),
                "p99_ms": st.none() | st.floats(0, 10**5).map(lambda p99: round(p99, 1)),
            }
        ),
        "reason": st.sampled_from(["", "99 % are below 99.5 %: 3 checks failed", "edge, behind"]),
    },
)


@given(host=NAMES, progress=PROGRESS, left=st.none() | st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)))
def test_all_that_is_written_is_read(host, progress, left):
    if left is not None:
        progress = {**progress, "step_left_s": left[0], "shift_left_s": left[1]}
    read = read_shift_line(f"{host}: {progress_line(progress)}")
    assert read is not None
    assert {key: read[key] for key in ("service", "step", "weight")} == {
        key: progress[key] for key in ("service", "step", "weight")
    }
    assert read["host"] == host
    canary = progress.get("canary") or {}
    if canary.get("requests"):
        assert read["requests"] == canary["requests"]
        assert read.get("success_percent") == canary["success_rate"]
        assert read.get("p99_ms") == canary["p99_ms"]
        if progress.get("share") is not None:
            assert abs(read["share"] - progress["share"]) <= 0.005001
    if left is not None:
        assert abs(read["step_left_s"] - left[0]) <= 0.5
        assert abs(read["shift_left_s"] - left[1]) <= 0.5
    assert read.get("reason", "") == progress.get("reason", "")


@given(text=st.text())
def test_other_lines_are_let_be(text):
    assert read_shift_line("TASK [" + text) is None
