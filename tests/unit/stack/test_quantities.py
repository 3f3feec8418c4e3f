from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack import quantities as q
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("30s", 30), ("1m30s", 90), ("1h", 3600), ("500ms", 0.5), ("1.5s", 1.5), ("0s", 0), ("0", 0), ("2us", 2e-6)],
)
def test_durations(text, wanted):
    assert q.seconds(text, "w") == pytest.approx(wanted)


@pytest.mark.parametrize("text", ["", "30", 30, "s", "1d", "-1s", "1 s", None, True, "30sx"])
def test_what_is_no_duration(text):
    with pytest.raises(StackError, match="^w: .* is not a duration"):
        q.seconds(text, "w")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("4G", "4Gi"),
        ("512M", "512Mi"),
        ("512m", "512Mi"),
        ("1.5g", "1536Mi"),
        ("64k", "64Ki"),
        ("1000", "1000"),
        (1024, "1Ki"),
        ("2GiB", "2Gi"),
    ],
)
def test_sizes_are_binary_as_dockers_are(text, wanted):
    assert q.kubernetes_size(q.size_bytes(text, "w")) == wanted


@pytest.mark.parametrize("text", ["", "G", "4X", "-1", None, True, 1.5])
def test_what_is_no_size(text):
    with pytest.raises(StackError, match="^w: .* is not a size"):
        q.size_bytes(text, "w")


@pytest.mark.parametrize(("text", "wanted"), [("0.5", "500m"), ("2", "2"), (1.25, "1250m"), ("0.0001", "1m"), (4, "4")])
def test_cpus(text, wanted):
    assert q.kubernetes_cpu(text, "w") == wanted


@pytest.mark.parametrize("text", ["x", None, -1, True, "nan"])
def test_what_is_no_number_of_cpus(text):
    with pytest.raises(StackError):
        q.kubernetes_cpu(text, "w")


@given(st.integers(0, 1 << 60))
def test_a_size_is_exact(count):
    text = q.kubernetes_size(count)
    units = {"Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
    assert (int(text[:-2]) * units[text[-2:]] if text[-2:] in units else int(text)) == count


@given(st.floats(0, 1e6), st.integers(0, 5))
def test_whole_seconds_never_shorten(value, least):
    whole = q.whole_seconds(value, least)
    assert whole >= least
    assert whole + 1e-5 >= value
