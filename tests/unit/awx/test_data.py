"""The data below awx/ against the playbooks, the roles' argument specs and the inventories."""

from __future__ import annotations

import pathlib
import re
import typing as t

import awx_data
import pytest
import yaml

ROOT = awx_data.ROOT
DATA = awx_data.load("templates.yml")
TEMPLATES = DATA["awx_job_templates"]
NODES = awx_data.load("workflow.yml")["awx_workflow_nodes"]
QUESTIONS = [
    pytest.param(template, question, id=question["variable"])
    for template in TEMPLATES
    for question in template.get("survey", [])
]


def _options() -> dict[str, list[tuple[str, dict[str, t.Any]]]]:
    """Each variable of a role, with the role and its description in every entry point that takes it."""
    found: dict[str, list[tuple[str, dict[str, t.Any]]]] = {}
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            for name, option in entry.get("options", {}).items():
                found.setdefault(name, []).append((path.parts[-3], option))
    return found


OPTIONS = _options()


def _roles(playbook: pathlib.Path, seen: set[pathlib.Path]) -> set[str]:
    """The roles that a playbook names, what it imports and includes counted in, and the roles those name in turn."""
    if playbook in seen or not playbook.exists():
        return set()
    seen.add(playbook)
    text = playbook.read_text()
    roles = set(re.findall(r"sophia\.replatform\.(\w+)\s*$", text, re.MULTILINE))
    for name in re.findall(r"(?:import_playbook|include_tasks|import_tasks): (\S+)", text):
        roles |= _roles(playbook.parent / name, seen)
    for role in list(roles):
        for path in sorted(ROOT.glob(f"roles/{role}/tasks/*.yml")):
            roles |= _roles(path, seen)
    return roles


def test_every_playbook_has_a_template_or_a_reason_for_none() -> None:
    with_one = {one["playbook"] for one in TEMPLATES}
    without = set(DATA["awx_without_template"])
    assert not with_one & without
    assert with_one | without == {path.name for path in ROOT.glob("playbooks/*.yml")}


def test_names_are_told_apart() -> None:
    names = [one["name"] for one in TEMPLATES] + [awx_data.load("workflow.yml")["awx_workflow"]["name"]]
    names.append(awx_data.load("organization.yml")["awx_project"]["name"])
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("template", "question"), QUESTIONS)
def test_a_question_is_a_variable_of_a_role_that_the_playbook_runs(
    template: dict[str, t.Any], question: dict[str, t.Any]
) -> None:
    roles = _roles(ROOT / "playbooks" / template["playbook"], set())
    described = [option for role, option in OPTIONS.get(question["variable"], []) if role in roles]
    assert described, f"no role of {template['playbook']} has {question['variable']}"
    for option in described:
        _same(option, question)


def _same(option: dict[str, t.Any], question: dict[str, t.Any]) -> None:
    if option["type"] == "bool":
        assert (question["type"], question["choices"]) == ("multiplechoice", ["true", "false"])
        assert question["default"] == str(option["default"]).lower()
        return
    assert question["default"] == option["default"]
    assert isinstance(question["default"], {"int": int, "str": str}[option["type"]])
    assert question["type"] == ("integer" if option["type"] == "int" else "multiplechoice")
    if option["type"] == "str":
        assert set(question["choices"]) <= set(option["choices"])
        assert question["default"] in question["choices"]
    else:
        assert question["min"] <= question["default"] <= question["max"]


@pytest.mark.parametrize(("template", "question"), QUESTIONS)
def test_a_yes_or_no_is_made_one_where_it_is_used(template: dict[str, t.Any], question: dict[str, t.Any]) -> None:
    """AWX' surveys answer with a text."""
    name = question["variable"]
    if question.get("choices") != ["true", "false"]:
        return
    lines = [
        line
        for path in ROOT.glob("roles/*/tasks/*.yml")
        for line in path.read_text().splitlines()
        if name in line.split()
    ]
    assert lines
    assert all(f"{name} | bool" in line for line in lines), lines


@pytest.mark.parametrize(
    "environment", [one["environment"] for one in awx_data.load("organization.yml")["awx_inventories"]]
)
def test_no_default_of_a_survey_outranks_an_inventory(environment: str) -> None:
    folder = ROOT / "inventories" / environment
    assert (folder / "hosts.yml").exists()
    said: dict[str, t.Any] = {}
    for path in folder.glob("group_vars/**/*.yml"):
        said |= yaml.safe_load(path.read_text()) or {}
    for template in TEMPLATES:
        for question in template.get("survey", []):
            assert said.get(question["variable"], question["default"]) == question["default"], question["variable"]


def test_links_of_the_workflow_point_forward_to_nodes_and_templates_that_are_there() -> None:
    names = [one["identifier"] for one in NODES]
    templates = {one["name"] for one in TEMPLATES}
    for place, node in enumerate(NODES):
        assert ("template" in node) != ("approval" in node)
        assert node.get("template") in templates | {None}
        links = [name for how in ("success", "failure", "always") for name in node.get(how, [])]
        assert len(links) == len(set(links))
        assert all(name in names[place + 1 :] for name in links), node


def test_the_workflow_goes_the_whole_way_with_an_approval_before_each_phase_that_changes_a_host() -> None:
    by_name = {one["identifier"]: one for one in NODES}
    way = ["preflight"]
    while by_name[way[-1]].get("success"):
        way += by_name[way[-1]]["success"]
    assert way == [
        *("preflight", "repository", "approve-cluster", "cluster", "approve-platform", "platform"),
        *("approve-cutover", "cutover", "verify"),
    ]
    assert all(by_name[name].get("failure") for name in way[:-1] if "template" in by_name[name])


def test_no_way_after_a_fault_ends_well() -> None:
    """AWX calls a workflow successful when its last nodes are; verify alone fails while the move is not whole."""
    ends = {one["template"] for one in NODES if not any(one.get(how) for how in ("success", "failure", "always"))}
    assert ends == {"Replatform verify"}


def test_the_handbook_says_why_a_template_is_sliced_or_not() -> None:
    text = " ".join((ROOT / "docs/awx.md").read_text().split())
    for one in TEMPLATES:
        assert f"| {one['name']} | {one['slices']} | {one['slicing']} |" in text


def test_the_data_has_no_value_for_a_credential() -> None:
    data = awx_data.load("credentials.yml")
    assert all(set(one) == {"name", "credential_type", "description"} for one in data["awx_credentials"])
    fields = {one["id"]: one for kind in data["awx_credential_types"] for one in kind["inputs"]["fields"]}
    assert all(one["secret"] and "default" not in one for one in fields.values())
    read = set()
    for path in ROOT.glob("inventories/production/group_vars/all/*.yml"):
        read |= set(re.findall(r"'(REPLATFORM_(?:SECRETS|REGISTRY_CONFIG|STACK_ENVIRONMENT))'", path.read_text()))
    assert {name for kind in data["awx_credential_types"] for name in kind["injectors"]["env"]} == read
