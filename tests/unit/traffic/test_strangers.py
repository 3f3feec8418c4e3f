"""Files of other hands that are good, and that only Traefik can judge, are let alone; no parser stops a way back. Nothing here runs a Traefik."""

from __future__ import annotations

import time

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.traffic import effect
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.strangers import Strangers, broken
from ansible_collections.sophia.replatform.plugins.module_utils.traffic.watch import Watched

from .conftest import until
from .obedient import REFUSED, Obedient, in_place_of_all

DEEP = "[" * 2000
# What Traefik 3 takes, as tried, and for the last three leaves to the decoder behind its parser.
NOT_FOR_A_PARSER = [
    "a: 1\n---\n",
    "a: 1\n---\nb: [\n",
    "a:\t1\n",
    "a: # tabs\t\t\n  - b:\t{c:\t1}\t\n    d:   2\n",
    "a: !theirs 1\n",
    "a: =\n",
    "a: 2021-99-99\n",
    "a: " + DEEP + "]" * len(DEEP) + "\n",
    "a: !!bool foo\n",
    "a: !!timestamp foo\n",
    "a: *nobody\n",
]


@pytest.fixture()
def obedient(tmp_path, monkeypatch):
    edge = Obedient(tmp_path)
    in_place_of_all(edge, monkeypatch)
    return edge


def test_broken_files_of_another_hand_are_told_apart(tmp_path):
    for name, text in {"a.yml": "a: [", "b.yaml": "a: 1", "c.toml": "a = ", "d.yml": "{{ if }}", "e.txt": "["}.items():
        (tmp_path / name).write_text(text)
    foreign = Strangers(str(tmp_path), str(tmp_path / "kept")).files()
    assert [path.rsplit("/", 1)[1] for path in foreign] == ["a.yml", "b.yaml", "c.toml", "d.yml"]
    assert [bool(broken(path)) for path in foreign] == [True, False, True, False]


@pytest.mark.parametrize("text", NOT_FOR_A_PARSER, ids=range(len(NOT_FOR_A_PARSER)))
@pytest.mark.parametrize("libyaml", [True, False], ids=["libyaml", ""])
def test_what_a_parser_can_not_judge_is_not_called_broken(tmp_path, monkeypatch, text, libyaml):
    if not libyaml:
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
        text = text.replace(DEEP, DEEP[:200]).replace("]" * len(DEEP), "]" * 200)
    (tmp_path / "theirs.yml").write_text(text)
    assert broken(str(tmp_path / "theirs.yml")) == ""


@pytest.mark.parametrize("name", ["theirs.yml", "theirs.toml"])
@pytest.mark.parametrize("text", [DEEP, "a: [", "a: {b: [}\n", "\ta: 1\n"], ids=range(4))
def test_what_does_not_parse_is_told_in_one_line(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    said = broken(str(tmp_path / name))
    assert "\n" not in said and (said or (name.endswith(".toml") and text == DEEP))


def test_a_fault_of_the_parser_itself_says_nothing(tmp_path, monkeypatch):
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    (tmp_path / "theirs.yml").write_text('a: "\\UFFFFFFFF"\n')
    assert broken(str(tmp_path / "theirs.yml")) == ""


def test_a_file_that_only_our_parser_does_not_take_is_let_alone_up_and_back(obedient):
    theirs = obedient.dynamic_dir / "theirs.yml"
    theirs.write_text("http: {")
    until(lambda: time.time() > theirs.stat().st_ctime + 0.1)  # the clock of files lags
    obedient.watches = [Watched, Watched]
    assert obedient.shift()["weight"] == 100
    # Traefik has taken a change beside it: there is nothing to try any more.
    assert Strangers(str(obedient.dynamic_dir), str(obedient.state_dir / "strangers")).broken() is None
    theirs.write_text("http: {{} {")
    result = obedient.shift(state="rolled_back")
    assert result["weight"] == 0 and "strangers_set_aside" not in result["steps"][0]
    assert [path.name for path in obedient.dynamic_dir.glob("theirs*")] == ["theirs.yml"]


def test_what_traefik_refuses_is_named_before_a_step_and_goes_back_before_our_file(obedient):
    theirs = obedient.dynamic_dir / "theirs.yml"
    obedient.watches = [Watched, Watched]
    obedient.shift()
    theirs.write_text(REFUSED)
    with pytest.raises(
        RefusedError, match=r"theirs.yml can not be read \(.*\): Traefik takes no change while it is there; mend it"
    ):
        obedient.shift(max_weight=50)
    (back,) = obedient.shift(state="rolled_back")["steps"]
    assert back["strangers_set_aside"] == [str(theirs)] and not theirs.exists()


@pytest.mark.parametrize("text", NOT_FOR_A_PARSER, ids=range(len(NOT_FOR_A_PARSER)))
def test_no_file_stops_the_way_back(obedient, text):
    obedient.watches = [Watched, Watched]
    obedient.shift()
    (obedient.dynamic_dir / "theirs.yml").write_text(text)
    assert obedient.shift(state="rolled_back")["weight"] == 0
    assert (obedient.dynamic_dir / "theirs.yml").read_text() == text


@pytest.mark.parametrize("parses", [True, False])
def test_what_broke_while_traefik_took_a_change_goes_back_too(obedient, monkeypatch, parses):
    theirs = obedient.dynamic_dir / "theirs.yml"
    obedient.watches = [Watched, Watched]
    obedient.shift()
    theirs.write_text(REFUSED)
    obedient.reloaded_s = theirs.stat().st_ctime + 0.5
    monkeypatch.setattr(obedient, "knows", lambda _route: True)
    if parses:
        monkeypatch.setattr(effect, "broken", lambda _path: "")
    (back,) = obedient.shift(state="rolled_back")["steps"]
    assert back["strangers_set_aside"] == [str(theirs)]


def test_what_it_may_have_taken_just_now_is_let_alone_while_its_throttle_holds_up_ours(obedient, monkeypatch):
    theirs = obedient.dynamic_dir / "theirs.yml"
    obedient.watches = [Watched, Watched]
    obedient.shift()
    theirs.write_text("http: {}\n")
    obedient.reloaded_s = theirs.stat().st_ctime - 0.05
    monkeypatch.setattr(effect, "_THROTTLE_S", 1)
    monkeypatch.setattr(Obedient, "takes_changes", property(lambda edge: time.time() > edge.reloaded_s + 1))
    monkeypatch.setattr(obedient, "knows", lambda _route: True)
    (back,) = obedient.shift(state="rolled_back", in_effect_timeout=60)["steps"]
    assert "strangers_set_aside" not in back and theirs.exists()


def test_what_traefik_has_taken_long_ago_is_let_alone_when_it_takes_nothing(obedient, monkeypatch):
    theirs = obedient.dynamic_dir / "theirs.yml"
    obedient.watches = [Watched, Watched]
    obedient.shift()
    theirs.write_text(REFUSED)
    obedient.reloaded_s = theirs.stat().st_ctime + 1.5
    monkeypatch.setattr(obedient, "knows", lambda _route: True)
    with pytest.raises(ReplatformError, match=f"NOT VERIFIED.*look at {theirs}"):
        obedient.shift(state="rolled_back")
    assert theirs.exists()
