"""The part of the role that writes the umbrella chart, in real plays on this machine."""

from __future__ import annotations

import json
import pathlib
import re

import played
import pytest

from .conftest import VALUES

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
SECRET = "correct-horse-battery-staple"
FLAT = {
    **VALUES,
    "imagePullPolicy": "Always",
    "imagePullSecrets": [],
    "chartDigest": "abc",
    "swarmNodes": [{"id": "n"}],
}
READ = "{{ {'back': __platform_umbrella_values, 'chart': __platform_chart_ref} | to_json }}"


@pytest.fixture
def play(tmp_path):
    """Runs the entry point; returns what was printed, how many tasks changed something, and what came back."""

    def run(*options, values=FLAT, hidden=False, **more):
        variables = {
            "platform_umbrella": True,
            "platform_release": "shop",
            "platform_namespace": "shop",
            "platform_artifacts": str(tmp_path),
            "platform_services": [{"name": "web", "group": "front", "kind": "http", "port": 80}],
            "platform_chart_names": {"front": "frontend"},
            "__platform_values": values,
            "__platform_values_hidden": hidden,
            **more,
        }
        role = {"name": "sophia.replatform.platform", "tasks_from": "umbrella", "public": True}
        # What helm would say of the release that was deployed with these values.
        role_path = str(ROOT / "roles" / "platform")
        said = {"role_path": role_path, "__platform_release_info": {"status": {"values": "{{ __platform_values }}"}}}
        keep = {"content": READ, "dest": str(tmp_path / "back.json"), "mode": "0600"}
        tasks = [
            {"ansible.builtin.include_role": role},
            {"ansible.builtin.copy": keep, "vars": said, "no_log": True, "check_mode": False},
        ]
        plays = [
            {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": tasks}
        ]
        code, text = played.play(tmp_path, "localhost,", plays, *options)
        assert code == 0, text
        changed = re.findall(r"Write the umbrella chart\].*?^(changed|ok): ", text, re.DOTALL | re.MULTILINE)
        return text, changed == ["changed"], json.loads((tmp_path / "back.json").read_text(encoding="utf-8"))

    return run


def test_the_chart_is_written_once_and_its_values_come_back(play, tmp_path):
    text, changed, _back = play("--check", "--diff")
    assert changed and not (tmp_path / "shop").exists() and "+name: shop" in text
    _text, changed, back = play()
    assert changed and (tmp_path / "shop" / "charts" / "frontend" / "values.yaml").exists()
    assert back["chart"] == str(tmp_path / "shop")
    digest = back["back"].pop("chartDigest")
    assert re.fullmatch("[0-9a-f]{12}", digest)
    assert back["back"] == {key: value for key, value in FLAT.items() if key != "chartDigest"} | {
        "networkPolicy": {"enabled": True}
    }
    _text, changed, _back = play()
    assert not changed


def test_a_secret_is_shown_nowhere(play, tmp_path):
    services = {"web": {**VALUES["services"]["web"], "env": [{"name": "PASSWORD", "value": SECRET}]}}
    text, _changed, back = play("-vvv", "--diff", values={**FLAT, "services": services}, hidden=True)
    assert SECRET not in text
    assert back["back"]["services"]["web"]["env"] == [{"name": "PASSWORD", "value": SECRET}]
    assert SECRET not in "".join(path.read_text("utf-8") for path in (tmp_path / "shop").rglob("*") if path.is_file())
