"""A service whose volume would be empty on K3s is refused before anything moves."""

from __future__ import annotations

import json
import os
import pathlib
import sys
import typing as t

import played
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.swarm.begins_empty import begins_empty

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
only_soaked = pytest.mark.skipif(not SOAK, reason="one of the plays that make soak runs")
INFO = """#!{python}
import json
from ansible.module_utils.basic import AnsibleModule
module = AnsibleModule(argument_spec={{"stack": {{}}, "specs": {{"type": "bool"}}}}, supports_check_mode=True)
assert module.params["specs"]
module.exit_json(services=json.load(open({file!r})))
"""


def service(name: str, *mounts: dict[str, t.Any]) -> dict[str, t.Any]:
    container = {"Env": ["PASSWORD=hunter2"], "Mounts": list(mounts)}
    return {"name": name, "spec": {"TaskTemplate": {"ContainerSpec": container}}}


def volume(name: str, driver: str = "") -> dict[str, t.Any]:
    return {"Type": "volume", "Source": name, "VolumeOptions": {"DriverConfig": {"Name": driver}}}


def test_local_volumes_that_nobody_hands_over() -> None:
    bind = {"Type": "bind", "Source": "/srv", "Target": "/srv"}
    services = [
        service("web", volume("shop_uploads"), volume("shop_shared"), volume("shop_far", "nfs"), volume(""), bind),
        service("cache", volume("shop_cache", "local")),
        service("files", volume("shop_shared")),
        {"name": "plain", "spec": {"TaskTemplate": {}}},
    ]
    uploads = {"service": "web", "volume": "shop_uploads", "text": "volume shop_uploads of service web"}
    assert begins_empty(services, ["files", "cache"]) == [uploads]
    assert begins_empty(services, ["files", "cache", "web"]) == []
    assert [one["volume"] for one in begins_empty(services, [])] == [
        "shop_uploads", "shop_shared", "shop_cache", "shop_shared",
    ]  # fmt: skip


@pytest.fixture(name="play")
def play_fixture(tmp_path: pathlib.Path) -> t.Callable[..., str]:
    services = tmp_path / "services.json"
    services.write_text(json.dumps([service("web", volume("shop_uploads")), service("db", volume("shop_data"))]))
    modules = {"sophia.replatform.swarm_stack_info": INFO.format(python=sys.executable, file=str(services))}
    played.collection(tmp_path, modules, "roles/cutover", "plugins/filter", "plugins/module_utils")

    def play(*options: str, **more: t.Any) -> str:
        kinds = {"web": "http", "db": "postgres"}
        seen = {"swarm": "active", "is_manager": True, "services": [], "hostname": "localhost"}
        given = {
            "cutover_stack": "shop",
            "cutover_swarm_hosts": ["localhost"],
            "cutover_seen": seen,
            "cutover_services": [{"name": name, "group": "g", "kind": kind} for name, kind in kinds.items()],
            **more,
        }
        tasks = [
            {"ansible.builtin.set_fact": {"cutover_seen": seen}},
            {"ansible.builtin.include_role": {"name": "sophia.replatform.cutover", "tasks_from": "begins_empty"}},
        ]
        plays = [{"hosts": "localhost", "gather_facts": False, "vars": given, "tasks": tasks}]
        ran = played.play(tmp_path, "localhost,", plays, "-c", "local", "-v", *options)
        assert "hunter2" not in ran.output
        return ran.said

    return play


def test_it_is_refused_in_one_line_that_names_service_volume_and_mend(play: t.Callable[..., str]) -> None:
    output = play("--check")
    assert (
        "volume shop_uploads of service web would be empty on K3s, since a shift copies no files; hand each" in output
    )
    assert "name in cutover_may_begin_empty the services that may begin empty" in output
    assert "shop_data" not in output
    assert "failed=1" in output


@only_soaked
def test_what_may_begin_empty_is_shifted(play: t.Callable[..., str]) -> None:
    assert "failed=0" in play(cutover_may_begin_empty=["web"])
