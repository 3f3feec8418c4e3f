from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack import run
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError


def params(path, **given):
    defaults = {
        "stack_files": [str(path)],
        "stack": "shop",
        "environment": {},
        "external": {},
        "handed_over": [],
        "live": None,
        "current": None,
        "nodes": [],
        "exclude": [],
        "strict": False,
    }
    return {**defaults, **given}


@pytest.fixture
def stack_file(tmp_path):
    def write(text):
        path = tmp_path / "stack.yml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_result(stack_file):
    path = stack_file("services: {web: {image: 'web:${TAG}', init: true}}")
    result, reason = run.stack_values(params(path, environment={"TAG": 2, "DEBUG": True}))
    assert reason == ""
    assert result["values"]["services"]["web"]["image"] == "web:2"
    assert result["summary"]["refused"] == 0
    assert {"service": "web", "key": "image", "verdict": "mapped", "note": ""} in result["verdicts"]
    assert "| `init` | reported |" in result["markdown"]


def test_the_controllers_environment_is_not_read(stack_file, monkeypatch):
    monkeypatch.setenv("TAG", "1")
    with pytest.raises(StackError, match="variable TAG has no value"):
        run.stack_values(params(stack_file("services: {web: {image: 'web:${TAG}'}}")))


def test_a_refused_key_is_one_clear_line(stack_file):
    result, reason = run.stack_values(params(stack_file("services: {web: {image: x, deploy: {replicaz: 2}}}")))
    assert reason == (
        "stack.yml: service 'web': deploy.replicaz: refused: unknown key; docker stack deploy does not take it either"
    )
    assert result["summary"]["refused"] == 1


@pytest.mark.parametrize(("there", "refused"), [([], True), (["other"], True), (["key"], False)])
def test_an_external_secret_that_the_swarm_does_not_have_is_refused_in_one_line(stack_file, there, refused):
    path = stack_file("services: {web: {image: x, secrets: [s]}}\nsecrets: {s: {external: true, name: key}}")
    objects = {"networks": [], "configs": [], "secrets": [{"id": name, "name": name, "own": False} for name in there]}
    _result, reason = run.stack_values(params(path, live=[{"name": "web", "image": "x"}], live_objects=objects))
    wanted = (
        "stack.yml: service 'web': secrets[s]: refused: the Swarm has no secret 'key': make it, or take the mount out"
    )
    assert reason == (wanted if refused else "")


def test_many_refused_keys_are_counted(stack_file):
    keys = ", ".join(f"k{i}: 1" for i in range(8))
    _result, reason = run.stack_values(params(stack_file("services: {web: {image: x, " + keys + "}}")))
    assert reason.endswith("; and 3 more")


def test_strict_refuses_everything_that_is_not_mapped(stack_file):
    path = stack_file("services: {web: {image: x, init: true}}")
    assert run.stack_values(params(path))[1] == ""
    assert "init: reported" in run.stack_values(params(path, strict=True))[1]


def test_a_service_that_runs_and_no_file_has_is_refused(stack_file):
    live = [{"name": "web", "image": "x"}, {"name": "lost", "image": "y"}]
    result, reason = run.stack_values(params(stack_file("services: {web: {image: x}}"), live=live))
    assert "service 'lost'" in reason
    assert result["drift"][0]["service"] == "lost"
    assert "## Drift" in result["markdown"]


def test_files_that_can_not_be_read(tmp_path, stack_file):
    with pytest.raises(StackError, match="none.yml: can't be read: No such file"):
        run.stack_values(params(tmp_path / "none.yml"))
    (tmp_path / "bad.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StackError, match="bad.yml: can't be read: it is not UTF-8"):
        run.stack_values(params(tmp_path / "bad.yml"))


def test_named_files_are_found_beside_the_stack_file(tmp_path, stack_file):
    (tmp_path / "a.env").write_text("A=1\n", encoding="utf-8")
    result, _reason = run.stack_values(params(stack_file("services: {web: {image: x, env_file: ./a.env}}")))
    assert result["values"]["services"]["web"]["env"] == [{"name": "A", "value": "1"}]
