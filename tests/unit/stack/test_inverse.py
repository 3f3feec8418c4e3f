from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.stack import observed, run
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import gpu, state
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.state import SPARE_LABEL
from hypothesis import given
from hypothesis import strategies as st

RECORDED = Path(__file__).parent.parent / "swarm" / "fixtures" / "manager.json"
own = {"com.docker.stack.namespace": "sophia"}
THINGS = {
    "networks": [
        {
            "Id": "rghes5b7xa3y9kienrfuftn4y",
            "Name": "sophia_platform",
            "Scope": "swarm",
            "Driver": "overlay",
            "Labels": own,
        },
        {"Id": "local", "Name": "bridge", "Scope": "local", "Driver": "bridge", "Labels": None},
    ],
    "secrets": [{"ID": "ppziny423gkuf4qcz4ambmwxk", "Spec": {"Name": "postgres_password", "Labels": {}}}],
    "configs": [
        {"ID": "c1", "Spec": {"Name": "sophia_settings", "Labels": own, "Data": "YSA9IDEK"}},
        {"ID": "c2", "Spec": {"Name": "picture", "Labels": {}, "Data": "/9j/"}},
    ],
}


@pytest.fixture(scope="module")
def recorded():
    raw = json.loads(RECORDED.read_text(encoding="utf-8"))
    return observed.add_specs(state.stack_info(raw, "sophia"), raw, THINGS, "sophia")


def convert(answer, files=(), **given):
    params = {
        "stack_files": [str(path) for path in files],
        "stack": "sophia",
        "environment": {},
        "external": {},
        "handed_over": [],
        "live": answer["services"],
        "live_objects": answer["objects"],
        "current": None,
        "nodes": answer["nodes"],
        "exclude": [],
        "strict": False,
        "workload_keys": True,
        **given,
    }
    return run.stack_values(params)


def changed(answer, change, name="postgres"):
    """The answer with one service's spec changed."""
    again = copy.deepcopy(answer)
    for item in again["services"]:
        if item["name"] == name:
            change(item["spec"])
    return again


def test_what_a_manager_tells_of_its_objects(recorded):
    own = {"com.docker.stack.namespace": "sophia"}
    assert [item["name"] for item in recorded["objects"]["networks"]] == ["sophia_platform"]
    assert recorded["objects"]["configs"] == [
        {"id": "c2", "name": "picture", "own": False, "labels": {}, "templating": {}, "content": None},
        {"id": "c1", "name": "sophia_settings", "own": True, "labels": own, "templating": {}, "content": "a = 1\n"},
    ]
    assert "Data" not in str(recorded["objects"]["secrets"])
    assert all("labels" in node for node in recorded["nodes"])


def test_what_a_manager_tells_of_templates_and_of_ipv6():
    template = {"Templating": {"Name": "golang"}}
    told = observed.objects(
        {
            "networks": [{**THINGS["networks"][0], "EnableIPv6": True}],
            "secrets": [{"ID": "s1", "Spec": {"Name": "a", **template}}],
            "configs": [{"ID": "c1", "Spec": {"Name": "b", **template}}],
        },
        "sophia",
    )
    assert told["networks"][0]["ipv6"] is True
    assert told["secrets"][0]["templating"] == told["configs"][0]["templating"] == {"Name": "golang"}


def templated(answer, content):
    """The answer with a config and a secret of postgres whose templates are filled in; O(content) is the config's."""

    def change(spec):
        target = {"Name": "/etc/s", "UID": "0", "GID": "0", "Mode": 292}
        used = {"File": target, "ConfigID": "c1", "ConfigName": "sophia_settings"}
        spec["TaskTemplate"]["ContainerSpec"]["Configs"] = [used]

    again = changed(answer, change)
    for kind, more in (("secrets", {}), ("configs", {"content": content})):
        for item in again["objects"][kind]:
            item.update({"templating": {"Name": "golang"}, **more})
    return again


def test_a_template_of_the_swarm_is_refused_as_one_of_a_file_is(recorded):
    reason = convert(templated(recorded, "at = {{.Node.Hostname}}"))[1]
    assert "configs.settings.template_driver: refused: Swarm fills in its templates, Kubernetes does not" in reason
    assert "secrets.postgres_password.template_driver: refused" in reason
    assert "configs" not in convert(templated(recorded, "at = here"))[1]


def test_a_template_that_only_an_excluded_service_has_is_nobodys(recorded):
    without = templated(recorded, "at = {{.Node.Hostname}}")
    names = [item["name"] for item in without["services"] if "SecretID" in str(item["spec"])]
    assert "template_driver" not in convert(without, exclude=["postgres", *names])[1]


def test_a_template_that_is_external_to_a_file_is_refused(recorded, tmp_path):
    file = tmp_path / "stack.yml"
    file.write_text(
        "services: {web: {image: web, configs: [{source: at, target: /at}], secrets: [postgres_password]}}\n"
        "configs: {at: {external: true, name: sophia_settings}}\nsecrets: {postgres_password: {external: true}}\n"
    )
    answer = {**templated(recorded, "{{.Node.Hostname}}"), "services": []}
    reason = convert(answer, [file])[1]
    assert "configs.at.template_driver: refused" in reason
    assert "secrets.postgres_password.template_driver: refused" in reason


def test_a_stack_without_any_file_is_converted_from_what_runs(recorded):
    result, reason = convert(recorded)
    assert reason == ""
    services = result["values"]["services"]
    assert set(services) == {item["name"] for item in recorded["services"]}
    postgres = services["postgres"]
    assert postgres["kind"] == "StatefulSet"
    assert postgres["image"] == "172.31.77.2:5000/sophia/postgres:1.0"
    assert {"name": "POSTGRES_DB", "value": "sophia"} in postgres["env"]
    assert postgres["volumes"][0]["claim"]["volume"] == "postgres-data"
    assert postgres["secrets"][0]["mountPath"] == "/run/secrets/postgres_password"
    assert postgres["probes"]["readiness"]["exec"]["command"][0] == "pg_isready"
    assert postgres["stopGraceSeconds"] == 60
    assert postgres["resources"]["requests"] == {"cpu": "100m", "memory": "128Mi"}
    assert postgres["nodeExpressions"][0]["values"] == ["sophia-data-pipeline"]
    assert postgres["networks"] == ["platform"]
    assert services["unified-memory"]["onePerNode"] is True
    assert result["drift"] == []


def test_every_spec_is_read_whole(recorded):
    result, _reason = convert(recorded)
    assert [row["key"] for row in result["verdicts"] if row["key"].startswith("(spec)")] == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda spec: spec["TaskTemplate"].update(Sidecar={"Image": "x"}), "(spec).TaskTemplate.Sidecar"),
        (lambda spec: spec["TaskTemplate"]["ContainerSpec"].update(Groups=["10"]), "(spec).Groups"),
        (
            lambda spec: spec["TaskTemplate"]["ContainerSpec"]["Mounts"][0].update(ImageOptions={"Subpath": "x"}),
            "(spec).TaskTemplate.ContainerSpec.Mounts[0].ImageOptions",
        ),
        (
            lambda spec: spec["TaskTemplate"]["ContainerSpec"]["Privileges"].update(NoNewPrivileges=True),
            "(spec).TaskTemplate.ContainerSpec.Privileges.NoNewPrivileges",
        ),
    ],
)
def test_a_field_that_nobody_knows_is_refused(recorded, change, key):
    result, reason = convert(changed(recorded, change))
    assert key in {row["key"] for row in result["verdicts"] if row["verdict"] == "refused"}
    assert reason.startswith("the Swarm: service 'postgres'")


def test_jobs_keep_how_many_run_at_once(recorded):
    mode = {"ReplicatedJob": {"MaxConcurrent": 2, "TotalCompletions": 6}}
    again = changed(recorded, lambda spec: spec.update(Mode=mode), "frontend")
    job = convert(again)[0]["values"]["services"]["frontend"]
    assert job["kind"] == "Job"
    assert (job["job"]["completions"], job["job"]["parallelism"]) == (6, 2)


def test_generic_resources_platforms_and_configs(recorded):
    def change(spec):
        task = spec["TaskTemplate"]
        generic = [{"DiscreteResourceSpec": {"Kind": "NVIDIA-GPU", "Value": 1}}]
        task["Resources"]["Reservations"]["GenericResources"] = generic
        task["Placement"]["Platforms"] = [{"Architecture": "amd64", "OS": "linux"}]
        target = {"Name": "/etc/s", "UID": "0", "GID": "0", "Mode": 292}
        task["ContainerSpec"]["Configs"] = [{"File": target, "ConfigID": "c1", "ConfigName": "sophia_settings"}]

    result, reason = convert(changed(recorded, change))
    assert reason == ""
    postgres = result["values"]["services"]["postgres"]
    assert postgres["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert postgres["runtimeClassName"] == "nvidia"
    assert postgres["architectures"] == ["amd64"]
    assert postgres["configs"] == [{"config": "settings", "mountPath": "/etc/s", "mode": 0o444}]
    assert result["values"]["configs"] == {"settings": "a = 1\n"}


FILE = """
services:
  postgres:
    image: 172.31.77.2:5000/sophia/postgres:1.0
    environment: {POSTGRES_DB: sophia, POSTGRES_PASSWORD: in-the-clear}
    networks: [platform]
    volumes: ["postgres-data:/var/lib/postgresql/data"]
networks: {platform: null}
volumes: {postgres-data: null}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "stack.yml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_what_no_file_has_is_converted_as_it_runs(recorded, file):
    result, reason = convert(recorded, [file])
    assert reason == ""
    assert set(result["values"]["services"]) == {"postgres", "frontend", "unified-memory"}
    rows = {row["service"]: row for row in result["drift"] if row["key"] == "(service)"}
    assert rows["frontend"] == {"service": "frontend", "key": "(service)", "file": "absent", "live": "running"}
    assert "converted as it runs" in result["markdown"]


def test_every_key_is_compared(recorded, file):
    rows = {
        row["key"]: (row["file"], row["live"])
        for row in convert(recorded, [file])[0]["drift"]
        if row["service"] == "postgres"
    }
    assert rows["healthcheck.test"][0] == "absent"
    assert rows["stop_grace_period"] == (10.0, 60.0)
    assert rows["deploy.endpoint_mode"] == ("vip", "dnsrr")
    assert rows["ports"] == ([], ["5432:5432/tcp host"])
    assert rows["secrets[/run/secrets/postgres_password]"] == ("absent", "postgres_password 0:0 0444")
    assert rows["deploy.update_config.failure_action"] == ("pause", "rollback")
    assert rows["environment.POSTGRES_PASSWORD"] == ("(hidden)", "absent")
    same = ("image", "networks", "deploy.replicas", "volumes[/var/lib/postgresql/data]", "environment.POSTGRES_DB")
    assert set(rows).isdisjoint(same)


def test_no_secret_is_told_by_the_pages(recorded, file):
    result, _reason = convert(recorded, [file])
    told = json.dumps([result[key] for key in ("verdicts", "markdown", "html", "drift", "values_public")])
    assert "in-the-clear" not in told


def test_no_secret_of_a_command_is_told(recorded, file):
    file.write_text(
        FILE.replace("    networks: [platform]", "    command: --requirepass hush\n    networks: [platform]")
    )
    rows = [row for row in convert(recorded, [file])[0]["drift"] if row["key"] == "command"]
    assert rows == [{"service": "postgres", "key": "command", "file": "(hidden)", "live": []}]


def test_things_of_other_stacks_are_left_alone(recorded):
    answer = copy.deepcopy(recorded)
    answer["objects"]["secrets"] += [{"id": name, "name": name, "own": False} for name in ("a_b", "a-b")]
    assert convert(answer)[1] == ""


def test_a_manager_is_asked_for_its_objects():
    class Engine:
        def networks(self):
            return THINGS["networks"]

        def secrets(self):
            return THINGS["secrets"]

        def configs(self):
            return THINGS["configs"]

    assert observed.read_objects(Engine()) == THINGS
    raw = {"services": [], "nodes": []}
    assert observed.add_specs({"services": [], "nodes": []}, raw, {}, "sophia")["objects"] == {}


def test_images_by_digest_where_it_is_the_same_image(recorded, file):
    answer = copy.deepcopy(recorded)
    for item in answer["services"]:
        item["image"] = item["spec"]["TaskTemplate"]["ContainerSpec"]["Image"] = item["image"] + "@sha256:abc"
    result = convert(answer, [file])[0]
    assert ("postgres", "image") not in {(row["service"], row["key"]) for row in result["drift"]}
    plain = result["values"]["services"]
    assert plain["postgres"]["image"].endswith(":1.0")
    assert plain["frontend"]["image"].endswith("@sha256:abc")
    pinned = convert(answer, [file], pin_images=True)[0]["values"]["services"]
    assert pinned["postgres"]["image"].endswith(":1.0@sha256:abc")


def test_a_secret_that_is_not_there_is_refused(recorded, file):
    text = FILE.replace("    networks: [platform]", "    networks: [platform]\n    secrets: [nowhere]")
    file.write_text(text + "secrets: {nowhere: {external: true}}\n", encoding="utf-8")
    assert "the Swarm has no secret 'nowhere'" in convert(recorded, [file])[1]


def test_an_external_config_has_its_content_from_the_swarm(recorded, file):
    text = FILE.replace("    networks: [platform]", "    networks: [platform]\n    configs: [sophia_settings, picture]")
    text += "configs: {sophia_settings: {external: true}, picture: {external: true}}\n"
    file.write_text(text, encoding="utf-8")
    result, reason = convert(recorded, [file])
    assert "configs[picture]" in reason and "sophia_settings" not in reason
    assert result["verdicts"]


def test_nothing_at_all_is_refused(recorded):
    with pytest.raises(StackError, match="nothing to convert"):
        convert({**recorded, "services": []})


def leaves(node, path=()):
    """Every path of a spec that ends in a plain value or an empty list."""
    if isinstance(node, (dict, list)) and node:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return [leaf for key, below in items for leaf in leaves(below, (*path, key))]
    return [path]


@given(st.data())
def test_a_spec_of_another_shape_is_one_clear_line_or_a_verdict(data):
    raw = json.loads(RECORDED.read_text(encoding="utf-8"))
    answer = observed.add_specs(state.stack_info(raw, "sophia"), raw, THINGS, "sophia")
    spec = next(item["spec"] for item in answer["services"] if item["name"] == "postgres")
    path = data.draw(st.sampled_from([path for path in leaves(spec) if path]))
    junk = data.draw(st.sampled_from([None, "", "x y", "\n", -1, 1.5, True, [], ["x"], {}, {"A": "b"}]))
    for key in path[:-1]:
        spec = spec[key]
    spec[path[-1]] = junk
    try:
        result, _reason = convert(answer)
    except StackError as error:
        assert len(str(error).splitlines()) == 1
        return
    assert result["values"]["services"]["postgres"]


@pytest.mark.parametrize("given", [{"live": [{"spec": {"Name": "x"}}]}, {"live_objects": {"secrets": [{"id": "x"}]}}])
def test_what_no_manager_has_said_is_one_clear_line(recorded, given):
    with pytest.raises(StackError, match="^live, live_objects: not as swarm_stack_info returns them"):
        convert(recorded, **given)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=4),
        lambda children: st.lists(children, max_size=2) | st.dictionaries(st.text(max_size=4), children, max_size=2),
        max_leaves=6,
    )
)
def test_a_new_field_is_told_unless_it_says_nothing(value):
    raw = json.loads(RECORDED.read_text(encoding="utf-8"))
    answer = observed.add_specs(state.stack_info(raw, "sophia"), raw, THINGS, "sophia")
    again = changed(answer, lambda spec: spec["TaskTemplate"].update(Novelty=value))
    told = "(spec).TaskTemplate.Novelty" in {row["key"] for row in convert(again)[0]["verdicts"]}
    assert told is (value not in (None, "", 0, False, [], {}))


def test_marks_of_a_move_are_no_part_of_what_somebody_wrote(recorded):
    def moving(spec):
        placement = spec["TaskTemplate"]["Placement"]
        placement["Constraints"] = [*(placement.get("Constraints") or []), gpu.CONSTRAINT]
        spec["Labels"] = {gpu.NOTE: "", **spec["Labels"], SPARE_LABEL: "1"}
        spec["Mode"]["Replicated"]["Replicas"] = 2

    assert convert(changed(recorded, moving)) == convert(recorded)


def test_a_mark_of_a_move_that_can_not_be_read_is_told(recorded):
    def strange(spec):
        spec["Labels"] = {**spec["Labels"], SPARE_LABEL: "one"}

    with pytest.raises(ReplatformError, match="of service sophia_postgres can't be read: remove it"):
        convert(changed(recorded, strange))
