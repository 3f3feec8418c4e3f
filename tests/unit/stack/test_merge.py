from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.merge import merge


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ({"volumes": ["a:/d", "/e"]}, {"volumes": ["b:/d:ro"]}, {"volumes": ["b:/d:ro", "/e"]}),
        (
            {"volumes": ["a:/d"]},
            {"volumes": [{"type": "bind", "source": "/b", "target": "/d"}]},
            {"volumes": [{"type": "bind", "source": "/b", "target": "/d"}]},
        ),
        (
            {"secrets": ["a", "b"]},
            {"secrets": [{"source": "a", "target": "x"}]},
            {"secrets": [{"source": "a", "target": "x"}, "b"]},
        ),
        ({"configs": ["a"]}, {"configs": ["a", "b"]}, {"configs": ["a", "b"]}),
        ({"ports": ["1:1"]}, {"ports": ["1:1", "2:2"]}, {"ports": ["1:1", "2:2"]}),
        ({"command": ["a"]}, {"command": ["b"]}, {"command": ["b"]}),
        (
            {"healthcheck": {"test": ["CMD", "a"], "retries": 1}},
            {"healthcheck": {"test": ["CMD", "b"]}},
            {"healthcheck": {"test": ["CMD", "b"], "retries": 1}},
        ),
        (
            {"networks": {"a": {"aliases": ["x"]}}},
            {"networks": {"a": {"aliases": ["y"]}, "b": None}},
            {"networks": {"a": {"aliases": ["y"]}, "b": None}},
        ),
        ({"networks": {"a": {"aliases": ["x"]}}}, {"networks": {"a": None}}, {"networks": {"a": {"aliases": ["x"]}}}),
        ({"ulimits": {"n": {"soft": 1, "hard": 2}}}, {"ulimits": {"n": 3}}, {"ulimits": {"n": 3}}),
        (
            {"logging": {"driver": "a", "options": {"x": 1}}},
            {"logging": {"options": {"y": 2}}},
            {"logging": {"driver": "a", "options": {"x": 1, "y": 2}}},
        ),
        ({"logging": {"driver": "a", "options": {"x": 1}}}, {"logging": {"driver": "b"}}, {"logging": {"driver": "b"}}),
        (
            {"deploy": {"placement": {"constraints": ["a==b"]}}},
            {"deploy": {"placement": {"constraints": ["c==d"]}}},
            {"deploy": {"placement": {"constraints": ["a==b", "c==d"]}}},
        ),
        ({"image": "a"}, {"image": None}, {"image": "a"}),
    ],
)
def test_as_docker_merges(first, second, wanted):
    assert merge(first, second, "") == wanted


def test_lists_and_mappings_of_networks_merge():
    texts = {
        "a.yml": "services: {app: {image: a, networks: [x, y]}}\nnetworks: {x: , y: , z: }",
        "b.yml": "services: {app: {networks: {y: {aliases: [b]}, z: }}}",
    }
    stack = load_stack(texts, {}, "shop", lambda file: "")
    assert stack.services["app"].keys["networks"] == {"x": None, "y": {"aliases": ["b"]}, "z": None}


def test_files_of_variables():
    files = {"a.env": "\ufeff  # a comment\nA=1 \nB=from a file\nC\nD=\n\nQ='x'\n", "b.env": "B=from b"}
    text = "services: {app: {image: a, env_file: [a.env, {path: b.env}], environment: {E: '', F: f}}}"
    stack = load_stack({"s.yml": text}, {"C": "c", "D": "d", "E": "e", "F": "x"}, "shop", files.__getitem__)
    wanted = {"A": "1 ", "B": "from b", "C": "c", "D": "d", "Q": "'x'", "E": "e", "F": "f"}
    assert stack.services["app"].keys["environment"] == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("services: {app: {image: a, env_file: a.env}}", "'A B' is not the name of a variable"),
        ("services: {app: {image: a, env_file: [{path: b.env, required: false}]}}", "knows no 'required'"),
        ("services: {'a b': {image: a}}", "services: 'a b' is not a name"),
        ('services: {"a\\nb": {image: a}}', r"services: 'a\nb' is not a name"),
        ("services: {app: {image: a}}\nnetworks: {'x y': }", "networks: 'x y' is not a name"),
        ('services: {app: {image: a}}\nvolumes: {x: {name: "a\\nb"}}', "has spaces or braces in it"),
        ("services: {app: {image: a}}\nconfigs: {x: {file: a, content: b}}", "give one of 'file'"),
        ("services: {app: {image: a}}\nconfigs: {x: {environment: NONE}}", "variable NONE has no value"),
        ("services: {app: {image: a}}\nnetworks: {x: {drivr: b}}", "unknown key 'drivr'"),
        ("services: {app: {image: a}}\nnetworks: {x: {name: '${NONE}'}}", "variable NONE has no value"),
    ],
)
def test_what_can_not_be_read_is_one_line(text, says):
    with pytest.raises(StackError) as error:
        load_stack({"s.yml": text}, {}, "shop", lambda file: "A B=1")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_labels_from_a_file_are_under_those_that_are_written():
    text = "services: {app: {image: a, label_file: l.env, labels: {A: written}}}"
    stack = load_stack({"s.yml": text}, {}, "shop", lambda file: "A=1\nB=2")
    assert stack.services["app"].keys["labels"] == {"A": "written", "B": "2"}
