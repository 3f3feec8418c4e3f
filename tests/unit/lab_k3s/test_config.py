from __future__ import annotations

import pytest
from k3s_standin import config, flags, logs


@pytest.fixture
def place(tmp_path):
    """Write config.yaml and drop-ins; gives the path that --config takes."""

    def write(main: str | None = None, **drop_ins: str) -> str:
        folder = tmp_path / "config.yaml.d"
        folder.mkdir(exist_ok=True)
        if main is not None:
            (tmp_path / "config.yaml").write_text(main)
        for name, text in drop_ins.items():
            (folder / f"{name}.yaml").write_text(text)
        return str(tmp_path / "config.yaml")

    return write


def test_drop_ins_replace_in_order_of_their_names(place):
    path = place("node-name: main\ntls-san: [a]\n", b="node-name: second\n", a="node-name: first\ntls-san: [b]\n")
    values = config.load("server", ["--config", path], {})
    assert (values["node-name"], values["tls-san"]) == ("second", ["b"])


def test_a_key_with_plus_appends_across_files(place):
    path = place("tls-san: [a]\nnode-label: x=1\n", a="tls-san+: [b, c]\n", b="node-label+: y=2\n")
    values = config.load("server", ["--config", path], {})
    assert values["tls-san"] == ["a", "b", "c"]
    assert values["node-label"] == ["x=1", "y=2"]


def test_an_unknown_key_is_warned_about_in_k3s_words_and_skipped(place, capsys):
    values = config.load("agent", ["--config", place("server: https://a:6443\nsrever: typo\n")], {})
    assert "srever" not in values
    assert values["server"] == "https://a:6443"
    assert 'level=warning msg="Unknown flag --srever found in config.yaml, skipping"' in capsys.readouterr().err


def test_a_server_only_key_is_unknown_to_an_agent(place, capsys):
    assert "cluster-init" not in config.load("agent", ["--config", place("cluster-init: true\n")], {})
    assert "Unknown flag --cluster-init found" in capsys.readouterr().err


def test_the_command_line_overrides_files_and_files_override_the_environment(place):
    path = place("token: from-file\nnode-name: from-file\ntls-san: [from-file]\n")
    environment = {"K3S_TOKEN": "from-environment", "K3S_NODE_NAME": "x", "K3S_URL": "https://e:6443"}
    values = config.load(
        "server", ["-c", path, "--node-name=from-words", "--tls-san", "a,b", "--tls-san", "c"], environment
    )
    assert (values["token"], values["node-name"], values["server"]) == ("from-file", "from-words", "https://e:6443")
    assert values["tls-san"] == ["a", "b", "c"]


def test_the_file_named_by_the_environment_is_read(place):
    assert config.load("server", [], {"K3S_CONFIG_FILE": place("node-name: n\n")})["node-name"] == "n"


@pytest.mark.parametrize("text, wanted", [("true", True), ("false", False), ('"true"', True), ("1", True)])
def test_flags_take_yaml_booleans_and_words(place, text, wanted):
    assert config.load("server", ["-c", place(f"cluster-init: {text}\n")], {})["cluster-init"] is wanted


def test_arguments_for_components_keep_their_commas(place):
    path = place("kubelet-arg:\n  - eviction-hard=memory.available<1Mi,nodefs.available<1%\n")
    assert config.load("agent", ["-c", path], {})["kubelet-arg"] == [
        "eviction-hard=memory.available<1Mi,nodefs.available<1%"
    ]


@pytest.mark.parametrize(
    "words, said",
    [
        (["--nonsense"], "flag provided but not defined: -nonsense"),
        (["--token"], "flag needs an argument: -token"),
        (["--config", "/nowhere/config.yaml"], "open /nowhere/config.yaml: no such file or directory"),
    ],
)
def test_bad_words_end_it(words, said):
    with pytest.raises(logs.Fatal, match=said):
        config.load("server", words, {})


@pytest.mark.parametrize("text", ["token: [", "- just\n- a list\n"])
def test_a_file_that_is_no_mapping_ends_it_with_its_name(place, text):
    with pytest.raises(logs.Fatal, match="failed to parse .*config.yaml"):
        config.load("server", ["--config", place(text)], {})


def test_every_agent_key_is_a_server_key():
    assert flags.AGENT.keys() <= flags.SERVER.keys()
