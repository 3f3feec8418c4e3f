"""Scripts of a handover in the container of a Swarm's task."""

from __future__ import annotations

import os
import select
import socket
import struct
import subprocess
import threading

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover.container import Container


class Engine:
    """An engine whose containers are this host. It frames what an exec prints as the Engine does."""

    def __init__(self, *ids):
        self.ids = ids
        self.asked = []
        self.execs = []
        self.ends = []

    def containers(self, filters):
        self.asked.append(filters)
        return [{"Id": one} for one in self.ids]

    def exec_create(self, container, command, user, stdin):
        assert (container, user, stdin) == ("c1", "root", True)
        self.execs.append(command)
        return {"Id": len(self.execs)}

    def exec_start(self, exec_id, socket):
        assert (exec_id, socket) == (len(self.execs), True)
        return self._attach(self.execs[-1])

    def _attach(self, command):
        ours, theirs = socket.socketpair()
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=ours.fileno(), stdout=pipe, stderr=pipe)
        framing = threading.Thread(target=frame, args=(process, ours))
        framing.start()
        self.ends.append((ours, theirs, process, framing))
        return theirs

    def close(self):
        for ours, theirs, process, framing in self.ends:
            theirs.close()
            process.wait(10)
            framing.join(10)
            ours.close()
            process.stdout.close()
            process.stderr.close()


def frame(process, connection):
    """What a process prints, in pieces of some bytes, until it has ended."""
    streams = {process.stdout: 1, process.stderr: 2}
    while streams:
        for stream in select.select(list(streams), [], [])[0]:
            piece = os.read(stream.fileno(), 5)
            if piece:
                connection.sendall(struct.pack(">BxxxL", streams[stream], len(piece)) + piece)
            else:
                del streams[stream]
    connection.shutdown(socket.SHUT_WR)


@pytest.fixture
def engine():
    made = Engine("c1")
    yield made
    made.close()


def test_what_scripts_print_in_the_one_shell_of_its_container(engine):
    place = Container(engine, "shop_pgbouncer")
    assert place.run('echo "$1 $2"', "a", "b c") == "a b c\n"
    assert place.run(":") == ""
    assert engine.asked == [{"label": "com.docker.swarm.service.name=shop_pgbouncer", "status": "running"}]
    assert engine.execs == [["/bin/sh"]]


def test_what_a_script_says_when_it_fails(engine):
    with pytest.raises(ReplatformError, match=r"in the container of shop_pgbouncer failed: error: no$"):
        Container(engine, "shop_pgbouncer").run("echo hint >&2; echo error: no >&2; exit 1")


def test_a_container_that_ends_meanwhile(engine):
    place = Container(engine, "shop_pgbouncer")
    with pytest.raises(ReplatformError, match="container of shop_pgbouncer: the exec has ended"):
        place.run("read -r _ _ _ parent _ </proc/$PPID/stat; kill -KILL $parent")
    assert place.run("echo again") == "again\n", "in another shell"


@pytest.mark.parametrize("ids", [(), ("c1", "c2")])
def test_not_one_container(ids):
    with pytest.raises(ReplatformError, match=f"{len(ids)} containers of shop_pgbouncer run on this host"):
        Container(Engine(*ids), "shop_pgbouncer").run(":")
