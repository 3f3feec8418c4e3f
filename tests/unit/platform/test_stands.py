"""When the release and its chart stand as they are: the Swarm is gone, and nothing is handed over."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.slow

UMBRELLA = {"global": {"stack": "shop"}, "front": {"services": {"web": {}}}}
SINGLE = {"stack": "shop", "services": {"web": {}}}
RUNS = {"swarm": "active", "services": [{"name": "web"}]}
GONE = {"swarm": "inactive", "services": []}


@pytest.mark.parametrize(
    "swarm,handed_over,umbrella,values,stands",
    [
        (GONE, [], True, UMBRELLA, True),
        (GONE, [], False, SINGLE, True),
        (GONE, [], "true", UMBRELLA, True),
        (GONE, ["store"], True, UMBRELLA, False),
        (RUNS, [], True, UMBRELLA, False),
        (GONE, [], True, SINGLE, False),
        (GONE, [], False, UMBRELLA, False),
    ],
)
def test_what_stands(play, tmp_path, swarm, handed_over, umbrella, values, stands):
    told = tmp_path / "told.json"
    read = {"content": "{{ {'stands': __platform_stands} | to_json }}", "dest": str(told), "mode": "0600"}
    said = {"__platform_release_info": {"status": {"values": values}}}
    given = {"platform_swarm": swarm, "platform_handed_over": handed_over, "platform_umbrella": umbrella}
    status, text = play(
        "helm",
        after=[{"ansible.builtin.copy": read, "vars": said}],
        platform_helm_path="/bin/true",
        platform_namespace="shop",
        **given,
    )
    assert status == 0, text
    assert json.loads(told.read_text("utf-8")) == {"stands": stands}
