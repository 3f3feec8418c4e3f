"""Whom a breach of a shift leaves on K3s: the same services as the guard."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

SHIFT = pathlib.Path(__file__).parents[3] / "roles/cutover/tasks/shift.yml"


@pytest.mark.parametrize(
    ("stores", "lowest"),
    [
        ({}, {"backend": 0, "site": 0}),
        ({"__cutover_guard_stores": []}, {"backend": 0, "site": 0}),
        ({"__cutover_guard_stores": ["db"]}, {"backend": 100, "site": 0}),
    ],
    ids=["in check mode", "none has moved", "one has moved"],
)
def test_the_weight_below_which_no_breach_takes_it(stores: dict[str, t.Any], lowest: dict[str, int]) -> None:
    (given,) = (
        task["vars"] for task in yaml.safe_load(SHIFT.read_text()) if "edge_shift_state" in task.get("vars", {})
    )
    template = trust_as_template(given["edge_shift_min_weight"])
    for service, weight in lowest.items():
        variables = {"__cutover_service": {"name": service}, "cutover_guard_returns": ["site"], **stores}
        assert int(Templar(loader=DataLoader(), variables=variables).template(template)) == weight
