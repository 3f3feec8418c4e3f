# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a commit draws: one number for all that is drawn, and over the commits everything."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
from drawing import ONE_OF, drawn

ROOT = pathlib.Path(__file__).resolve().parents[3]
CONFTEST = ROOT / "tests/conftest.py"


def said(*command, cwd=ROOT, **env):
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **env}, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def draw(*args, **env):
    returned, text = said(ROOT / "tools/draw", *args, **env)
    assert returned == 0, text
    return text.strip()


def test_it_is_drawn_by_the_commit():
    head = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert draw() == head[:7]
    assert draw("scenario", "1000000") == draw("scenario", "1000000", DRAW_SEED=head[:7])
    assert draw(DRAW_SEED="0000abc") == "0000abc"


def test_each_thing_is_drawn_by_some_commit_and_apart_from_the_others():
    drawn_of = [(draw("this", "3", DRAW_SEED=str(seed)), draw("that", "3", DRAW_SEED=str(seed))) for seed in range(60)]
    assert set(drawn_of) == {(one, other) for one in "012" for other in "012"}


def test_every_scenario_of_the_soak_is_drawn_by_some_commit():
    every = said("tools/scenarios", "all")[1].split()
    samples = [said("tools/scenarios", "sample", DRAW_SEED=str(seed))[1].split() for seed in range(120)]
    assert set(every) - set().union(*samples) == {"drain_faults", "replatform"}
    assert all({"default", "migration"} < set(sample) for sample in samples)
    assert all("k3s_upgrade" in sample for sample in samples if any(name.startswith("k3s_") for name in sample))


@pytest.mark.parametrize("seed", ["1", "214838168"])
def test_of_many_tests_about_one_in_so_many_is_drawn(seed):
    of = 6000
    found = sum(drawn(seed, f"tests/unit/test_it.py::test_one[{number}]") for number in range(of))
    assert of / ONE_OF / 1.25 < found < of / ONE_OF * 1.25


def test_each_test_is_drawn_by_some_commit():
    for number in range(50):
        assert any(drawn(str(seed), f"tests/unit/test_it.py::test_one[{number}]") for seed in range(400))


def test_pytest_draws_the_slow_ones_and_runs_all_others(tmp_path):
    (tmp_path / "conftest.py").write_text(
        f"import importlib.util\nspec = importlib.util.spec_from_file_location('given', {str(CONFTEST)!r})\n"
        "given = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(given)\n"
        "pytest_addoption = given.pytest_addoption\n"
        "pytest_collection_modifyitems = given.pytest_collection_modifyitems\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import pytest\n"
        "@pytest.mark.slow\n@pytest.mark.parametrize('number', range(60))\ndef test_slow(number): pass\n"
        "@pytest.mark.parametrize('number', range(60))\ndef test_quick(number): pass\n"
    )
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmarkers = slow\npythonpath = {CONFTEST.parent}\n")
    collect = ["python", "-m", "pytest", "-q", "--collect-only"]
    named = [f"test_it.py::test_slow[{number}]" for number in range(60)]
    for seed in ("3", "4"):
        returned, text = said(*collect, "--drawn", cwd=tmp_path, DRAW_SEED=seed)
        assert returned == 0 and text.count("::test_quick[") == 60, text
        assert [name for name in named if name in text.split()] == [name for name in named if drawn(seed, name)]
    assert said(*collect, cwd=tmp_path)[1].count("::test_slow[") == 60
