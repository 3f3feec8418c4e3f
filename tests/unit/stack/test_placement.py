from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options

NODES = (
    {"hostname": "One", "role": "manager", "id": "n1", "address": "192.0.2.1"},
    {"hostname": "two", "role": "worker", "id": "n2", "address": "192.0.2.2"},
)
HOSTNAME = "kubernetes.io/hostname"


def place(converted, *constraints, nodes=NODES):
    return converted({"deploy": {"placement": {"constraints": list(constraints)}}}, options=Options(nodes=nodes))


@pytest.mark.parametrize(
    ("constraint", "wanted"),
    [
        ("node.hostname==Two", (HOSTNAME, "In", ["two"])),
        ("node.hostname != two", (HOSTNAME, "NotIn", ["two"])),
        ("node.role == manager", (HOSTNAME, "In", ["one"])),
        ("node.role!=manager", (HOSTNAME, "NotIn", ["one"])),
        ("node.id == n2", (HOSTNAME, "In", ["two"])),
        ("node.ip==192.0.2.1", (HOSTNAME, "In", ["one"])),
        ("node.ip==192.0.2.0/30", (HOSTNAME, "In", ["one", "two"])),
        ("node.ip!=192.0.2.2/32", (HOSTNAME, "NotIn", ["two"])),
        ("node.platform.os == Linux", ("kubernetes.io/os", "In", ["linux"])),
        ("node.platform.arch==x86_64", ("kubernetes.io/arch", "In", ["amd64"])),
        ("node.platform.arch != aarch64", ("kubernetes.io/arch", "NotIn", ["arm64"])),
    ],
)
def test_constraints_that_keep_their_meaning(converted, constraint, wanted):
    app = place(converted, constraint)
    key, operator, values = wanted
    assert app.values["nodeExpressions"] == [{"key": key, "operator": operator, "values": values}]
    assert app.verdicts[f"deploy.placement.constraints[{constraint}]"] == "mapped"


@pytest.mark.parametrize("prefix", ["node.labels.", "engine.labels."])
def test_labels_ask_for_a_label(converted, prefix):
    app = place(converted, f"{prefix}Zone.x==East Side")
    assert app.values["nodeExpressions"] == [{"key": "Zone.x", "operator": "In", "values": ["East Side"]}]
    assert "Zone.x=East Side" in app.notes[f"deploy.placement.constraints[{prefix}Zone.x==East Side]"]


def test_a_label_matches_without_regard_to_case(converted):
    nodes = [{**NODES[0], "labels": {"zone": "EAST"}}, {**NODES[1], "labels": {"zone": "west"}}]
    assert place(converted, "node.labels.zone==east", nodes=nodes).values["nodeExpressions"][0]["values"] == [
        "EAST",
        "east",
    ]


def test_managers_are_the_servers_where_nodes_are_not_given(converted):
    app = place(converted, "node.role==manager", nodes=())
    assert app.values["nodeExpressions"] == [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]
    app = place(converted, "node.role!=manager", nodes=())
    assert app.values["nodeExpressions"][0]["operator"] == "DoesNotExist"


def test_all_constraints_must_hold(converted):
    app = place(converted, "node.hostname!=one", "node.hostname!=two")
    assert [item["values"] for item in app.values["nodeExpressions"]] == [["one"], ["two"]]


@pytest.mark.parametrize(
    "constraint",
    ["node.ip==198.51.100.0/24", "node.ip==here", "node.id==nobody", "node.colour==red", "node.labels.-a==c"],
)
def test_a_constraint_without_a_counterpart_is_refused(converted, constraint):
    assert place(converted, constraint).verdicts[f"deploy.placement.constraints[{constraint}]"] == "refused"


@pytest.mark.parametrize("constraint", ["node.hostname=one", "one", "", "node.role >= manager"])
def test_what_is_no_constraint(converted, constraint):
    with pytest.raises(StackError, match="deploy.placement.constraints: .* is not a constraint"):
        place(converted, constraint)


def test_preferences(converted):
    spread = [{"spread": "node.labels.zone"}, {"spread": "node.id"}, {"spread": "node.ip"}]
    app = converted({"deploy": {"placement": {"preferences": spread}}})
    assert app.values["topologyKeys"] == ["zone", HOSTNAME]
    assert app.verdicts["deploy.placement.preferences[node.labels.zone]"] == "approximated"
    assert app.verdicts["deploy.placement.preferences[node.ip]"] == "reported"


@pytest.mark.parametrize(("most", "verdict"), [(0, "mapped"), (1, "approximated"), (2, "reported")])
def test_max_replicas_per_node(converted, most, verdict):
    app = converted({"deploy": {"placement": {"max_replicas_per_node": most}}})
    assert app.verdicts["deploy.placement.max_replicas_per_node"] == verdict
    assert app.values.get("onePerNode", False) is (most == 1)


@pytest.mark.parametrize(("replicas", "surge"), [(1, 1), (2, 0)])
def test_one_a_node_on_every_node_leaves_no_room_to_start_first(converted, replicas, surge):
    deploy = {"replicas": replicas, "placement": {"max_replicas_per_node": 1}}
    assert converted({"deploy": deploy}, options=Options(nodes=NODES)).values["strategy"]["maxSurge"] == surge
