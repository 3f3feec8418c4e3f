"""redis_handover's scripts on two real Redis servers: the fence of the old one and its restart."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import operations, places, redis_scripts

from . import redis_stores, stores
from .test_redis_pair_real import SOAK


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

    def script(self, text):
        """Against the old one, at whatever stage."""
        self.cluster.run("pod", text, str(self.password_file), *places.address(self.old.address))

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
def started(folder, unpacked, has_file, settings=""):
    program, libraries = unpacked
    old = redis_stores.Redis(folder / "old", program, libraries, settings, has_file)
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


def given(redis):
    return [
        redis.ask("CONFIG", "GET", name).partition("\n")[2]
        for name in ("min-replicas-to-write", "min-replicas-max-lag")
    ]


def test_the_fence_outlives_a_restart_until_it_is_taken_back(tmp_path, unpacked):
    with started(tmp_path, unpacked, has_file=True) as stage:
        stage.run("copied")
        stage.old.restart()
        assert not takes_writes(stage.old)
        assert stage.names("copied") == ["replicate", "promote"]
        assert stage.names("writable") == ["allow_writes"]
        assert "min-replicas-to-write 99" not in stage.old.file.read_text()
        assert given(stage.old) == ["0", "10"]
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


# With these Redis looks at no replica.
UNUSED = "min-replicas-to-write 3\nmin-replicas-max-lag 0\n"


@pytest.mark.parametrize("has_file", [True, False] if SOAK else [True])
def test_where_redis_would_not_look_at_the_number_it_is_made_to_and_back(tmp_path, unpacked, has_file):
    with started(tmp_path, unpacked, has_file, UNUSED) as stage:
        stage.run("copied")
        assert not takes_writes(stage.old)
        # Somebody takes half of it back.
        stage.old.ask("CONFIG", "SET", "min-replicas-max-lag", "0")
        assert stage.names("copied") == ["replicate", "stop_writes", "promote"]
        assert not takes_writes(stage.old) and given(stage.old)[1] == "10"
        if has_file:
            stage.old.restart()
            assert not takes_writes(stage.old)
        assert stage.names("writable") == ["allow_writes"] and stage.names("writable") == []
        assert given(stage.old) == ["3", "0"] and takes_writes(stage.old)
        stage.old.restart()
        assert given(stage.old) == ["3", "0"] and takes_writes(stage.old)


# Does what it is told to, and kills the script that told it to after so many times.
DEADLY = r"""#!/bin/sh
{program} "$@"
echo . >>{folder}/calls
[ "$(wc -l <{folder}/calls)" -ne {call} ] || kill -KILL "$(ps -o sid= -p $$)"
"""


def killed(folder, stage, script, call):
    """Whether it got as far as that call."""
    cli = folder / "redis-cli"
    cli.write_text(DEADLY.format(program=shutil.which("redis-cli"), folder=folder, call=call))
    cli.chmod(0o755)
    (folder / "calls").unlink(missing_ok=True)
    arguments = [str(stage.password_file), *places.address(stage.old.address)]
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["/bin/sh", "-c", script, "sh", *arguments], env=env, start_new_session=True, check=False)
    return done.returncode == -9


STOP, ALLOW = redis_scripts.STOP_WRITES, redis_scripts.ALLOW_WRITES


@pytest.mark.parametrize("has_file", [True, False] if SOAK else [False])
def test_killed_after_any_call_the_fence_stands_or_does_not_and_is_taken_back_whole(tmp_path, unpacked, has_file):
    with started(tmp_path, unpacked, has_file, UNUSED) as stage:
        for script, call in itertools.product((STOP, ALLOW), range(1, 5) if SOAK else (3, 4)):
            if script == ALLOW:
                stage.script(STOP)
                assert not takes_writes(stage.old)
            assert killed(tmp_path, stage, script, call) == (call < 4 or script == STOP)
            assert takes_writes(stage.old) == (given(stage.old) == ["3", "0"])
            stage.script(ALLOW)
            assert given(stage.old) == ["3", "0"] and takes_writes(stage.old)
            assert not has_file or "min-replicas-to-write 3" in stage.old.file.read_text()


def test_keys_of_another_database_are_not_thrown_away_unasked(tmp_path, unpacked):
    with started(tmp_path, unpacked, has_file=True) as stage:
        for key in "ab":
            stage.cluster.new.ask("SET", key, "1", database=1)
        with pytest.raises(RefusedError, match="holds 2 keys, more than the old one's 1"):
            stage.run("copied")
