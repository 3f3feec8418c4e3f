from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.yaml_reader import MAX_BYTES, read_yaml


def bomb(levels):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (bomb(9), "YAML bomb"),
        ("a: &a [*a]", "line 1: an anchor contains itself"),
        ("a: *b", "line 1: found undefined alias"),
        ("services:\n  web: 1\n  web: 2", "line 3: key 'web' is given twice"),
        ("on: 1", "line 1: key 'on' is not a string"),
        ("a: [1", "did not find expected"),
        ("a: !!python/object:os.system x", "line 1"),
        ("a: {b: c}}", "line 1"),
        ("? [a, b]\n: c", "not a string"),
        ("a" * (MAX_BYTES + 1), "bytes"),
        ("[" * 500_000, "levels deep"),
        ("- " * 400_000, "levels deep"),
    ],
)
def test_refuses_in_one_line_that_names_the_file(text, says):
    with pytest.raises(StackError) as error:
        read_yaml(text, "f.yml")
    assert says in str(error.value)
    assert str(error.value).startswith("f.yml: ")
    assert "\n" not in str(error.value)


def test_reads_anchors_merges_and_extension_fields():
    text = "x-d: &d {a: 1, b: 2}\ns:\n  <<: *d\n  b: 3\n"
    assert read_yaml(text, "f")["s"] == {"a": 1, "b": 3}


def test_an_empty_file_is_nothing():
    assert read_yaml("", "f") is None


@pytest.mark.parametrize("text", ["12:30", "2020-01-01", "190:20:30"])
def test_a_port_mapping_or_a_date_stays_a_string(text):
    assert read_yaml(f"a: {text}", "f")["a"] == text


@pytest.mark.parametrize(("text", "wanted"), [("0440", 0o440), ("0o440", 0o440), ("440", 440), ("yes", True)])
def test_numbers_and_switches_are_those_of_yaml_1_1(text, wanted):
    assert read_yaml(f"a: {text}", "f")["a"] == wanted
