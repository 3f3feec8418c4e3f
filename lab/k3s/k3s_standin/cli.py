"""The command line: server and agent, and the tools that K3s carries."""

from __future__ import annotations

import hashlib
import os
import pkgutil
import shutil
import signal
import sys
import threading
from pathlib import Path

from . import agent, child, config, faults, logs, server, snapshots, tokens
from .settings import BINARIES, CONTAINERD_SOCKET, resolve
from .version import VERSION

GO_VERSION = "go1.19.8"
TOOLS = ("kubectl", "crictl", "ctr")
USAGE = """\
NAME:
   k3s - Kubernetes, but small and simple

USAGE:
   k3s [global options] command [command options]

COMMANDS:
   server   Run management server
   agent    Run node agent
   kubectl  Run kubectl
   crictl   Run crictl
   ctr      Run ctr
   token    Manage tokens
   etcd-snapshot  Manage etcd snapshots

GLOBAL OPTIONS:
   --help, -h     show help
   --version, -v  print the version
"""


def version() -> str:
    source = pkgutil.get_data(__package__ or "k3s_standin", "cli.py") or b""
    return f"k3s version {VERSION} ({hashlib.sha256(source).hexdigest()[:8]})\ngo version {GO_VERSION}"


def run_tool(name: str, arguments: list[str]) -> int:
    """Become kubectl, crictl or ctr, set up for this node."""
    environment = dict(os.environ)
    if name == "kubectl":
        environment.setdefault("KUBECONFIG", "/etc/rancher/k3s/k3s.yaml")
        program = BINARIES / "kubectl"
        if not os.access(environment["KUBECONFIG"], os.R_OK) and "KUBECONFIG" not in os.environ:
            logs.warning(
                f"Unable to read {environment['KUBECONFIG']}, please start server with --write-kubeconfig-mode "
                "or --write-kubeconfig-group to modify kube config permissions"
            )
    else:
        environment.setdefault("CONTAINERD_ADDRESS", str(CONTAINERD_SOCKET))
        environment.setdefault("CONTAINERD_NAMESPACE", "k8s.io")
        environment.setdefault("CONTAINER_RUNTIME_ENDPOINT", f"unix://{CONTAINERD_SOCKET}")
        program = Path(f"/usr/bin/{name}")
    if not program.exists():
        logs.fatal(f"{name} is not part of this stand-in")
        return 1
    os.execve(program, [name, *arguments], environment)


def run_service(role: str, arguments: list[str]) -> int:
    if os.geteuid() != 0:
        raise logs.Fatal(f"must run as root: {role} needs containers, iptables and routes")
    for program in ("/usr/bin/containerd", "/usr/sbin/haproxy", str(BINARIES / "kubelet")):
        if not shutil.which(program):
            raise logs.Fatal(f"{program} is missing: this stand-in calls it instead of carrying it inside")
    settings = resolve(role, config.load(role, arguments, os.environ))
    logs.info(f"Starting k3s {role} {VERSION}")
    finished = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: finished.set())
    child.end_leftovers()
    outcome: list[Exception] = []
    parts: list[server.Server | agent.Agent] = []

    def bring_up() -> None:
        try:
            wanted = faults.read()
            finished.wait(float(wanted.get("start-delay") or 0))
            failure = faults.start_failure(wanted, VERSION)
            if failure:
                raise logs.Fatal(failure)
            if settings.flag("cluster-reset"):
                server.run_reset(settings)
                finished.set()
                return
            parts.extend(server.run(settings) if role == "server" else [agent.run(settings)])
        except Exception as error:  # noqa: BLE001  reported by the main thread, which alone ends the process
            outcome.append(error)
            finished.set()

    # A signal must be able to end the process while a server is still being waited for.
    threading.Thread(target=bring_up, daemon=True).start()
    finished.wait()
    if outcome:
        raise outcome[0]
    for part in reversed(parts):
        part.stop()
    return 0


def main() -> int:
    name = os.path.basename(sys.argv[0])
    words = sys.argv[1:]
    try:
        if name in TOOLS:
            return run_tool(name, words)
        if not words or words[0] in ("--help", "-h", "help"):
            print(USAGE, end="")
            return 0
        if words[0] in ("--version", "-v"):
            print(version())
            return 0
        if words[0] in TOOLS:
            return run_tool(words[0], words[1:])
        if words[0] == "etcd-snapshot":
            return snapshots.command(words[1:], os.environ)
        if words[0] == "token":
            return tokens.command(words[1:], os.environ)
        if words[0] in ("server", "agent"):
            return run_service(words[0], words[1:])
        raise logs.Fatal(f"No help topic for '{words[0]}'")
    except logs.Fatal as error:
        logs.fatal(str(error))
        return 1
