from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options
from hypothesis import given
from hypothesis import strategies as st
from stack_keys import COMPOSE, SWARM


def load(text, environment=None):
    return load_stack({"s.yml": text}, environment or {}, "shop", lambda file: "")


@pytest.mark.parametrize("key", ["replicas", "imgae", "volume", "Image"])
def test_what_no_stack_may_have_is_refused_by_name(converted, key):
    assert converted({key: "x"}).verdicts[key] == "refused"


@given(
    st.dictionaries(
        st.sampled_from(sorted({*SWARM, *COMPOSE} - {"image"}) + ["x-a", "bogus"]),
        st.sampled_from(
            [
                {},
                [],
                "a",
                "1",
                1,
                True,
                ["a"],
                {"a": "b"},
                None,
            ]
        ),
    )
)
def test_every_key_ends_in_a_verdict_or_one_clear_line(keys):
    text = {"services": {"app": {"image": "a", **keys}}}
    try:
        stack = load_stack({"s.yml": __import__("json").dumps(text)}, {"a": "v"}, "shop", lambda file: "A=1")
        conversion = convert(stack, Options())
    except StackError as error:
        assert str(error).startswith("s.yml: service 'app'")
        assert "\n" not in str(error)
        return
    told = {item.key.split("[")[0].split(".")[0] for item in conversion.verdicts}
    assert set(keys) - told == set()
    for item in conversion.verdicts:
        assert item.verdict == "mapped" or item.note


def test_conversion_is_pure():
    text = "services: {app: {image: a, environment: {A: b}, deploy: {replicas: 2}}}"
    stack = load(text)
    assert convert(stack, Options()).values == convert(stack, Options()).values == convert(load(text), Options()).values


@pytest.mark.parametrize("name", ["my_service", "Web", "9lives", "a.b"])
def test_a_name_that_peers_could_not_call_is_refused(converted, name):
    assert converted({}, name=name).verdicts["(name)"] == "refused"


def test_an_excluded_service_is_left_out_and_said():
    conversion = convert(load("services: {a: {image: x}, b: {image: y, bogus: 1}}"), Options(), ["b"])
    assert list(conversion.values["services"]) == ["a"]
    assert [item.note for item in conversion.verdicts if item.service == "b"] == ["left out by the operator"]


DATA = "services: {db: {image: x, ports: ['15432:5432']}}"
AT = {"addresses": ["192.0.2.2", "192.0.2.1"], "port": 15432}


def test_an_external_service():
    values = convert(load(DATA), Options(external={"db": AT})).values["services"]["db"]
    assert values["external"] == {"addresses": ["192.0.2.1", "192.0.2.2"], "port": 15432}
    assert values["handedOver"] is False
    values = convert(load(DATA), Options(external={"db": {**AT, "singleton": True}})).values["services"]["db"]
    assert values["external"]["singleton"]
    values = convert(load(DATA), Options(external={"db": AT}, handed_over=frozenset(["db"]))).values["services"]["db"]
    assert values["handedOver"] is True


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (Options(external={"nobody": AT}), "service 'nobody' is named as external"),
        (Options(handed_over=frozenset(["nobody"])), "service 'nobody' is named"),
        (Options(external={"db": {"addresses": [], "port": 5432}}), "it has no address"),
        (Options(external={"db": {}}), "nothing says on which address"),
    ],
)
def test_external_services_that_can_not_be(options, says):
    with pytest.raises(StackError, match=says):
        convert(load(DATA), options)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("services: {}", "no services"),
        ("[]", "a mapping is wanted"),
        ("services: []", "services: a mapping is wanted"),
        ("service: {}", "unknown key 'service'"),
        ("services: {a: [x]}", "service 'a': a mapping is wanted"),
        ("services: {a: {command: x}}", "service 'a': 'image' is missing"),
        ("services: {a: {image: [x]}}", "service 'a': image: a string is wanted"),
        ("services: {a: {image: '${TAG}'}}", "services.a.image: variable TAG has no value"),
        ("services: {a: {image: x, command: 'a \"b'}}", "service 'a': command"),
        ("services: {a: {image: x}}\nsecrets: {s: {}}", "give 'file', or 'external: true'"),
        ("services: {a: {image: x}}\nvolumes: {s: {drivr: x}}", "unknown key 'drivr'"),
        ("services: {a: {image: x, environment: {A: true}}}", "environment.A: a quoted string is wanted"),
        ("services: {a: {image: x, deploy: [x]}}", "service 'a': deploy: a mapping is wanted"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(text, says):
    with pytest.raises(StackError) as error:
        convert(load(text), Options())
    assert says in str(error.value)
    assert str(error.value).startswith("s.yml: ")
    assert "\n" not in str(error.value)


def test_files_are_merged():
    texts = {
        "a.yml": "services: {app: {image: a, command: [x], ports: ['1:1'], environment: [A=1, B=1], deploy: {replicas: 1}}}",
        "b.yml": "services: {app: {command: [y], ports: ['2:2'], environment: {B: 2}, deploy: {replicas: 2}}, two: {image: b}}",
    }
    stack = load_stack(texts, {}, "shop", lambda file: "")
    values = convert(stack, Options()).values["services"]
    assert list(values) == ["app", "two"]
    assert values["app"]["args"] == ["y"]
    assert [item["port"] for item in values["app"]["ports"]] == [1, 2]
    assert values["app"]["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    assert values["app"]["replicas"] == 2


@pytest.mark.parametrize("key", sorted({*SWARM, *COMPOSE} - {"image"}))
def test_a_key_that_is_left_empty_is_said_and_changes_nothing(converted, key):
    app = converted({key: None})
    assert app.verdicts[key] == "mapped"
    assert app.values == converted({}).values
