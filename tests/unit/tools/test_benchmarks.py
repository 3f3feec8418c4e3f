"""The benchmarks are run as scripts, so their folder comes before Python's own modules."""

from __future__ import annotations

import pathlib
import sys


def test_no_benchmark_hides_a_module_of_python():
    names = {path.stem for path in (pathlib.Path(__file__).parents[3] / "benchmarks").glob("*.py")}
    assert len(names) > 5
    assert not names & set(sys.stdlib_module_names)
