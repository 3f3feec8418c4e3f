"""The inventory that a second user begins with, as it is in the tree and with addresses of their own."""

from __future__ import annotations

import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from command.calling import call

ROOT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = ROOT / "inventories/two-nodes"
SETTINGS = {path.stem: yaml.safe_load(path.read_text()) for path in (FOLDER / "group_vars/all").glob("*.yml")}
#: Roles whose required variables an inventory gives; those of the others are given by playbooks and roles.
ROLES = ("evidence", "repository", "platform", "cutover", "swarm_retirement")

#: These two want what a manager has said.
AFTER_THE_SWARM_WAS_READ = {"platform_swarm", "platform_swarm_manager"}


@pytest.fixture
def theirs(tmp_path) -> pathlib.Path:
    folder = tmp_path / "two-nodes"
    shutil.copytree(FOLDER, folder)
    hosts = folder / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("192.0.2.", "198.18.0."))
    return folder


def ansible(program: str, *options: str) -> subprocess.CompletedProcess[str]:
    path = pathlib.Path(sys.executable).parent / program
    return subprocess.run([path, *options], cwd=ROOT, capture_output=True, text=True, check=False)


def preflight(folder: pathlib.Path) -> subprocess.CompletedProcess[str]:
    return ansible(
        "ansible-playbook", "playbooks/preflight.yml", "-i", str(folder), "-e", "preflight_contact_hosts=false"
    )


def test_it_has_no_fault_with_addresses_of_ones_own(theirs) -> None:
    done = preflight(theirs)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 hosts, no fault" in done.stdout


def test_its_own_addresses_are_refused() -> None:
    done = preflight(FOLDER)
    assert done.returncode == 2
    assert "2 faults in the inventory, nothing was changed:" in done.stdout
    for name in ("node-1", "node-2"):
        assert re.search(
            rf"^{name}: ansible_host .* is a documentation address \(RFC 5737\)", done.stdout, re.MULTILINE
        )


def test_every_variable_of_it_can_be_resolved() -> None:
    names = sorted({name for settings in SETTINGS.values() for name in settings} - AFTER_THE_SWARM_WAS_READ)
    message = "{{ [" + ", ".join(names) + "] | to_json }}"  # which resolves each of them
    done = ansible(
        "ansible", "localhost", "-i", str(FOLDER), "-m", "ansible.builtin.debug", "-a", json.dumps({"msg": message})
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("role", ROLES)
def test_it_gives_what_the_roles_require(role) -> None:
    given = {name for settings in SETTINGS.values() for name in settings}
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    required = {
        name
        for spec in specs.values()
        for name, option in (spec.get("options") or {}).items()
        if option.get("required")
    }
    assert required - given - {"evidence_phase"} == set()  # a playbook says the phase


def test_it_sets_nothing_that_no_role_knows() -> None:
    files = [*ROOT.glob("roles/*/meta/argument_specs.yml"), *ROOT.glob("playbooks/**/*.yml")]
    known = {name for path in files for name in re.findall(r"\w+", path.read_text())}
    names = {name for settings in SETTINGS.values() for name in settings if not name.startswith("replatform_")}
    assert [name for name in sorted(names) if name not in known] == []


def test_its_plan_contacts_nobody_and_names_every_service() -> None:
    code, events = call(["plan", "--offline"], ROOT, FOLDER)
    assert code == 0
    moved = [(event["service"], event["how"]) for event in events if event["event"] == "service"]
    assert moved == [("api", "shifted"), ("web", "shifted"), ("postgres", "handed over")]


def test_the_page_shows_it_as_it_is() -> None:
    shown = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/your-swarm.md").read_text(), re.MULTILINE | re.DOTALL)
    files = "".join(path.read_text() for path in FOLDER.rglob("*.yml"))
    assert len(shown) == 2
    assert [text for text in shown if text not in files] == []
