"""A Swarm and a cluster that are one file, with a real service behind each; what the stand-ins for their modules do."""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import typing as t

START = {"swarm": 1, "k3s": 0, "led": False, "claim": True, "holders": ["localhost"], "ready": True, "slow": False}
POD_STARTS_IN_S = 5
Params = t.Mapping[str, t.Any]

# Numbers go on where the folder ends; each is acknowledged outside once it is written.
SERVICE = r"""
import os, pathlib, signal, sys
data, acknowledged = pathlib.Path(sys.argv[1]), sys.argv[2]
signal.alarm(1800)  # no test takes longer; one that was killed leaves it behind
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
lines = data / "lines"
known = lines.read_text().split() if lines.exists() else []
number = int(known[-1]) if known else 0
with open(lines, "a") as log, open(acknowledged, "a") as said:
    while True:
        number += 1
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        log.write(f"{number}\n")
        log.flush()
        if number % 20 == 0:
            name = data / f"one of {number}"
            name.write_text(str(number) * 1000)
            os.link(name, data / f"other\nof {number}")
            os.rename(name, data / f"renamed {number}")
            (data / f"renamed {number - 400}").unlink(missing_ok=True)
        said.write(f"{number}\n")
        said.flush()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        signal.sigtimedwait([signal.SIGUSR1], 0.01)
"""
MOUNTED = 'mkdir -p "$2" && mount --bind "$1" "$2" && shift 2 && exec "$@"'


class World:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.file = folder / "world.json"

    def read(self) -> dict[str, t.Any]:
        return {**START, **(json.loads(self.file.read_text()) if self.file.exists() else {})}

    def write(self, **changes: t.Any) -> None:
        aside = self.folder / "world.new"
        aside.write_text(json.dumps({**self.read(), **changes}))
        aside.rename(self.file)

    # What the modules do

    def swarm_stack_info(self, _params: Params, _check: bool) -> dict[str, t.Any]:
        return {"services": [{"name": "wiki", "replicas": self.read()["swarm"], "running": self.read()["swarm"]}]}

    def volume_info(self, _params: Params, _check: bool) -> dict[str, t.Any]:
        folder, here = self.folder / "swarm", os.environ.get("AT", "localhost") in self.read()["holders"]
        found = {"path": str(folder), "entries": len(list(folder.iterdir()))} if here else {"path": "", "entries": 0}
        return {"exists": here, "driver": "local" if here else "", "device": "", **found}

    def swarm_scale(self, params: Params, check: bool) -> dict[str, t.Any]:
        assert params["service"] == "shop_wiki"
        return self.scale("swarm", int(params["replicas"]), check)

    def k8s_scale(self, params: Params, check: bool) -> dict[str, t.Any]:
        assert (params["kind"], params["name"], params["namespace"]) == ("StatefulSet", "wiki", "shop")
        if params["replicas"] > self.read()["k3s"] and params["wait_timeout"] < POD_STARTS_IN_S:
            raise RuntimeError("Resource scaling timed out")
        return self.scale("k3s", int(params["replicas"]), check)

    def k8s(self, params: Params, check: bool) -> dict[str, t.Any]:
        if params["state"] == "present" and not check:
            self.write(claim=True)
        return {"changed": True}

    def k8s_info(self, params: Params, _check: bool) -> dict[str, t.Any]:
        now = self.read()
        template = {"metadata": {"name": "wiki-data"}, "spec": {"storageClassName": "local-path"}}
        selector = {"selector": {"app": "wiki"}} if now["led"] else {}
        node = [{"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["node-1"]}]}]
        things: dict[str, list[t.Any]] = {
            "Service": [{"metadata": {"name": "wiki"}, "spec": selector}],
            "StatefulSet": [
                {
                    "spec": {
                        "replicas": now["k3s"],
                        "selector": {"matchLabels": {"app": "wiki"}},
                        "volumeClaimTemplates": [template],
                        "template": {"spec": {"containers": [{"image": "wiki:1"}]}},
                    }
                }
            ],
            "PersistentVolumeClaim": [{"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}]
            if now["claim"]
            else [],
            "PersistentVolume": [
                {
                    "spec": {
                        "hostPath": {"path": str(self.folder / "k3s")},
                        "nodeAffinity": {"required": {"nodeSelectorTerms": node}},
                    }
                }
            ],
        }
        return {"resources": things[params["kind"]]}

    def names(self, switched: t.Sequence[t.Sequence[str]]) -> None:
        over, back = switched
        assert [*over, *back] == ["wiki"], switched
        self.write(led=bool(over))

    # The service of each side

    def scale(self, side: str, replicas: int, check: bool) -> dict[str, t.Any]:
        changed = self.read()[side] != replicas
        if check:
            return {"changed": changed}
        self.write(**{side: replicas})
        if replicas and not self.read()["ready"] and side == "k3s":
            raise RuntimeError("the pod is not ready")
        if self.read()["slow"] and not replicas:
            self.let_time_pass()
        self.settle(side)
        return {"changed": changed}

    def let_time_pass(self) -> None:
        """A window that is open was opened long ago."""
        record = self.folder / "state" / "volumes" / "wiki.json"
        found = json.loads(record.read_text()) if record.exists() else {}
        if found.get("opened"):
            record.write_text(json.dumps({**found, "opened": 1.0}))

    def settle(self, side: str) -> None:
        """The service runs or does not, as is wanted of it; two at once are noted down."""
        # A module outlives a controller that is killed, and may still be at it.
        with open(self.folder / "settling", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._settle(side)

    def _settle(self, side: str) -> None:
        note = self.folder / f"{side}.pid"
        wanted = self.read()[side]
        if wanted and not note.exists():
            if (self.folder / ("swarm.pid" if side == "k3s" else "k3s.pid")).exists():
                (self.folder / "violations").write_text(f"{side} was started beside the other")
            note.write_text(str(self.service(side)))
        elif not wanted and note.exists():
            pid = int(note.read_text())
            os.kill(pid, signal.SIGTERM)
            while os.path.exists(f"/proc/{pid}/ns/mnt") and alive(pid):
                threading.Event().wait(0.02)
            note.unlink()

    def service(self, side: str) -> int:
        point = self.folder / "seen" / side
        service = [sys.executable, "-c", SERVICE, str(point), str(self.folder / "acknowledged")]
        command = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(self.folder / side), str(point), *service]
        nothing = subprocess.DEVNULL
        # Not a child of the module, so that it is nobody's zombie.
        text = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], start_new_session=True, stdin=-3, stdout=-3, stderr=-3).pid)"
        made = subprocess.run(
            [sys.executable, "-c", text, *command], stdout=subprocess.PIPE, stderr=nothing, check=True
        )
        return int(made.stdout)


def alive(pid: int) -> bool:
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
