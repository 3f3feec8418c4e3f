from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.context import literal
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from hypothesis import given
from hypothesis import strategies as st


def expand(text):
    """What the kubelet does to a text that refers to no variable (third_party/forked/golang/expansion)."""
    out, i = "", 0
    while i < len(text):
        if text[i] == "$" and i + 1 < len(text):
            if text[i + 1] == "$":
                out, i = out + "$", i + 2
                continue
            if text[i + 1] == "(" and ")" in text[i + 2 :]:
                end = text.index(")", i + 2)
                out, i = out + "<EXPANDED>", end + 1
                continue
        out, i = out + text[i], i + 1
    return out


@given(st.text(alphabet="$()ab{}"))
def test_a_literal_survives_the_kubelets_expansion(text):
    assert expand(literal(text)) == text


def test_a_literal_is_left_alone_where_it_can_be():
    assert literal("$HOME/${X}") == "$HOME/${X}"
    assert literal("$(date)") == "$$(date)"


def test_command_and_entrypoint(converted):
    app = converted({"command": "serve --name 'a b' $$(date)", "entrypoint": ["/init", "$$$$x"]})
    assert app.values["args"] == ["serve", "--name", "a b", "$$(date)"]
    assert app.values["command"] == ["/init", "$$$$x"]
    assert app.verdicts["command"] == app.verdicts["entrypoint"] == "mapped"


def test_environment_in_both_forms(converted):
    app = converted({"environment": ["A=1", "B=x=y", "C="]})
    assert app.values["env"] == [{"name": "A", "value": "1"}, {"name": "B", "value": "x=y"}, {"name": "C", "value": ""}]
    app = converted({"environment": {"A": 1, "B": "$$(x)", "F": 1.5}})
    assert [item["value"] for item in app.values["env"]] == ["1", "$$(x)", "1.5"]


def test_a_name_without_a_value_comes_from_the_given_environment(converted):
    assert converted({"environment": ["A"]}, environment={"A": "1"}).values["env"] == [{"name": "A", "value": "1"}]
    with pytest.raises(StackError, match="stack.yml: service 'app': environment.A: it has no value"):
        converted({"environment": ["A"]})


def test_environment_templates_become_field_references(converted):
    app = converted(
        {"environment": {"N": "{{.Node.Hostname}}", "W": "on {{ .Node.Hostname }}!", "S": "{{.Service.Name}}"}}
    )
    node = {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert app.values["env"] == [
        {"name": "SWARM_NODE_HOSTNAME", "valueFrom": node},
        {"name": "N", "valueFrom": node},
        {"name": "W", "value": "on $(SWARM_NODE_HOSTNAME)!"},
        {"name": "S", "value": "shop_app"},
    ]
    assert app.verdicts["environment.N"] == "approximated"


@pytest.mark.parametrize("template", [".Service.ID", ".Node.Platform.OS", ".Service.Labels", "index .Service.Labels"])
def test_a_template_without_a_counterpart_is_refused(converted, template):
    app = converted({"environment": {"A": "{{" + template + "}}"}})
    assert app.verdicts["environment.A"] == "refused"


def test_env_file_gives_way_to_environment(converted):
    files = {"a.env": "# note\nA=file\nB=file\n\n"}
    app = converted({"env_file": "a.env", "environment": {"A": "own"}}, files=files)
    assert {item["name"]: item["value"] for item in app.values["env"]} == {"A": "own", "B": "file"}
    assert app.verdicts["env_file"] == "mapped"


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("1000", {"runAsUser": 1000, "runAsNonRoot": True}),
        ("1000:2000", {"runAsUser": 1000, "runAsGroup": 2000, "runAsNonRoot": True}),
        ("root", {"runAsUser": 0}),
        (1000, {"runAsUser": 1000, "runAsNonRoot": True}),
    ],
)
def test_user(converted, user, wanted):
    assert converted({"user": user}).values["securityContext"] == wanted


def test_a_user_that_only_the_image_knows_is_refused(converted):
    assert converted({"user": "postgres"}).verdicts["user"] == "refused"


def test_small_keys(converted):
    app = converted(
        {
            "working_dir": "/srv",
            "hostname": "box",
            "tty": True,
            "stdin_open": True,
            "read_only": True,
            "cap_add": ["CAP_NET_ADMIN"],
            "cap_drop": ["ALL"],
            "stop_signal": "SIGTERM",
        }
    )
    assert {app.verdicts[key] for key in ("working_dir", "hostname", "tty", "stdin_open", "cap_add")} == {"mapped"}
    assert app.values["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
    }
    assert (app.values["workingDir"], app.values["hostname"]) == ("/srv", "box")
    assert app.values["tty"] is True and app.values["stdin"] is True


def test_a_host_name_template_and_a_signal_of_its_own_are_reported(converted):
    app = converted({"hostname": "{{.Node.Hostname}}", "stop_signal": "SIGQUIT"})
    assert app.verdicts["hostname"] == app.verdicts["stop_signal"] == "reported"
    assert "hostname" not in app.values


@pytest.mark.parametrize(
    ("keys", "wanted"), [({}, 10), ({"stop_grace_period": "1m"}, 60), ({"stop_grace_period": "0s"}, 0)]
)
def test_stop_grace_period_with_swarms_default(converted, keys, wanted):
    assert converted(keys).values["stopGraceSeconds"] == wanted


def test_labels_become_annotations(converted):
    app = converted({"labels": {"a.b/c": "x", "n": 1}, "deploy": {"labels": ["d=e"]}})
    assert app.values["annotations"] == {"a.b/c": "x", "n": "1", "d": "e"}
    assert app.verdicts["labels"] == "approximated"


def test_routes_and_bad_names_are_reported(converted):
    assert "edge" in converted({"deploy": {"labels": ["traefik.enable=true"]}}).notes["deploy.labels"]
    assert "deploy" in converted({"labels": ["traefik.enable=true"]}).notes["labels"]
    assert "a b" in converted({"labels": {"a b": "x"}}).notes["labels"]


def test_healthcheck_cmd_is_exact(converted):
    app = converted({"healthcheck": {"test": ["CMD", "curl", "-f", "http://localhost/x y"]}})
    for probe in app.values["probes"].values():
        assert probe["exec"]["command"] == ["curl", "-f", "http://localhost/x y"]
    assert app.values["probes"]["liveness"]["periodSeconds"] == 30
    assert app.values["probes"]["liveness"]["timeoutSeconds"] == 30
    assert app.values["probes"]["liveness"]["failureThreshold"] == 3


@pytest.mark.parametrize("test", ["curl -f x || exit 1", ["CMD-SHELL", "curl -f x || exit 1"]])
def test_healthcheck_of_a_shell_goes_through_a_shell(converted, test):
    probes = converted({"healthcheck": {"test": test}}).values["probes"]
    assert probes["readiness"]["exec"]["command"] == ["/bin/sh", "-c", "curl -f x || exit 1"]


@pytest.mark.parametrize("check", [{"test": ["NONE"]}, {"disable": True}])
def test_healthcheck_switched_off(converted, check):
    app = converted({"healthcheck": check})
    assert "probes" not in app.values
    assert app.verdicts["healthcheck"] == "mapped"


def test_startup_waits_as_long_as_swarm_does(converted):
    check = {"test": ["CMD", "x"], "interval": "10s", "timeout": "3s", "retries": 4, "start_period": "1m"}
    probes = converted({"healthcheck": check}).values["probes"]
    assert probes["startup"]["periodSeconds"] * probes["startup"]["failureThreshold"] >= 60 + 4 * 10
    assert (probes["readiness"]["periodSeconds"], probes["readiness"]["failureThreshold"]) == (10, 4)
    probes = converted({"healthcheck": {**check, "start_interval": "2s"}}).values["probes"]
    assert (probes["startup"]["periodSeconds"], probes["startup"]["failureThreshold"]) == (2, 50)


def test_a_fraction_of_a_second_is_rounded_up_and_said(converted):
    app = converted({"healthcheck": {"test": ["CMD", "x"], "interval": "500ms", "timeout": "100ms"}})
    assert app.values["probes"]["liveness"]["periodSeconds"] == 1
    assert app.verdicts["healthcheck"] == "approximated"


@pytest.mark.parametrize(
    "check",
    [{"test": ["curl", "x"]}, {"test": []}, {"test": ["CMD"]}, {"test": ["CMD-SHELL", "a", "b"]}, {}, {"tset": "x"}],
)
def test_healthchecks_that_docker_would_not_take(converted, check):
    with pytest.raises(StackError, match="^stack.yml: service 'app': healthcheck"):
        converted({"healthcheck": check})


def test_an_absent_healthcheck_is_said(converted):
    assert converted({}).verdicts["(healthcheck)"] == "reported"


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{{.Node.Hostname}}", "spec.nodeName"),
        ("{{ .Node.ID }}", "spec.nodeName"),
        ("{{- .Task.Name -}}", "metadata.name"),
        ("{{.Task.ID}}", "metadata.uid"),
    ],
)
def test_templates_are_field_references(converted, template, path):
    app = converted({"environment": {"A": template}})
    assert app.values["env"] == [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}}]
    assert app.verdicts["environment.A"] == "approximated"


def test_templates_beside_other_text_are_variables(converted):
    env = converted({"environment": {"A": "{{.Task.Name}}@{{.Node.Hostname}}$$(x)", "B": "{{.Task.Name}}."}}).values[
        "env"
    ]
    assert [item["name"] for item in env] == ["SWARM_TASK_NAME", "SWARM_NODE_HOSTNAME", "A", "B"]
    assert env[2]["value"] == "$(SWARM_TASK_NAME)@$(SWARM_NODE_HOSTNAME)$$(x)"


def test_templates_that_are_known_beforehand_are_text(converted):
    keys = {
        "environment": {"A": "{{.Service.Name}}", "B": '{{index .Service.Labels "a.b"}}', "C": "{{.Service.Labels.c}}"}
    }
    app = converted({**keys, "deploy": {"labels": {"a.b": "x", "c": "y"}}})
    assert [item["value"] for item in app.values["env"]] == ["shop_app", "x", "y"]


@pytest.mark.parametrize(
    ("deploy", "wanted"), [({}, "mapped"), ({"replicas": 2}, "refused"), ({"mode": "global"}, "refused")]
)
def test_a_slot_is_known_where_there_is_one(converted, deploy, wanted):
    app = converted({"environment": {"A": "{{.Task.Slot}}"}, "deploy": deploy})
    assert app.verdicts.get("environment.A", "mapped") == wanted
    assert wanted != "mapped" or app.values["env"] == [{"name": "A", "value": "1"}]


@pytest.mark.parametrize(
    ("name", "wanted", "verdict"),
    [
        ("web", "web", "mapped"),
        ("Web_1.example.com", "web-1", "approximated"),
        ("{{.Service.Name}}", "shop-app", "approximated"),
        ("{{.Node.Hostname}}", None, "reported"),
        ("{{.Task.Slot}}-{{.Odd}}", None, "reported"),
    ],
)
def test_hostnames(converted, name, wanted, verdict):
    app = converted({"hostname": name})
    assert app.values.get("hostname") == wanted
    assert app.verdicts["hostname"] == verdict


def test_a_variable_that_kubernetes_can_not_name_is_refused(converted):
    assert converted({"environment": {"A B": "x"}}).verdicts["environment.A B"] == "refused"


@pytest.mark.parametrize(
    ("restart", "deploy", "verdict"),
    [
        ("always", {}, "mapped"),
        ("unless-stopped", {}, "mapped"),
        (False, {}, "reported"),
        ("no", {}, "reported"),
        ("on-failure:3", {}, "approximated"),
        ("on-failure", {"restart_policy": {"condition": "any"}}, "reported"),
    ],
)
def test_restart_counts_where_there_is_no_policy(converted, restart, deploy, verdict):
    assert converted({"restart": restart, "deploy": deploy}).verdicts["restart"] == verdict


@pytest.mark.parametrize("restart", ["sometimes", "on-failure:x", 3])
def test_what_is_no_restart(converted, restart):
    with pytest.raises(StackError, match="service 'app': restart"):
        converted({"restart": restart})


def test_healthcheck_of_both_kinds_is_refused(converted):
    with pytest.raises(StackError, match="not both"):
        converted({"healthcheck": {"test": ["CMD", "a"], "disable": True}})
