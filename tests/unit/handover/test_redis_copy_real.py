"""redis_handover's scripts on two real Redis servers: the fence of the old one and its restart."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import operations, places

from . import redis_stores, stores


class Cluster:
    """The pod of the new instance is this host."""

    def __init__(self, new):
        self.new, self.switched = new, False

    def selects_pods(self, _service):
        return self.switched

    def pod_of(self, _service):
        return "pod"

    def run(self, _pod, script, password_file, host, port):
        """A script that speaks of the pod's own instance finds it at its own port."""
        own = script.replace('"${port:-6379}"', f'"${{port:-{self.new.port}}}"')
        return places.Here(60).run(own, password_file, host, port)


class Stage:
    def __init__(self, folder, old, new):
        self.old, self.cluster, self.password_file = old, Cluster(new), folder / "password"
        self.password_file.write_text(redis_stores.PASSWORD)

    def run(self, state):
        params = {
            "name": "redis",
            "source": self.old.address,
            "password_file": str(self.password_file),
            "state": state,
            "overwrite": False,
            "journal": None,
            "phase": "cutover",
            "deadline": 20,
        }
        made = operations.RedisHandover(self.cluster, params)
        return operation.perform(made, "redis_handover", "redis", params, False)

    def names(self, state):
        """The steps that change something."""
        return [step["name"] for step in self.run(state)["steps"] if not step["name"].startswith("wait_")]


@pytest.fixture(name="unpacked")
def unpacked_fixture(monkeypatch):
    program, libraries = stores.unpacked("redis-server")
    assert program, "Redis is missing: run make unit, which unpacks Debian's"
    monkeypatch.setenv("LD_LIBRARY_PATH", libraries)
    return program, libraries


@contextlib.contextmanager
def started(folder, unpacked, has_file):
    program, libraries = unpacked
    old = redis_stores.Redis(folder / "old", program, libraries, has_file=has_file)
    new = redis_stores.Redis(folder / "new", program, libraries)
    try:
        stores.until(lambda: old.role() == new.role() == "master", "both answer")
        old.ask("SET", "key", "1")
        yield Stage(folder, old, new)
    finally:
        for one in (old, new):
            one.server.end()


def takes_writes(redis):
    try:
        return redis.ask("SET", "key", "2") == "OK"
    except redis_stores.RedisError:
        return False


def test_the_fence_outlives_a_restart_until_it_is_taken_back(tmp_path, unpacked):
    with started(tmp_path, unpacked, has_file=True) as stage:
        stage.run("copied")
        stage.old.restart()
        assert not takes_writes(stage.old)
        assert stage.names("copied") == ["replicate", "promote"]
        assert stage.names("writable") == ["allow_writes"]
        assert "min-replicas-to-write 99" not in stage.old.file.read_text()
        stage.old.restart()
        assert takes_writes(stage.old)


def test_a_fence_that_a_restart_ends_is_seen_before_the_switch_and_after_it(tmp_path, unpacked):
    with started(tmp_path, unpacked, has_file=False) as stage:
        assert "a restart of the old one, which can't write its file, ends its fence" in stage.run("copied")["reason"]
        assert not takes_writes(stage.old)
        stage.old.restart()
        assert takes_writes(stage.old)
        assert stage.names("copied") == ["replicate", "stop_writes", "promote"]
        stage.old.restart()
        stage.cluster.switched = True
        with pytest.raises(RefusedError, match="takes writes, for it has restarted"):
            stage.run("idle")
