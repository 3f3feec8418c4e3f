"""The lab's install.sh, run below a temporary folder with a systemctl that only writes down what it is told."""

from __future__ import annotations

import os
import pathlib
import stat
import subprocess

import pytest
import yaml

PROJECT = pathlib.Path(__file__).resolve().parents[3]
SCRIPT = PROJECT / "lab/k3s/install.sh"
REAL_TOOLS = ["cat", "chmod", "env", "grep", "ln", "printf", "rm", "sed", "tr", "xargs"]
ENDING_TOOLS = "find ip ip6tables-restore ip6tables-save iptables-restore iptables-save pgrep readlink umount"
ROLE = {"INSTALL_K3S_SKIP_DOWNLOAD": "true", "INSTALL_K3S_SKIP_START": "true", "INSTALL_K3S_SYMLINK": "skip"}


class Host:
    """A folder with K3s' binary, a place for units, and the programs that the scripts may call."""

    def __init__(self, root: pathlib.Path):
        self.bin, self.units, self.stubs, self.log = (root / name for name in ("bin", "units", "stubs", "log"))
        for folder in (self.bin, self.units, self.stubs):
            folder.mkdir()
        self.log.touch()
        self.program(self.bin / "k3s", "exit 0")
        self.user("0")
        self.stub("systemctl")
        for tool in REAL_TOOLS:
            (self.stubs / tool).symlink_to(f"/usr/bin/{tool}")

    @staticmethod
    def program(path: pathlib.Path, text: str) -> None:
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def user(self, number: str) -> None:
        self.program(self.stubs / "id", f"echo {number}")

    def stub(self, name: str) -> None:
        """A program that does nothing and writes its command down."""
        self.program(self.stubs / name, f'echo {name} "$@" >>{self.log}')

    def calls(self, name: str) -> list[str]:
        return [line.removeprefix(f"{name} ") for line in self.log.read_text().splitlines() if line.split()[0] == name]

    def run(self, *command: object, **variables: str) -> subprocess.CompletedProcess[str]:
        places = {"INSTALL_K3S_BIN_DIR": str(self.bin), "INSTALL_K3S_SYSTEMD_DIR": str(self.units)}
        environment = {"PATH": str(self.stubs), **places, **variables}
        return subprocess.run(
            ["/bin/sh", *map(str, command)], env=environment, capture_output=True, text=True, check=False
        )

    def install(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run(SCRIPT, *arguments, **variables)

    def unit(self, name: str) -> dict[str, list[str]]:
        values: dict[str, list[str]] = {}
        for line in (self.units / f"{name}.service").read_text().splitlines():
            if "=" in line:
                key, value = line.split("=", 1)
                values.setdefault(key, []).append(value)
        return values

    def written(self) -> set[str]:
        return {path.name for folder in (self.bin, self.units) for path in folder.iterdir()} - {"k3s"}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.mark.parametrize(("role", "unit"), [("server", "k3s"), ("agent", "k3s-agent")])
def test_as_the_role_runs_it_the_unit_is_written_and_enabled_and_not_started(host, role, unit):
    result = host.install(INSTALL_K3S_EXEC=role, **ROLE)
    assert result.returncode == 0, result.stderr
    assert host.written() == {f"{unit}.service", f"{unit}.service.env", "k3s-killall.sh", f"{unit}-uninstall.sh"}
    values = host.unit(unit)
    assert values["ExecStart"] == [f"{host.bin}/k3s {role}"]
    assert values["EnvironmentFile"][-1] == f"-{host.units}/{unit}.service.env"
    kept = {"Type": "notify", "KillMode": "process", "Delegate": "yes", "Restart": "always", "TimeoutStartSec": "0"}
    assert {key: values[key] for key in kept} == {key: [value] for key, value in kept.items()}
    assert host.calls("systemctl") == [f"disable {unit}", f"enable {host.units}/{unit}.service", "daemon-reload"]


def test_every_key_of_the_unit_is_as_the_role_writes_it(host):
    host.install(INSTALL_K3S_EXEC="server", **ROLE)
    role = (PROJECT / "roles/k3s/templates/k3s.service.j2").read_text().splitlines()
    own = {"User=root", "Description=Lightweight Kubernetes", f"EnvironmentFile=-{host.units}/k3s.service.env"}
    written = {line for line in (host.units / "k3s.service").read_text().splitlines() if "=" in line} - own
    assert {line for line in written if not line.startswith("ExecStart=")} <= set(role)


def test_without_skipping_it_is_started(host):
    host.install(INSTALL_K3S_EXEC="server", INSTALL_K3S_SKIP_DOWNLOAD="true")
    assert host.calls("systemctl")[-1] == "restart k3s"


def test_it_is_not_enabled_where_that_is_skipped(host):
    host.install(INSTALL_K3S_EXEC="server", INSTALL_K3S_SKIP_DOWNLOAD="true", INSTALL_K3S_SKIP_ENABLE="true")
    assert host.calls("systemctl") == ["disable k3s"]


@pytest.mark.parametrize(
    ("arguments", "variables", "command"),
    [
        ([], {}, "server"),
        ([], {"INSTALL_K3S_EXEC": "--disable=traefik"}, 'server "--disable=traefik"'),
        (["--disable=traefik"], {"INSTALL_K3S_EXEC": "server"}, 'server "--disable=traefik"'),
        (["agent", "--node-label", "a=b c"], {}, 'agent "--node-label" "a=b c"'),
        ([], {"INSTALL_K3S_EXEC": "server --node-label 'a=b c' *"}, 'server "--node-label" "a=b c" "*"'),
        ([], {"K3S_URL": "https://host:6443", "K3S_TOKEN": "x"}, "agent"),
        (["server"], {"K3S_URL": "https://host:6443"}, "server"),
        (["server", 'a"b\\'], {}, 'server "a\\"b\\\\"'),
    ],
)
def test_the_command_is_what_the_variable_and_the_arguments_say(host, arguments, variables, command):
    result = host.install(*arguments, **ROLE, **variables)
    assert result.returncode == 0, result.stderr
    unit = "k3s-agent" if command.startswith("agent") else "k3s"
    assert host.unit(unit)["ExecStart"] == [f"{host.bin}/k3s {command}"]


def test_the_environment_file_holds_k3s_variables_and_is_read_by_nobody_else(host):
    host.install("server", K3S_TOKEN="a secret", HTTPS_PROXY="http://proxy:3128", OTHER="not this", **ROLE)
    file = host.units / "k3s.service.env"
    assert set(file.read_text().splitlines()) == {"K3S_TOKEN=a secret", "HTTPS_PROXY=http://proxy:3128"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_an_earlier_run_wrote_is_written_anew(host):
    host.install("server", "--debug", K3S_TOKEN="old", **ROLE)
    (host.units / "k3s.service.env").chmod(0o644)
    host.install("server", **ROLE)
    assert host.unit("k3s")["ExecStart"] == [f"{host.bin}/k3s server"]
    assert (host.units / "k3s.service.env").read_text() == ""
    assert stat.S_IMODE((host.units / "k3s.service.env").stat().st_mode) == 0o600


def test_links_are_made_for_the_commands_that_the_host_lacks(host):
    host.stub("kubectl")
    host.install("server", INSTALL_K3S_SKIP_DOWNLOAD="true", INSTALL_K3S_SKIP_ENABLE="true")
    assert {path.name: os.readlink(path) for path in host.bin.iterdir() if path.is_symlink()} == {
        "crictl": "k3s",
        "ctr": "k3s",
    }
    host.install("server", INSTALL_K3S_SKIP_DOWNLOAD="true", INSTALL_K3S_SYMLINK="force")
    assert os.readlink(host.bin / "kubectl") == "k3s"


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({}, "INSTALL_K3S_SKIP_DOWNLOAD: set it to true"),
        ({**ROLE, "INSTALL_K3S_EXEC": "etcd-snapshot"}, "INSTALL_K3S_EXEC: it begins with server, agent or a flag"),
        ({**ROLE, "INSTALL_K3S_EXEC": "server 'a"}, "INSTALL_K3S_EXEC: its quotes do not match"),
        ({**ROLE, "K3S_URL": "http://host:6443"}, "K3S_URL: it must begin with https://"),
        ({**ROLE, "K3S_URL": "https://host:6443"}, "K3S_URL is set and neither K3S_TOKEN nor K3S_TOKEN_FILE is"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(host, variables, line):
    result = host.install(**variables)
    assert result.returncode == 1
    assert line in result.stderr
    assert host.written() == set()
    assert host.calls("systemctl") == []


def test_it_is_refused_without_root_and_without_the_binary(host):
    host.user("1000")
    assert "run it as root" in host.install("server", **ROLE).stderr
    host.user("0")
    (host.bin / "k3s").unlink()
    assert "there is no executable" in host.install("server", **ROLE).stderr
    assert host.written() == set()


@pytest.mark.parametrize(("role", "unit"), [("server", "k3s"), ("agent", "k3s-agent")])
def test_the_roles_removal_names_every_file_that_it_writes(host, role, unit):
    host.install(INSTALL_K3S_EXEC=role, **ROLE)
    tasks = yaml.safe_load((PROJECT / "roles/k3s/tasks/absent.yml").read_text())
    (removal,) = [task for task in tasks if task["name"] == "Take its files away"]
    removed = {path.replace("{{ __k3s_unit }}", unit) for path in removal["loop"]}
    written = {f"/usr/local/bin/{path.name}" for path in host.bin.iterdir()} - {"/usr/local/bin/k3s"}
    written |= {f"/etc/systemd/system/{path.name}" for path in host.units.iterdir()}
    assert written <= removed


def ending(host: Host, script: str) -> None:
    """Run a script that it wrote, on a host where nothing can be harmed: what ends or removes is a stub, and rm keeps to the folder."""
    for name in ENDING_TOOLS.split():
        host.stub(name)
    rm = f'for path; do case $path in {host.bin}/* | {host.units}/*) /usr/bin/rm "$path" ;; esac; done'
    host.program(host.stubs / "rm", f'echo rm "$@" >>{host.log}; {rm}')
    (host.stubs / "sort").symlink_to("/usr/bin/sort")
    result = host.run(host.bin / script)
    assert result.returncode == 0, result.stderr


def test_killall_stops_the_services_and_keeps_their_files(host):
    host.install("server", **ROLE)
    ending(host, "k3s-killall.sh")
    assert host.calls("systemctl")[-1] == "stop k3s.service"
    assert host.calls("rm") == []


def test_uninstall_takes_everything_away(host):
    host.install("agent", **ROLE)
    ending(host, "k3s-agent-uninstall.sh")
    assert host.calls("systemctl")[-3:] == ["stop k3s-agent.service", "disable k3s-agent", "daemon-reload"]
    removed = {word for call in host.calls("rm") for word in call.split()}
    places = {host.units / "k3s-agent.service", host.units / "k3s-agent.service.env", host.bin / "k3s"}
    places |= {host.bin / "k3s-killall.sh", host.bin / "k3s-agent-uninstall.sh"}
    assert {str(path) for path in places} | {"/etc/rancher/k3s", "/run/k3s"} <= removed
    assert host.written() == set()
    assert host.calls("find") == ["/var/lib/rancher/k3s /var/lib/kubelet -mindepth 1 -delete"]


def test_uninstall_of_one_service_leaves_k3s_to_the_other(host):
    host.install("server", **ROLE)
    host.install("agent", **ROLE)
    ending(host, "k3s-agent-uninstall.sh")
    assert host.written() == {"k3s.service", "k3s.service.env", "k3s-killall.sh", "k3s-uninstall.sh"}
    assert (host.bin / "k3s").exists()
    assert host.calls("find") == []


def test_scripts_that_end_things_are_refused_without_root(host):
    host.install("server", **ROLE)
    host.user("1000")
    for script in ("k3s-killall.sh", "k3s-uninstall.sh"):
        result = host.run(host.bin / script)
        assert (result.returncode, result.stderr) == (1, "run it as root\n")
