"""Nobody waits for ever for a Kubernetes API that is frozen, or behind something that lost its answer: the client itself has no limit."""

import pathlib

import pytest
import yaml

PROJECT = pathlib.Path(__file__).parents[3]
FILES = [*sorted(PROJECT.glob("roles/*/tasks/*.yml")), *sorted(PROJECT.glob("playbooks/*.yml"))]
# It waits as long as its own option says; what it does where the API is frozen has not been seen.
RUN_HELM = {"kubernetes.core.helm"}


def tasks_of(entries):
    """All tasks in them, those of blocks and plays, too."""
    for entry in entries or []:
        inner = [key for key in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always") if key in entry]
        for key in inner:
            yield from tasks_of(entry[key])
        if not inner:
            yield entry


ASKING = [
    (path.relative_to(PROJECT), task)
    for path in FILES
    for task in tasks_of(yaml.safe_load(path.read_text()))
    if any(key.startswith("kubernetes.core.") and key not in RUN_HELM for key in task)
]


def test_there_are_some():
    assert len(ASKING) > 50


@pytest.mark.parametrize(("path", "task"), ASKING, ids=[f"{path}: {task['name']}" for path, task in ASKING])
def test_who_asks_the_api_has_a_limit(path, task):
    assert "timeout" in task
