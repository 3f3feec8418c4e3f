"""The lab's Swarm as the tests see it, and module swarm_drain as they run it on its first manager."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import subprocess
import time
import typing as t

import pytest
import yaml

PROJECT = pathlib.Path(__file__).parents[3]
STACK = yaml.safe_load((PROJECT / "lab/services/docker-stack.yml").read_text())["services"]
MANAGER = "sophia-production-instance"
# On a tmpfs, whose locks /proc/locks names by the numbers that stat gives.
JOURNAL, LOCK = "/run/drain-faults.jsonl", "/run/replatform.swarm_drain.lock"
IMAGE = "172.31.77.2:5000/sophia/backend:1.0"
# Six tasks on five nodes: when a node is active again, another has two more than it, so that one comes back.
MOVABLE = ("faults-one", "faults-two")
ENDED = {"complete", "shutdown", "failed", "rejected", "remove", "orphaned"}
UPDATING = {"updating", "rollback_started"}


class Outcome(t.NamedTuple):
    """How a run ended, and the module's result; empty where the module was killed."""

    status: int
    result: dict[str, t.Any]
    said: str


def docker(*words: str) -> str:
    """What Docker says on the machine that the lab runs on."""
    done = subprocess.run(["docker", *words], check=False, capture_output=True, text=True, timeout=300)
    print(done.stderr, end="")
    done.check_returncode()
    return done.stdout.strip()


class Swarm:
    """The Swarm and the module."""

    def docker(self, *words: str) -> str:
        """What Docker says on the manager."""
        return docker("exec", f"replatform-lab-{MANAGER}", "docker", *words)

    def get(self, what: str) -> list[dict[str, t.Any]]:
        """What the manager's API says of all nodes, services or tasks."""
        curl = f"curl -sS --fail --max-time 60 --unix-socket /run/docker.sock http://docker/{what}"
        return json.loads(docker("exec", f"replatform-lab-{MANAGER}", *curl.split()))

    def node(self, name: str) -> dict[str, t.Any]:
        """A node by host name."""
        (found,) = [one for one in self.get("nodes") if one["Description"]["Hostname"] == name]
        return found

    def services(self) -> dict[str, dict[str, t.Any]]:
        """All services by name."""
        return {one["Spec"]["Name"]: one for one in self.get("services")}

    def specs(self) -> dict[str, str]:
        """The specs of all services and nodes, byte for byte; the credentials for a registry are in no answer."""
        specs = {name: one["Spec"] for name, one in self.services().items()}
        specs.update({one["Description"]["Hostname"]: one["Spec"] for one in self.get("nodes")})
        return {name: json.dumps(spec) for name, spec in specs.items()}

    def tasks(self, service: str = "") -> list[dict[str, t.Any]]:
        """The tasks that have not ended, of a service or of all."""
        wanted = self.services()[service]["ID"] if service else ""
        tasks = [one for one in self.get("tasks") if one["Status"]["State"] not in ENDED]
        return [one for one in tasks if not wanted or one.get("ServiceID") == wanted]

    def look(self, with_tasks: bool = True) -> dict[str, t.Any]:
        """All that a refusal must leave alone: specs with their versions, and the tasks."""
        things = [*self.get("nodes"), *self.get("services")]
        seen: dict[str, t.Any] = {one["ID"]: (one["Version"]["Index"], json.dumps(one["Spec"])) for one in things}
        for one in self.tasks() if with_tasks else []:
            seen[one["ID"]] = (one.get("NodeID"), one["DesiredState"], one["Status"]["State"])
        return seen

    def is_whole(self) -> bool:
        """Whether all nodes are ready, each service has all its tasks, none too many, and no update under way, and no other has any."""
        nodes, services, tasks = self.get("nodes"), self.get("services"), self.tasks()
        managers = [one["ManagerStatus"]["Reachability"] for one in nodes if one.get("ManagerStatus")]
        if {one["Status"]["State"] for one in nodes} != {"ready"} or set(managers) != {"reachable"}:
            return False
        if {one["ServiceID"] for one in tasks if one.get("ServiceID")} - {one["ID"] for one in services}:
            return False
        for service in services:
            states = [
                (one["DesiredState"], one["Status"]["State"]) for one in tasks if one.get("ServiceID") == service["ID"]
            ]
            if "Replicated" in service["Spec"]["Mode"] and (
                states != [("running", "running")] * service["Spec"]["Mode"]["Replicated"]["Replicas"]
                or (service.get("UpdateStatus") or {}).get("State") in UPDATING
            ):
                return False
        return True

    def until(self, what: str, holds: t.Callable[[], bool], seconds: float = 600) -> None:
        """Wait; a manager that elects a leader answers nothing meanwhile."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(subprocess.SubprocessError):
                if holds():
                    return
            time.sleep(0.5)  # between two looks
        raise AssertionError(f"still not so: {what}")

    def until_whole(self) -> None:
        """Wait until nothing moves any more."""
        self.until("the Swarm is whole", self.is_whole)

    def create(self, name: str, *options: str, command: t.Sequence[str] = ()) -> None:
        """A service of one of the lab's images, which answers /whoami at 8001."""
        given = ("--env=SERVICE=backend", "--env=PORT=8001", "--stop-grace-period=20s", "--no-resolve-image")
        create = ("service", "create", "--detach", "--quiet", f"--name={name}", *given, *options, IMAGE, *command)
        # Managers that have just found a leader may lose it once more.
        self.until(f"{name} is there", lambda: name in self.services() or bool(self.docker(*create)))

    def kill(self, name: str, host: str) -> None:
        """The end of a service's only task, on its host."""
        (task,) = self.tasks(name)
        container = task["Status"]["ContainerStatus"]["ContainerID"]
        docker("exec", f"replatform-lab-{host}", "docker", "kill", container)
        self.until("its task has ended", lambda: not self.tasks(name))

    def serve(self, name: str, replicas: int, check_s: int) -> None:
        """A service that the module moves, in the network of the stack; it counts when it has been looked at."""
        check = ("--health-cmd=busybox wget -q -O /dev/null http://127.0.0.1:8001/health", "--health-timeout=10s")
        where = ("--network=sophia_platform", "--endpoint-mode=dnsrr", f"--replicas={replicas}")
        self.create(name, *where, *check, f"--health-interval={check_s}s")
        self.until_whole()

    @contextlib.contextmanager
    def paused(self, *hosts: str) -> t.Iterator[None]:
        """Their systemd, Engine and Swarm stand still; their tasks run on."""
        containers = [f"replatform-lab-{host}" for host in hosts]
        docker("pause", *containers)
        try:
            yield
        finally:
            docker("unpause", *containers)
        self.until_whole()

    @contextlib.contextmanager
    def frozen(self, host: str) -> t.Iterator[None]:
        """A host that is paused, and the managers know."""
        with self.paused(host):
            self.until(f"{host} is down", lambda: self._is_lost(host))
            yield

    def is_led(self) -> bool:
        """Whether the managers answer, for which they need a leader."""
        try:
            return bool(self.get("nodes"))
        except subprocess.CalledProcessError:
            return False

    def _is_lost(self, host: str) -> bool:
        node = self.node(host)
        reachability = (node.get("ManagerStatus") or {}).get("Reachability", "unreachable")
        return (node["Status"]["State"], reachability) == ("down", "unreachable")

    def start(self, node: str, state: str = "drained", **options: t.Any) -> subprocess.Popen[str]:
        """The module, on its way. All that is only to be allowed by a person may move."""
        limits = {"move_timeout": 300, "deadline": 1200, "journal": JOURNAL}
        given = {"node": node, "state": state, **limits, **options}
        given.setdefault("may_move", sorted(self.services()) if self.is_led() else [])
        module = ("-m", "sophia.replatform.swarm_drain", "-a", json.dumps(given))
        return subprocess.Popen(
            ["ansible", MANAGER, "-i", "inventories/lab", "-b", *module],
            cwd=PROJECT,
            env={**os.environ, "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg"), "ANSIBLE_FORCE_COLOR": "0"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def end(self, run: subprocess.Popen[str]) -> Outcome:
        """Its outcome, once it has one."""
        said = run.communicate(timeout=2400)[0]
        _before, mark, result = said.partition("=> {")
        return Outcome(run.returncode, json.JSONDecoder().raw_decode("{" + result)[0] if mark else {}, said)

    def run(self, node: str, state: str = "drained", **options: t.Any) -> Outcome:
        """The module, to its end."""
        return self.end(self.start(node, state, **options))

    def bring(self, node: str, state: str, **options: t.Any) -> list[str]:
        """The module, which must come to its end well; the steps, in order."""
        outcome = self.run(node, state, **options)
        assert outcome.status == 0, outcome.said
        return [step["name"] for step in outcome.result["steps"]]

    def refuses(self, words: str, node: str, with_tasks: bool = True, **options: t.Any) -> None:
        """The module, which must refuse in one line with these words, and leave all as it was; the tasks may move for other reasons."""
        before, recorded = self.look(with_tasks), len(self.records())
        outcome = self.run(node, **options)
        assert outcome.status != 0, outcome.said
        print(outcome.result["msg"])
        assert words in outcome.result["msg"]
        assert "\n" not in outcome.result["msg"]
        assert [(one["step"], one["event"]) for one in self.records()[recorded:]] == [("refuse", "refused")]
        assert self.look(with_tasks) == before

    def records(self) -> list[dict[str, t.Any]]:
        """The journal."""
        text = docker("exec", f"replatform-lab-{MANAGER}", "sh", "-c", f"touch {JOURNAL} && cat {JOURNAL}")
        return [json.loads(line) for line in text.splitlines()]

    @contextlib.contextmanager
    def watch(self, what: str, *records: str) -> t.Iterator[subprocess.Popen[str]]:
        """files/at.py, which sees every record from here on; what it prints next is the record that it has met."""
        program = f"docker exec -i replatform-lab-{MANAGER} drain-faults-at {JOURNAL} {LOCK} {what}"
        with subprocess.Popen(
            [*program.split(), *records], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as watcher:
            assert watcher.stdin and watcher.stdout
            assert watcher.stdout.readline() == "watching\n"
            try:
                yield watcher
            finally:
                watcher.stdin.close()

    def meets(self, run: subprocess.Popen[str], watcher: subprocess.Popen[str]) -> str:
        """The record that the run has met; it must not end before."""
        assert run.stdout and watcher.stdout
        while not select.select([watcher.stdout], [], [], 1)[0]:
            assert run.poll() is None, run.stdout.read()
        return watcher.stdout.readline().strip()

    def killed(self, node: str, state: str, records: t.Sequence[str]) -> str:
        """Run the module and kill it at the first of the records; which it was, or '' where it came to its end."""
        with self.watch("kill", *records) as watcher:
            assert watcher.stdin and watcher.stdout
            outcome = self.run(node, state)
            watcher.stdin.close()
            met = watcher.stdout.read().strip()
        assert (outcome.status != 0) == bool(met), (met, outcome.said)
        return met

    @contextlib.contextmanager
    def asked(self) -> t.Iterator[dict[str, t.Any]]:
        """Clients ask all HTTP services of the stack and those of ours; at the end C(asked) and C(faults) are there."""
        ports = {name: one["ports"][0]["target"] for name, one in STACK.items() if "PORT" in one.get("environment", {})}
        servers = [f"{name}:{port}" for name, port in ports.items() if name != "ticker"]
        servers += [f"{name}:8001" for name in MOVABLE]
        program = "type=bind,source=/usr/local/bin/drain-faults-client,target=/client,readonly"
        run = ("run", "--detach", "--name=faults-client", "--network=sophia_platform", f"--mount={program}")
        told: dict[str, t.Any] = {}
        self.docker(*run, IMAGE, "python3", "/client", *servers)
        try:
            yield told
        finally:
            self.docker("stop", "--time=90", "faults-client")
            told.update(json.loads(self.docker("logs", "faults-client").splitlines()[-1]))
            print(told)
            self.docker("rm", "faults-client")

    def tidy(self) -> None:
        """Take away what a run that was cut off has left."""
        for container in docker("ps", "--quiet", "--filter=label=replatform-lab", "--filter=status=paused").split():
            docker("unpause", container)
        self.until("the manager answers", lambda: bool(self.get("nodes")))
        for container in self.docker("ps", "--all", "--quiet", "--filter=name=^faults-client$").split():
            self.docker("rm", "--force", container)
        for node in self.get("nodes"):
            self.bring(node["Description"]["Hostname"], "active", rebalance=False)
        for name in self.services():
            if name.startswith("faults-"):
                self.docker("service", "rm", name)
        self.until_whole()


@pytest.fixture(scope="session", name="swarm")
def swarm_fixture() -> t.Iterator[Swarm]:
    """The lab's Swarm with two services more, of which each node has a task."""
    swarm = Swarm()
    swarm.tidy()
    for name in MOVABLE:
        swarm.serve(name, replicas=6, check_s=2)
    yield swarm
    swarm.tidy()
