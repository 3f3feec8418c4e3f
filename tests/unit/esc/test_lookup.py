"""The lookup in real runs of Ansible, against a server that speaks Pulumi's API."""

from __future__ import annotations

import played
import pytest
from fake_esc import ORGANIZATION, TOKEN, FakeEsc, value


@pytest.fixture(name="esc")
def esc_fixture():
    esc = FakeEsc()
    esc.environments = {("default", "production"): {"db": value({"password": value("correct horse", secret=True)})}}
    yield esc
    esc.stop()


def play(esc, folder, tasks, **environment):
    """What a run with three hosts says, and its end."""
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    inventory = {
        "all": {
            "hosts": {host: {"ansible_connection": "local"} for host in "abc"},
            "vars": {
                "pulumi_esc_organization": ORGANIZATION,
                "pulumi_esc_environment": "production",
                "pulumi_esc_api_url": esc.url,
                "password": "{{ lookup('sophia.replatform.pulumi_esc', 'db.password') }}",
            },
        }
    }
    settings = {"PULUMI_ACCESS_TOKEN": TOKEN, "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), **environment}
    return played.play(folder, inventory, plays, "-vvv", **settings)


def test_a_run_opens_an_environment_once_and_leaves_nothing(esc, tmp_path):
    tasks = [
        {"ansible.builtin.assert": {"that": ["password == 'correct horse'"], "quiet": True}, "no_log": True},
        {
            "ansible.builtin.assert": {
                "that": ["lookup('sophia.replatform.pulumi_esc', '') == {'db': {'password': 'correct horse'}}"]
            },
            "no_log": True,
        },
    ]
    code, said = play(esc, tmp_path, tasks)
    assert code == 0, said
    assert esc.opened == [("default", "production", "latest")]
    assert "correct horse" not in said
    assert TOKEN not in said
    assert list((tmp_path / "tmp").rglob("pulumi-esc-*")) == []


def test_an_error_is_one_line_that_names_the_option(esc, tmp_path):
    tasks = [{"ansible.builtin.debug": {"msg": "{{ lookup('sophia.replatform.pulumi_esc', 'db.nope') }}"}}]
    code, said = play(esc, tmp_path, tasks)
    assert code != 0
    assert "pulumi_esc: path: 'db' has no 'nope', so 'db.nope' is not there; it has password" in said
    code, said = play(esc, tmp_path, tasks, PULUMI_ACCESS_TOKEN="")
    assert "pulumi_esc: access_token: give it, or set PULUMI_ACCESS_TOKEN" in said
