from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options


@pytest.mark.parametrize(("deploy", "wanted"), [({}, 1), ({"replicas": 0}, 0), ({"replicas": "3"}, 3)])
def test_replicas(converted, deploy, wanted):
    assert converted({"deploy": deploy}).values["replicas"] == wanted


@pytest.mark.parametrize("count", [-1, "many", 1.5, True])
def test_no_count(converted, count):
    with pytest.raises(StackError, match="^stack.yml: service 'app': deploy.replicas"):
        converted({"deploy": {"replicas": count}})


def test_global_is_a_daemonset_without_replicas(converted):
    app = converted({"deploy": {"mode": "global"}})
    assert app.values["kind"] == "DaemonSet"
    assert "replicas" not in app.values
    assert app.values["strategy"] == {"maxUnavailable": 1}


def test_an_unknown_mode(converted):
    with pytest.raises(StackError, match="deploy.mode: 'twice' is not a mode"):
        converted({"deploy": {"mode": "twice"}})


@pytest.mark.parametrize(
    ("policy", "verdict"), [("any", "mapped"), ("on-failure", "approximated"), ("none", "refused")]
)
def test_restart_condition(converted, policy, verdict):
    app = converted(
        {"deploy": {"restart_policy": {"condition": policy, "delay": "5s", "max_attempts": 3, "window": "1m"}}}
    )
    assert app.verdicts["deploy.restart_policy.condition"] == verdict
    for key in ("delay", "max_attempts", "window"):
        assert app.verdicts[f"deploy.restart_policy.{key}"] == "reported"


HOST = {"ports": [{"target": 80, "published": 80, "mode": "host"}]}


@pytest.mark.parametrize(
    ("keys", "update", "strategy", "verdict"),
    [
        ({}, {}, {"maxSurge": 1, "maxUnavailable": 0}, "approximated"),
        ({}, {"parallelism": 0}, {"maxSurge": "100%", "maxUnavailable": 0}, "approximated"),
        ({}, {"order": "start-first", "parallelism": 2}, {"maxSurge": 2, "maxUnavailable": 0}, None),
        ({}, {"order": "stop-first", "parallelism": 2}, {"maxSurge": 0, "maxUnavailable": 2}, None),
        (HOST, {"order": "stop-first"}, {"maxSurge": 1, "maxUnavailable": 0}, "approximated"),
    ],
)
def test_update_order(converted, keys, update, strategy, verdict):
    app = converted({**keys, "deploy": {"update_config": update}})
    assert app.values["strategy"] == strategy
    assert app.verdicts.get("(update order)") == verdict
    assert "hostPorts" not in app.values and "update" not in app.values


def test_the_rest_of_update_config(converted):
    update = {"delay": "10s", "failure_action": "rollback", "monitor": "60s", "max_failure_ratio": 0.3}
    app = converted({"deploy": {"update_config": update, "rollback_config": update}})
    assert app.values["minReadySeconds"] == 10
    assert app.verdicts["deploy.update_config.failure_action"] == "approximated"
    assert app.verdicts["deploy.update_config.monitor"] == "reported"
    assert app.verdicts["deploy.rollback_config.delay"] == "reported"
    app = converted({"deploy": {"update_config": {"failure_action": "pause"}}})
    assert app.verdicts["deploy.update_config.failure_action"] == "reported"


def test_resources(converted):
    app = converted(
        {
            "deploy": {
                "resources": {"limits": {"cpus": "1.5", "memory": "4G", "pids": 9}, "reservations": {"cpus": "0.5"}}
            }
        }
    )
    assert app.values["resources"] == {
        "limits": {"cpu": "1500m", "memory": "4Gi"},
        "requests": {"cpu": "500m", "memory": "0"},
    }
    assert app.verdicts["deploy.resources.limits.pids"] == "reported"


def gpus(kind, value=1):
    resource = {"discrete_resource_spec": {"kind": kind, "value": value}}
    return {"deploy": {"resources": {"reservations": {"generic_resources": [resource]}}}}


def test_gpus(converted):
    app = converted(gpus("NVIDIA-GPU", 2))
    assert app.values["resources"]["limits"] == {"nvidia.com/gpu": 2}
    assert app.values["runtimeClassName"] == "nvidia"
    assert app.verdicts["deploy.resources.reservations.generic_resources"] == "mapped"
    assert "runtimeClassName" not in converted(gpus("NVIDIA-GPU"), options=Options(gpu_runtime_class="")).values


def test_a_generic_resource_that_is_not_known_is_refused_until_it_is(converted):
    key = "deploy.resources.reservations.generic_resources"
    assert converted(gpus("SSD")).verdicts[key] == "refused"
    app = converted(gpus("SSD"), options=Options(generic_resources={"SSD": "example.com/ssd"}))
    assert app.values["resources"]["limits"] == {"example.com/ssd": 1}


@pytest.mark.parametrize(("mode", "verdict"), [("vip", "mapped"), ("dnsrr", "approximated")])
def test_endpoint_mode(converted, mode, verdict):
    assert converted({"deploy": {"endpoint_mode": mode}}).verdicts["deploy.endpoint_mode"] == verdict


def test_a_key_in_the_wrong_place_is_refused_by_name(converted):
    app = converted({"deploy": {"resources": {"generic_resources": []}, "replica": 2}})
    assert app.verdicts["deploy.resources.generic_resources"] == "refused"
    assert app.verdicts["deploy.replica"] == "refused"
    assert "under deploy.resources.reservations" in app.notes["deploy.resources.generic_resources"]


@pytest.mark.parametrize(
    ("devices", "verdict"),
    [
        ([{"capabilities": ["gpu"], "count": 2}], "approximated"),
        ([{"capabilities": [["gpu"]]}], None),
        ([{"capabilities": ["gpu"], "device_ids": ["0", "3"]}], "approximated"),
        ([{"capabilities": ["gpu"], "count": "all"}], "refused"),
        ([{"capabilities": ["tpu"]}], "refused"),
        ([{"driver": "amd"}], "refused"),
        ([{"cound": 2}], "refused"),
    ],
)
def test_devices_of_the_compose_specification(converted, devices, verdict):
    if verdict is None:
        with pytest.raises(StackError, match="a string is wanted"):
            converted({"gpus": devices})
        return
    for keys, key in (
        ({"gpus": devices}, "gpus[0]"),
        ({"deploy": {"resources": {"reservations": {"devices": devices}}}}, "deploy.resources.reservations.devices[0]"),
    ):
        app = converted(keys)
        assert app.verdicts[key] == verdict
        if verdict == "approximated":
            assert app.values["resources"]["limits"] == {"nvidia.com/gpu": 2}
            assert app.values["runtimeClassName"] == "nvidia"


def test_all_gpus_are_not_a_number(converted):
    assert converted({"gpus": "all"}).verdicts["gpus"] == "refused"


@pytest.mark.parametrize(
    ("deploy", "says"),
    [
        ({"restart_policy": {"condition": "never"}}, "is not none, on-failure or any"),
        ({"update_config": {"failure_action": "panic"}}, "is not continue, pause or rollback"),
        ({"update_config": {"parallelism": -1}}, "-1 tasks at once"),
        ({"update_config": {"order": "first"}}, "is not stop-first or start-first"),
    ],
)
def test_values_that_docker_would_not_take(converted, deploy, says):
    with pytest.raises(StackError, match=says):
        converted({"deploy": deploy})


@pytest.mark.parametrize(("scale", "deploy", "count"), [(3, {}, 3), (0, {}, 0), (3, {"replicas": 2}, 2)])
def test_scale(converted, scale, deploy, count):
    assert converted({"scale": scale, "deploy": deploy}).values["replicas"] == count


def test_swarms_defaults_are_said(converted):
    app = converted({})
    for key in ("restart_policy", "update_config", "rollback_config"):
        assert "Swarm's default" in app.notes[f"(deploy.{key})"]
    told = converted({"deploy": {"restart_policy": {"condition": "any"}, "update_config": {"parallelism": 1}}}).verdicts
    assert {"(deploy.restart_policy)", "(deploy.update_config)"}.isdisjoint(told)
