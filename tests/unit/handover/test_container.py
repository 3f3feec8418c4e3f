"""Scripts of a handover in the container of a Swarm's task."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.container import Container


class Engine:
    """An engine whose containers are this host."""

    def __init__(self, *ids):
        self.ids = ids
        self.asked = []
        self.done = None

    def containers(self, filters):
        self.asked.append(filters)
        return [{"Id": one} for one in self.ids]

    def exec_create(self, container, command, user):
        assert (container, user) == ("c1", "root")
        self.command = command
        return {"Id": "e1"}

    def exec_start(self, exec_id, demux):
        assert (exec_id, demux) == ("e1", True)
        self.done = subprocess.run(self.command, capture_output=True, check=False)
        return self.done.stdout or None, self.done.stderr or None

    def exec_inspect(self, exec_id):
        assert exec_id == "e1"
        return {"ExitCode": self.done.returncode}


def test_what_a_script_prints():
    engine = Engine("c1")
    place = Container(engine, "shop_pgbouncer")
    assert place.run('echo "$1 $2"', "a", "b c") == "a b c\n"
    assert place.run(":") == ""
    assert engine.asked == [{"label": "com.docker.swarm.service.name=shop_pgbouncer", "status": "running"}]


def test_what_a_script_says_when_it_fails_or_does_not_end():
    place = Container(Engine("c1"), "shop_pgbouncer", 0.1)
    with pytest.raises(ReplatformError, match="shop_pgbouncer failed: error: no$"):
        place.run("echo hint >&2; echo error: no >&2; exit 1")
    with pytest.raises(ReplatformError, match="failed: status 3"):
        place.run("exit 3")
    with pytest.raises(ReplatformError, match=r"has not ended within 0\.1 s"):
        place.run("read -r _ </dev/zero")


@pytest.mark.parametrize("ids", [(), ("c1", "c2")])
def test_not_one_container(ids):
    with pytest.raises(ReplatformError, match=f"{len(ids)} containers of shop_pgbouncer run on this host"):
        Container(Engine(*ids), "shop_pgbouncer").run(":")
