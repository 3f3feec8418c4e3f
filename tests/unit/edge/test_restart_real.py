"""The unit of the edge with a real Traefik, started, stopped and killed as systemd would, while the Swarm still holds the port."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys

import jinja2
import pytest

from . import netns

TRAEFIK = (
    shutil.which("traefik", path=os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])) or "traefik"
)
SETTINGS = """
entryPoints: {web: {address: ":8081", transport: {lifeCycle: {graceTimeOut: 20s}}}, traefik: {address: "127.0.0.1:8099"}}
global: {checkNewVersion: false, sendAnonymousUsage: false}
api: {insecure: true, dashboard: false}
providers: {providersThrottleDuration: 100ms, file: {directory: FOLDER}}
"""
ROUTE = """
http:
  routers: {all: {rule: "PathPrefix(`/`)", service: all, entryPoints: [web]}}
  services: {all: {loadBalancer: {servers: [{url: "http://127.0.0.1:9000"}]}}}
"""


class Unit:
    """What systemd does for replatform-edge.service, in the order in which it does it (systemd.service(5))."""

    def __init__(self, host, folder):
        self.host, self.folder = host, folder
        (folder / "dynamic").mkdir()
        (folder / "dynamic/all.yml").write_text(ROUTE)
        (folder / "traefik.yml").write_text(SETTINGS.replace("FOLDER", str(folder / "dynamic")))
        template = jinja2.Template((netns.ROOT / "roles/edge/templates/takeover.conf.j2").read_text())
        self.drop_in = template.render(
            __edge_take_over=netns.ROOT / "roles/edge/files/take_over.py",
            __edge_api="http://127.0.0.1:8099",
            __edge_takeover_file=host.path,
            __edge_nft=shutil.which("nft"),
        )
        self.traefik = None

    def do(self, setting):
        (line,) = re.findall(rf"^{setting}=-\+(.*)$", self.drop_in, re.MULTILINE)
        self.host.namespace.run(*[word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)])

    def start(self):
        command = [netns.IP, "netns", "exec", self.host.namespace.name, TRAEFIK]
        self.traefik = subprocess.Popen(
            [*command, f"--configFile={self.folder}/traefik.yml"], stdout=subprocess.DEVNULL
        )
        while self.host.namespace.within(lambda: netns.ask_http("127.0.0.1", 8081)) == "ConnectionRefusedError":
            assert self.traefik.poll() is None
        self.do("ExecStartPost")

    def stop(self):
        self.do("ExecStop")
        self.end(signal.SIGTERM)

    def end(self, by):
        self.traefik.send_signal(by)
        self.traefik.wait()
        self.do("ExecStopPost")


@pytest.fixture
def unit(tmp_path):
    netns.require()
    host = netns.Host(tmp_path)
    backends = [netns.HttpServer(host.namespace, "swarm", 80), netns.HttpServer(host.namespace, "edge", 9000)]
    made = Unit(host, tmp_path)
    yield made
    if made.traefik and made.traefik.poll() is None:
        made.traefik.kill()
        made.traefik.wait()
    for backend in backends:
        backend.end()
    host.end()


def test_a_restart_of_the_edge_refuses_nobody_and_it_ends_as_it_began(unit):
    unit.start()
    client = netns.Client(unit.host.outside, netns.HOST, how=netns.ask_http)
    client.more(50)
    taken = unit.host.module(redirects=[{"port": 80, "to_port": 8081}])
    assert taken["changed"], taken
    for _restart in range(3):
        client.more(100)
        assert client.answers[-1] == "edge"
        unit.stop()
        client.more(20)
        assert client.answers[-1] == "swarm"
        unit.start()
    client.more(100)
    assert set(client.end()) == {"swarm", "edge"}, "a request was refused or cut, or met an edge without routes"
    assert not unit.host.module(redirects=[{"port": 80, "to_port": 8081}])["changed"]


def test_after_a_crash_the_old_holder_serves_until_the_edge_does_again(unit):
    unit.start()
    unit.host.module(redirects=[{"port": 80, "to_port": 8081}])

    def ask():
        return unit.host.outside.within(lambda: netns.ask_http(netns.HOST, 80))

    assert ask() == "edge"
    unit.end(signal.SIGKILL)
    assert ask() == "swarm"
    unit.start()
    assert ask() == "edge"
