from __future__ import annotations

from ansible.errors import AnsibleError
from ansible_collections.sophia.replatform.plugins.filter.inventory import (
    file_mode,
    host_state_lines,
    inventory_faults,
    port_holder,
)


class Lazy(dict):
    """A host's variables, one of which can't be templated."""

    def __getitem__(self, key):
        if key == "k3s_node_labels":
            raise AnsibleError("'gpu_model' is undefined")
        return super().__getitem__(key)


def test_a_variable_that_cannot_be_templated_becomes_a_line():
    hostvars = {"one": Lazy(ansible_host="198.18.0.1", k3s_node_labels="{{ gpu_model }}")}
    found = inventory_faults(hostvars, {"all": ["one"], "k3s_server": ["one"]})
    assert "k3s_node_labels can't be resolved: 'gpu_model' is undefined" in found


def test_the_controller_is_no_host_of_the_fleet():
    assert inventory_faults({"localhost": {}}, {"all": ["localhost"]}) == ["the inventory has no hosts"]


def test_files_of_the_controller(tmp_path):
    secret = tmp_path / "token"
    secret.write_text("x")
    secret.chmod(0o640)
    assert file_mode(str(secret)) == 0o640
    assert file_mode(str(tmp_path / "none")) is None


def test_who_holds_a_port():
    listeners = 'tcp LISTEN 0 511 0.0.0.0:80 0.0.0.0:* users:(("nginx",pid=7,fd=6))\n'
    assert port_holder(listeners, 80) == "nginx (pid 7)"
    assert port_holder(listeners, 8080) == ""


def test_the_lines_of_a_host():
    assert host_state_lines(
        {"inventory_hostname": "a", "__preflight_setup": {}, "__preflight_host_faults": ["is late"]}
    ) == ["a is late"]
    gone = {"inventory_hostname": "a", "__preflight_setup": {"unreachable": True, "msg": "no\nroute"}}
    assert host_state_lines(gone) == ["a can't be reached: no route"]
    cut_off = {"inventory_hostname": "a", "__preflight_setup": {}}
    assert host_state_lines(cut_off) == ["a could not be looked at; see its error"]
