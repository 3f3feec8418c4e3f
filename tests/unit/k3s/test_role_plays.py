"""The role's task files in real plays, against hosts that are this machine, a systemd that writes down what it is told, and folders."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
import re
import stat

import played
import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[3]
SECRET = base64.b64encode(b"the key of a client, which nobody is to see").decode()
OLD, NEW = "v1.35.6+k3s1", "v1.36.0+k3s1"
CA = "ab" * 32
FIRST, SECOND = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.geteuid() != 0, reason="the role gives files to root")]

# Units are up that have a file NAME.up; a start or a restart makes one. The table is loaded from the file that the role writes.
SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
echo "$*" >> "$here/said"
unit() {
  echo "Id=$1"; echo LoadState=loaded; echo NeedDaemonReload=no
  if [ -e "$here/$1.up" ]; then echo ActiveState=active; else echo ActiveState=failed; fi
  echo "ExecMainStartTimestamp=Mon 2026-11-23 10:17:39 UTC"
}
[ "$1" != --no-block ] || shift
case $1 in
  show)
    shift
    for name in "$@"; do case $name in --*) break ;; esac; unit "$name"; [ -z "$2" ] || echo; done
    case $* in *k3s-agent.service*--property*) printf 'Id=other.service\\nLoadState=not-found\\n' ;; esac ;;
  is-active) if [ -e "$here/$2.up" ]; then echo active; else echo failed; exit 3; fi ;;
  start | restart | reload)
    for name in "$@"; do :; done
    touch "$here/$name.up"
    [ ! -e "$here/firewall.nft" ] || cp "$here/firewall.nft" "$here/loaded" ;;
esac
"""
NFT = """#!/bin/sh
here=$(dirname "$0")
case $1 in list) cat "$here/loaded" ;; esac
"""


class Hosts:
    """A server and an agent, and plays of one task file of the role."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        for name, text in (("systemctl", SYSTEMCTL), ("nft", NFT)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        hosts = {
            name: {"ansible_connection": "local", "ansible_host": f"192.0.2.{number}"}
            for number, name in enumerate(("s1", "s2", "a1"), 1)
        }
        groups = {"k3s_server": {"hosts": {"s1": None}}, "k3s_agent": {"hosts": {"a1": None}}}
        self.inventory = {"all": {"hosts": hosts, "children": groups}}

    def run(self, tasks: str, *options: str, hosts: str = "s1", given: dict | None = None, **variables) -> tuple:
        """The exit status, and what was printed."""
        play = {"hosts": hosts, "gather_facts": False, "any_errors_fatal": True}
        task = {
            "ansible.builtin.include_role": {"name": "sophia.replatform.k3s", "tasks_from": tasks},
            "vars": given or {},
        }
        private = {
            "__k3s_config_dir": str(self.folder),
            "__k3s_data_dir": str(self.folder / "data"),
            "__k3s_token_path": str(self.folder / "token"),
            "__k3s_next_token_path": str(self.folder / "token.next"),
            "__k3s_stage": str(self.folder / "data/release-wanted"),
            "__k3s_script": str(self.folder / "script"),
            "__k3s_unit_path": str(self.folder / "unit"),
            "__k3s_other_unit": "other",  # one machine stands for a server and an agent
            "__k3s_nft": str(self.folder / "nft"),
            "__k3s_firewall_file": str(self.folder / "firewall.nft"),
            "__k3s_firewall_unit_path": str(self.folder / "firewall.service"),
        }
        given = ("-e", json.dumps({**private, **variables}), *options)
        path = f"{self.folder}:{os.environ['PATH']}"
        return played.play(self.folder, self.inventory, [{**play, "tasks": [task]}], *given, PATH=path)

    def said(self) -> list[str]:
        lines = [line.replace("--no-block ", "") for line in (self.folder / "said").read_text().splitlines()]
        return [line for line in lines if not line.startswith(("show", "is-"))]


@pytest.fixture
def hosts(tmp_path: pathlib.Path) -> Hosts:
    return Hosts(tmp_path)


def changed(output: str) -> int:
    return sum(int(number) for number in re.findall(r"changed=(\d+)", output))


def mode(path: pathlib.Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


KUBECONFIG = f"""\
# mine
apiVersion: v1
kind: Config
current-context: work
clusters: [{{name: work, cluster: {{server: "https://work"}}}}]
users: [{{name: work, user: {{client-key-data: {SECRET}}}}}]
contexts: [{{name: work, context: {{cluster: work, user: work}}}}]
"""


def merging(path: pathlib.Path) -> dict:
    fetched = {
        "clusters": [{"name": "default", "cluster": {"server": "https://127.0.0.1:6443"}}],
        "users": [{"name": "default", "user": {"client-key-data": SECRET}}],
    }
    content = base64.b64encode(yaml.safe_dump(fetched).encode()).decode()
    return {
        "k3s_kubeconfig_dest": str(path),
        "k3s_kubeconfig_context": "sophia",
        "__k3s_kubeconfig": {"content": content},
    }


def test_a_kubeconfig_is_merged_once_kept_from_others_and_kept_beside(hosts):
    path = hosts.folder / "config"
    path.write_text(KUBECONFIG)
    path.chmod(0o644)

    code, output = hosts.run("kubeconfig_merge", "--check", "--diff", "-vvv", **merging(path))
    assert code == 0, output
    assert path.read_text() == KUBECONFIG and mode(path) == 0o644
    assert changed(output) == 2

    code, output_2 = hosts.run("kubeconfig_merge", "--diff", "-v", **merging(path))
    assert code == 0, output_2
    merged = yaml.safe_load(path.read_text())
    assert [entry["name"] for entry in merged["clusters"]] == ["work", "sophia"]
    assert merged["current-context"] == "work"
    (kept,) = hosts.folder.glob("config.*~")
    assert kept.read_text() == KUBECONFIG
    assert mode(path) == mode(kept) == 0o600

    path.write_text("# by hand\n" + path.read_text())
    code, output_3 = hosts.run("kubeconfig_merge", "--diff", **merging(path))
    assert (code, changed(output_3)) == (0, 0), output_3
    assert path.read_text().startswith("# by hand\n")
    assert SECRET not in output + output_2 + output_3


def test_a_kubeconfig_that_is_no_yaml_is_refused_and_not_shown(hosts):
    path = hosts.folder / "config"
    path.write_text(f"users:\n- client-key-data: {SECRET}: {SECRET}\n")
    code, output = hosts.run("kubeconfig_merge", "-vvv", **merging(path))
    assert code != 0
    assert "k3s_kubeconfig_dest: the file is no YAML (line 2)" in output
    assert SECRET not in output


def test_a_table_that_was_written_and_not_loaded_is_loaded_by_the_next_run(hosts):
    code, output = hosts.run("firewall", k3s_firewall="peers")
    assert (code, changed(output)) == (0, 0), "where none is there, nothing is closed to a new node"
    code, output = hosts.run("firewall_peers", k3s_firewall="peers")
    assert code == 0, output
    assert (hosts.folder / "loaded").read_text() == (hosts.folder / "firewall.nft").read_text()
    code, output = hosts.run("firewall_peers", k3s_firewall="peers")
    assert (code, changed(output)) == (0, 0), output

    hosts.inventory["all"]["children"]["k3s_agent"]["hosts"]["s2"] = None
    before = (hosts.folder / "loaded").read_text()
    assert hosts.run("firewall", k3s_firewall="peers")[0] == 0
    assert "192.0.2.2" in (hosts.folder / "loaded").read_text()
    (hosts.folder / "loaded").write_text(before)

    (hosts.folder / "said").write_text("")
    code, output = hosts.run("firewall_peers", "--check", k3s_firewall="peers")
    assert (code, changed(output), hosts.said()) == (0, 1, []), output
    code, output = hosts.run("firewall_peers", k3s_firewall="peers")
    assert (code, changed(output)) == (0, 1), output
    assert hosts.said() == ["reload replatform-k3s-firewall.service"]
    assert "192.0.2.2" in (hosts.folder / "loaded").read_text()


def test_an_agent_follows_what_only_the_servers_are_told(hosts):
    hosts.inventory["all"]["children"]["k3s_server"]["vars"] = {
        "k3s_server_config": {"flannel-backend": "wireguard-native"}
    }
    code, output = hosts.run("firewall_peers", hosts="a1", k3s_firewall="peers")
    assert code == 0, output
    table = (hosts.folder / "firewall.nft").read_text()
    assert "51820, 51821" in table and "8472" not in table


def test_a_script_that_was_put_in_place_and_not_run_is_run_by_the_next_run(hosts):
    folder, unit, broken = hosts.folder / "airgap", hosts.folder / "unit", hosts.folder / "broken"
    folder.mkdir()
    text = f"#!/bin/sh\n[ ! -e {broken} ] || exit 1\necho new > {unit}\n"
    (folder / "install.sh").write_text(text)
    unit.write_text("old\n")
    os.utime(unit, (1, 1))
    given = {
        "k3s_airgap_dir": str(folder),
        "k3s_install_method": "script",
        "k3s_install_script_checksum": hashlib.sha256(text.encode()).hexdigest(),
    }
    broken.touch()
    assert hosts.run("script", **given)[0] != 0
    assert (hosts.folder / "script").read_text() == text and unit.read_text() == "old\n"

    broken.unlink()
    code, output = hosts.run("script", **given)
    assert (code, unit.read_text()) == (0, "new\n"), output
    code, output = hosts.run("script", **given)
    assert (code, changed(output)) == (0, 0), output


def released(folder: pathlib.Path, version: str) -> dict:
    """A folder with a release whose binary calls itself O(version), and the settings that use it."""
    folder.mkdir()
    text = f"#!/bin/sh\n[ \"$1\" != --version ] || echo 'k3s version {version} (abc)'\n"
    (folder / "k3s").write_text(text)
    (folder / "sha256sum-amd64.txt").write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  k3s\n")
    return {"k3s_airgap_dir": str(folder)}


LOOKED = {"__k3s_info": {"machine": "x86_64", "found": []}}


def test_a_folder_with_another_release_is_refused_in_one_line(hosts):
    given = {**released(hosts.folder / "airgap", OLD), **LOOKED}
    code, output = hosts.run("fetch", k3s_version=NEW, **given)
    assert code != 0
    assert f"k3s_airgap_dir: its binary is of {OLD}, and k3s_version is {NEW}" in output
    code, output = hosts.run("fetch", k3s_version=OLD, **given)
    assert code == 0, output
    assert mode(hosts.folder / "data/release-wanted/k3s") == 0o755


def test_a_sum_in_capitals_is_the_same_sum(hosts):
    given = {**released(hosts.folder / "airgap", OLD), **LOOKED}
    sums = {"k3s": hashlib.sha256((hosts.folder / "airgap/k3s").read_bytes()).hexdigest().upper()}
    code, output = hosts.run("fetch", k3s_version=OLD, k3s_checksums=sums, **given)
    assert code == 0, output


def test_check_mode_has_nothing_wait_and_asks_nothing(hosts):
    given = {**released(hosts.folder / "airgap", OLD), **LOOKED}
    code, output = hosts.run("fetch", "--check", "--diff", k3s_version=NEW, **given)
    assert (code, changed(output)) == (0, 0), output
    assert not (hosts.folder / "data").exists()


def test_a_new_host_is_asked_of_its_release_before_any_new_host_gets_a_firewall(hosts):
    released(hosts.folder / "airgap-s1", NEW)
    released(hosts.folder / "airgap-a1", OLD)
    own = f"{hosts.folder}/{{{{ inventory_hostname }}}}"
    given = {
        "k3s_airgap_dir": f"{hosts.folder}/airgap-{{{{ inventory_hostname }}}}",
        "k3s_version": NEW,
        "__k3s_info": {**LOOKED["__k3s_info"], "tools": ["kubectl", "crictl", "ctr"]},
        "__k3s_binary_dest": f"{own}-k3s",
        "__k3s_config_dir": f"{own}-etc",
        "__k3s_firewall_file": f"{own}-etc/firewall.nft",
        "__k3s_bare": True,
        "k3s_firewall": "peers",
    }
    code, output = hosts.run("prepare", hosts="k3s_server:k3s_agent", **given)
    assert code != 0
    assert f"k3s_airgap_dir: its binary is of {OLD}, and k3s_version is {NEW}" in output
    assert '"msg": "another host of this run was refused, so this one goes no further"' in output
    assert not [*hosts.folder.glob("s1-*"), *hosts.folder.glob("a1-*")]

    (hosts.folder / "airgap-a1").rename(hosts.folder / "other")
    released(hosts.folder / "airgap-a1", NEW)
    code, output = hosts.run("prepare", hosts="k3s_server:k3s_agent", **given)
    assert code == 0, output
    for name in ("s1", "a1"):
        there = {path.name for path in hosts.folder.glob(f"{name}-*")}
        assert there == {f"{name}-k3s", f"{name}-etc"}
        assert (hosts.folder / f"{name}-etc/firewall.nft").exists()


def listing() -> dict:
    def node(name, *roles):
        labels = {f"node-role.kubernetes.io/{role}": "true" for role in roles}
        return {
            "metadata": {"name": name, "labels": labels},
            "status": {"nodeInfo": {"kubeletVersion": OLD}, "conditions": [{"type": "Ready", "status": "True"}]},
        }

    return {"items": [node("s1", "control-plane"), node("a1")]}


def asking() -> dict:
    """What playbooks/k3s.yml gives to the entry point due."""
    (play, *_rest) = yaml.safe_load((ROOT / "playbooks/k3s.yml").read_text())
    return next(task["vars"] for task in play["tasks"] if "k3s_seen" in task.get("vars", {}))


def test_an_agent_that_would_be_newer_than_its_servers_is_refused_before_it_is_drained(hosts):
    variables = {"rolling_seen": listing(), "k3s_version": NEW, **released(hosts.folder / "airgap", NEW)}
    for unit in ("k3s", "k3s-agent"):
        (hosts.folder / f"{unit}.service.up").touch()
    everybody = {"hosts": "k3s_server:k3s_agent", "given": asking()}
    code, output = hosts.run("due", "--limit", "a1", **everybody, **variables)
    assert code != 0
    assert f"k3s_version: a1 can't run {NEW}: its server s1 runs {OLD}; servers first" in output
    assert not (hosts.folder / "data").exists(), "nothing waits on a host that is refused"
    code, output = hosts.run("due", **everybody, **variables)
    assert code == 0, output

    # One that an earlier run left half-way comes before the servers.
    hosts.inventory["all"]["children"]["rolling_half_way"] = {"hosts": {"a1": None}}
    code, output = hosts.run("due", **everybody, **variables)
    assert code != 0 and "servers first" in output


def test_a_server_is_not_started_again_while_it_may_not_know_the_token(hosts):
    (hosts.folder / "token.next").write_text(SECOND)
    (hosts.folder / "k3s.service.up").touch()
    variables = {"rolling_seen": listing(), "k3s_version": NEW, **released(hosts.folder / "airgap", NEW)}
    code, output = hosts.run("due", given=asking(), **variables)
    assert code != 0
    assert "run playbooks/k3s_token_rotate.yml to its end first" in re.sub(r"\s+", " ", output)


class Rotation:
    """Two servers of which the second is down; both see the same files."""

    def __init__(self, hosts: Hosts, token: str, noted: str | None) -> None:
        self.hosts = hosts
        hosts.inventory["all"]["children"]["k3s_server"]["hosts"]["s2"] = None
        (hosts.folder / "data/server").mkdir(parents=True)
        (hosts.folder / "data/server/token").write_text(f"K10{CA}::server:{token}\n")
        (hosts.folder / "token").write_text(FIRST)
        (hosts.folder / "k3s.service.up").touch()
        if noted:
            (hosts.folder / "token.next").write_text(noted)

    def run(self, *options: str) -> tuple:
        unit = "{{ 'k3s' if inventory_hostname == 's1' else 'k3s-agent' }}"
        return self.hosts.run("rotate_token", *options, hosts="k3s_server", __k3s_unit=unit, k3s_start_timeout=30)


def test_a_server_that_went_down_after_the_cluster_got_its_token_is_told_and_started(hosts):
    rotation = Rotation(hosts, SECOND, SECOND)
    code, output = rotation.run("--check")
    assert code == 0, output
    assert (hosts.folder / "token").read_text() == FIRST

    code, output = rotation.run("--diff", "-vv")
    assert code == 0, output
    assert (hosts.folder / "token").read_text() == f"K10{CA}::server:{SECOND}\n"
    assert hosts.said() == ["start k3s-agent.service"], "the one that runs is restarted later, with care"
    assert FIRST not in output and SECOND not in output


@pytest.mark.parametrize(("token", "noted"), [(FIRST, None), (FIRST, SECOND)], ids=["not begun", "noted alone"])
def test_a_server_that_is_down_before_the_cluster_gets_its_token_is_to_be_started_first(hosts, token, noted):
    code, output = Rotation(hosts, token, noted).run()
    assert code != 0
    assert "is not active here; a server that misses the rotation can't start afterwards" in re.sub(r"\s+", " ", output)
    assert (hosts.folder / "token").read_text() == FIRST


def test_a_server_of_a_database_elsewhere_keeps_its_place_also_while_no_other_one_answers(hosts):
    hosts.inventory["all"]["children"]["k3s_server"]["hosts"]["s2"] = None
    (hosts.folder / "data/server").mkdir(parents=True)
    (hosts.folder / "data/server/token").write_text(FIRST)
    given = {
        "k3s_api_address": "127.0.0.1",
        "__k3s_api_port": 9,
        "__k3s_info": {"server": "https://192.0.2.1:6443"},
    }
    code, output = hosts.run(
        "find_datastore", "-v", hosts="s2", k3s_server_config={"datastore-endpoint": "db"}, **given
    )
    assert code == 0, output
    assert '"__k3s_part": {"action": "keep", "server": "https://192.0.2.1:6443"}' in output


@pytest.mark.parametrize(
    ("states", "waits"), [({}, True), ({"s2": "bare", "a1": "bare"}, False), ({"s2": "bare", "a1": "current"}, True)]
)
def test_the_server_that_begins_is_waited_for_where_a_node_that_is_there_will_ask_for_it(hosts, states, waits):
    plays = yaml.safe_load((ROOT / "playbooks/k3s.yml").read_text())
    (given,) = [task["vars"] for play in plays for task in play.get("tasks", []) if "k3s_wait" in task.get("vars", {})]
    hosts.inventory["all"]["children"]["k3s_server"]["hosts"]["s2"] = None
    for name, state in states.items():
        hosts.inventory["all"]["hosts"][name]["k3s_service_state"] = state
    task = {"ansible.builtin.assert": {"that": f"k3s_wait == {waits}"}, "vars": given}
    play = {"hosts": "s1", "gather_facts": False, "tasks": [task]}
    run = played.play(hosts.folder, hosts.inventory, [play])
    assert run.code == 0, run.output
