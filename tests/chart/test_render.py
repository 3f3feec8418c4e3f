"""What the charts render, and what they refuse, with each helm that there is. Run by tests/chart/run, which names them."""

from __future__ import annotations

import copy
import os
import pathlib
import subprocess

import pytest
import same
import umbrella
import yaml

HERE = pathlib.Path(__file__).parent
CONTRACT = yaml.safe_load((HERE / "stacks" / "contract.values.yaml").read_text(encoding="utf-8"))
OPTIONS = yaml.safe_load((HERE / "stacks" / "contract.chart.yaml").read_text(encoding="utf-8"))
TRAEFIK = ("--api-versions", "traefik.io/v1alpha1")
SERVICE = {"image": "any:1", "kind": "Deployment", "replicas": 1, "strategy": {"maxSurge": 1}, "stopGraceSeconds": 10}

# A busybox whose programs reach everything but $DOWN.
BUSYBOX = """#!/bin/sh
case $1 in
  sh) shift; exec sh "$@" ;;
  wget) [ "$*" != "wget -q -T 5 -O /dev/null $DOWN" ] ;;
  nc) [ "$*" != "nc -w 5 $DOWN -e busybox true" ] ;;
  *) exit 2 ;;
esac
"""


@pytest.fixture(params=[name for name in ("HELM", "HELM4") if os.environ.get(name)])
def helm(request):
    def call(*words, values=None, fails=False):
        line = [os.environ[request.param], *map(str, words)]
        given = yaml.safe_dump(values) if values is not None else None
        if given is not None:
            line += ["--values", "-"]
        done = subprocess.run(line, input=given, capture_output=True, text=True, check=False)
        assert (done.returncode != 0) == fails, done.stderr
        return done.stderr if fails else done.stdout

    return call


@pytest.fixture
def render(helm):
    def call(chart, values=None, *words):
        text = helm("template", "shop", chart, "--kube-version", "1.35.0", *words, values=values)
        return [item for item in yaml.safe_load_all(text) if item]

    return call


@pytest.fixture
def chart(tmp_path):
    """Writes an umbrella chart; its folder has the values of the contract, changed as is said."""

    def make(change=None, folder="chart", **options):
        values = copy.deepcopy(CONTRACT)
        if change:
            change(values)
        umbrella.write(values, str(tmp_path / folder), **{**OPTIONS, **options})
        return tmp_path / folder

    return make


def by_name(objects, kind):
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def pods(objects):
    """Every pod that the objects make, by the name of what makes it."""
    found = {}
    for item in objects:
        if item["kind"] == "Pod":
            found[item["metadata"]["name"]] = item["spec"]
        elif "template" in item.get("spec", {}):
            found[item["metadata"]["name"].split("-")[0]] = item["spec"]["template"]["spec"]
    return found


def against_restricted(pod):
    """Why a pod does not pass the level "restricted" of the Pod Security Standards, as they stand since Kubernetes 1.25."""
    faults = []
    outer = pod.get("securityContext", {})
    faults += [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    for volume in pod.get("volumes", []):
        kinds = volume.keys() - {"name"}
        faults += kinds - {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
    for container in pod["containers"]:
        inner = container.get("securityContext", {})
        capabilities = inner.get("capabilities", {})
        both = {**outer, **inner}
        faults += ["allowPrivilegeEscalation"] * (inner.get("allowPrivilegeEscalation") is not False)
        faults += ["runAsNonRoot"] * (both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0)
        faults += ["capabilities"] * (capabilities.get("drop") != ["ALL"])
        faults += sorted(set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"})
        faults += ["seccompProfile"] * (both.get("seccompProfile", {}).get("type") != "RuntimeDefault")
        faults += ["hostPort" for port in container.get("ports", []) if port.get("hostPort")]
    return faults


def test_pods_are_restricted_unless_their_values_say_otherwise(render, chart):
    found = pods(render(chart()))
    assert against_restricted(found["web"]) == []
    assert against_restricted(found["migrate"]) == []
    assert against_restricted(found["shop-health"]) == []
    assert against_restricted(found["tool"]) == ["runAsNonRoot", "capabilities", "SYS_TIME"]
    assert against_restricted(found["store"]) == ["runAsNonRoot", "capabilities", "hostPort"]
    assert all(pod["automountServiceAccountToken"] is False for pod in found.values())


def test_nothing_that_may_come_or_go_is_in_a_selector(render, chart):
    for item in render(chart()):
        selector = item.get("spec", {}).get("selector", {})
        labels = selector.get("matchLabels", selector)
        assert labels.keys() <= {"app.kubernetes.io/name", "app.kubernetes.io/instance"}, item["metadata"]["name"]


def test_routes_are_there_where_traefik_is(render, chart):
    folder = chart()
    assert not by_name(render(folder), "IngressRoute")
    routes = by_name(render(folder, None, *TRAEFIK), "IngressRoute")
    assert sorted(routes) == ["web", "web-admin"]
    spec = routes["web"]["spec"]
    assert spec["entryPoints"] == ["websecure"] and spec["tls"] == {"certResolver": "le"}
    assert spec["routes"] == [
        {
            "kind": "Rule",
            "match": "Host(`shop.example.com`)",
            "priority": 10,
            "middlewares": [{"name": "compress"}, {"name": "auth", "namespace": "edge"}],
            "services": [
                {
                    "name": "web",
                    "port": 8080,
                    "passHostHeader": False,
                    "sticky": {"cookie": {"name": "seat", "httpOnly": True}},
                }
            ],
        }
    ]
    assert routes["web-admin"]["spec"]["tls"] == {}


def test_routes_of_tcp_and_udp(render, chart):
    objects = render(chart(), None, *TRAEFIK)
    assert by_name(objects, "IngressRouteTCP")["web"]["spec"] == {
        "entryPoints": ["shop"],
        "routes": [
            {
                "match": "HostSNI(`shop.example.com`)",
                "middlewares": [{"name": "near"}],
                "services": [{"name": "web", "port": 9090, "proxyProtocol": {"version": 2}}],
            }
        ],
        "tls": {"passthrough": True},
    }
    assert by_name(objects, "IngressRouteUDP")["web"]["spec"] == {
        "entryPoints": ["shop-udp"],
        "routes": [{"services": [{"name": "web", "port": 5353}]}],
    }
    spec = {name: item["spec"] for name, item in by_name(objects, "MiddlewareTCP").items()}
    assert spec == CONTRACT["tcpMiddlewares"]


@pytest.mark.parametrize("umbrella_too", [False, True])
def test_middlewares_are_there_where_traefik_is(render, chart, umbrella_too):
    given = (chart(), None) if umbrella_too else (umbrella.CHART, CONTRACT)
    assert not by_name(render(*given), "Middleware")
    found = by_name(render(*given, *TRAEFIK), "Middleware")
    assert {name: item["spec"] for name, item in found.items()} == CONTRACT["middlewares"]
    assert {item["apiVersion"] for item in found.values()} == {"traefik.io/v1alpha1"}


def test_what_a_middleware_hides_is_not_deployed(helm, chart):
    headers = {"safe": {"headers": {"customRequestHeaders": {"X-Api-Token": "s3cret"}}}}

    def add(values):
        values["middlewares"] = headers

    folder = chart(add)
    assert "s3cret" not in "".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file())
    assert "middleware safe: the value of X-Api-Token" in helm("template", "x", folder, fails=True)
    assert "s3cret" in helm("template", "x", folder, *TRAEFIK, values={"global": {"middlewares": headers}})


def test_networks_separate_pods_only_when_they_are_to(render, chart):
    folder = chart()
    policies = by_name(render(folder), "NetworkPolicy")
    assert sorted(policies) == ["network-back-end", "network-front", "network-open", "store", "web"]
    label = {"podSelector": {"matchLabels": {"replatform.sophia.ai/network-back-end": "true"}}}
    inside = policies["network-back-end"]["spec"]
    assert inside["podSelector"] == label["podSelector"]
    assert inside["ingress"] == [{"from": [label]}]
    addresses = [{"ipBlock": {"cidr": f"192.0.2.{last}/32"}} for last in (11, 12)]
    names = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    assert inside["egress"] == [{"to": [label]}, names, {"to": addresses}]
    assert policies["network-front"]["spec"]["egress"] == [{}]
    # Published, and led to by routes; the UDP port of the same number is neither.
    ports = [(8080, "TCP"), (9090, "TCP"), (5353, "UDP")]
    ports = [{"port": port, "protocol": protocol} for port, protocol in ports]
    assert policies["web"]["spec"]["ingress"] == [{"ports": ports}]
    off = render(folder, None, "--set", "global.networkPolicy.enabled=false")
    assert not by_name(off, "NetworkPolicy")
    labels = by_name(off, "Deployment")["web"]["spec"]["template"]["metadata"]["labels"]
    assert labels["replatform.sophia.ai/network-front"] == "true"


def test_a_service_that_is_handed_over_is_no_longer_reached_elsewhere(render, chart):
    def hand_over(values):
        values["services"]["store"]["handedOver"] = True

    policy = by_name(render(chart(hand_over)), "NetworkPolicy")["network-back-end"]
    assert "ipBlock" not in yaml.safe_dump(policy)


def test_the_test_pod_asks_every_http_service(render, chart):
    pod = by_name(render(chart()), "Pod")["shop-health"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert pod["spec"]["containers"][0]["args"] == ["http://web:8080/health"]
    assert pod["metadata"]["labels"]["replatform.sophia.ai/network-back-end"] == "true"


def test_the_test_pod_names_what_does_not_answer(render, chart, tmp_path):
    listed = [*OPTIONS["services"], {"name": "tool", "group": "jobs", "kind": "tcp", "port": 9010}]

    def listen(values):
        values["services"]["tool"]["ports"] = [{"name": "tcp-9010", "port": 9010, "protocol": "TCP"}]

    [container] = pods(render(chart(listen, services=listed)))["shop-health"]["containers"]
    assert container["args"] == ["tcp://tool:9010", "http://web:8080/health"]
    busybox = tmp_path / "busybox"
    busybox.write_text(BUSYBOX)
    busybox.chmod(0o755)
    for down, printed in {
        "none": "ok tcp://tool:9010\nok http://web:8080/health\n",
        "tool 9010": "no answer: tcp://tool:9010\nok http://web:8080/health\n",
        "http://web:8080/health": "ok tcp://tool:9010\nno answer: http://web:8080/health\n",
    }.items():
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DOWN": down}
        command = [*container["command"], *container["args"]]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.stdout, done.returncode) == (printed, 0 if down == "none" else 1), done.stderr


def test_the_test_pod_takes_a_command(render, chart):
    [container] = by_name(render(chart(test_image="any:1", test_command=["ask", "--all"])), "Pod")["shop-health"][
        "spec"
    ]["containers"]
    assert (container["image"], container["command"]) == ("any:1", ["ask", "--all"])
    assert container["args"] == ["http://web:8080/health"]


def test_services_and_subcharts_can_be_left_out(render, chart):
    folder = chart()
    whole = render(folder)
    assert "retired" not in by_name(whole, "ServiceAccount")
    less = render(folder, None, "--set", "front.enabled=false", "--set", "jobs.services.migrate.enabled=false")
    assert sorted(by_name(less, "ServiceAccount")) == ["store", "tool"]
    assert not by_name(less, "PersistentVolumeClaim") and not by_name(less, "Pod")


def test_an_environment_changes_what_it_names(render, chart):
    folder = chart(environments={"staging": {"imagePullPolicy": "Always", "services": {"tool": {"replicas": 4}}}})
    found = by_name(render(folder, None, "--values", folder / "values-staging.yaml"), "Deployment")
    assert found["tool"]["spec"]["replicas"] == 4
    assert found["web"]["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "Always"


@pytest.mark.parametrize("key", ["image", "job"])
def test_a_job_that_differs_is_another_job(render, chart, key):
    def change(values):
        migrate = values["services"]["migrate"]
        migrate[key] = {"image": "other:2", "job": {**migrate["job"], "completions": 2}}[key]

    names = [next(iter(by_name(render(folder), "Job"))) for folder in (chart(), chart(change, "changed"))]
    assert names[0] != names[1] and all(name.startswith("migrate-") for name in names)


@pytest.mark.parametrize(
    "singleton,handed_over,replicas", [(True, False, 0), (True, True, 1), (False, False, 1), (None, False, 1)]
)
def test_a_singleton_has_no_pod_while_it_is_served_elsewhere(render, singleton, handed_over, replicas):
    external = {"addresses": ["192.0.2.1"], "port": 80, **({} if singleton is None else {"singleton": singleton})}
    port = {"name": "p80", "port": 80, "protocol": "TCP"}
    service = {**SERVICE, "kind": "StatefulSet", "ports": [port], "external": external, "handedOver": handed_over}
    objects = render(umbrella.CHART, {"services": {"wiki": service}})
    assert by_name(objects, "StatefulSet")["wiki"]["spec"]["replicas"] == replicas


@pytest.mark.parametrize("kube,api", [("1.22.0", "autoscaling/v1"), ("1.23.0", "autoscaling/v2")])
def test_the_autoscaler_has_the_count(helm, chart, kube, api):
    objects = list(yaml.safe_load_all(helm("template", "shop", chart(), "--kube-version", kube)))
    assert by_name(objects, "HorizontalPodAutoscaler")["web"]["apiVersion"] == api
    assert "replicas" not in by_name(objects, "Deployment")["web"]["spec"]


def test_images_go_to_nodes_of_their_architectures(render, chart):
    def both(values):
        values["architectures"] = []

    found = pods(render(chart(both, architectures={"registry.example.com/shop/tool:1.0": ["arm64"]})))
    terms = found["tool"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    expression = {"key": "kubernetes.io/arch", "operator": "In", "values": ["arm64"]}
    assert terms["nodeSelectorTerms"] == [{"matchExpressions": [expression]}]
    assert "affinity" not in found["store"]
    assert found["web"]["containers"][0]["image"].endswith("web:1.0@sha256:" + "0" * 64)


# fmt: off
STRINGS = [
    "1e3", "y", "No", "0o17", "012", "1_000", "22:22", "~", "", " a ", "a: b", "#", "{x}", "é", "a\nb\n", "a\n\n",
    "- x", "\t", "0x1F", ".5", "2001-01-01", "null", "%", "@a", "`", "!", "'", '"', "\\", "a\n  b", "  a\nb\n",
    "a \nb", "\na", "\n", "+1", "1.", "\u2028",
]
# fmt: on


def test_strings_are_what_they_were(render, chart):
    def add(values):
        values["services"]["tool"]["env"] = [{"name": f"V{i}", "value": text} for i, text in enumerate(STRINGS)]

    env = pods(render(chart(add)))["tool"]["containers"][0]["env"]
    assert [item["value"] for item in env] == STRINGS


def test_a_chart_that_was_packed_before_is_not_used(helm, render, chart):
    folder = chart()
    helm("dependency", "build", folder)
    assert list((folder / "charts").glob("front-*.tgz"))

    def change(values):
        values["services"]["web"]["image"] = "other:2"

    assert chart(change) == folder
    assert pods(render(folder))["web"]["containers"][0]["image"].startswith("other:2@")


def test_a_subchart_stands_alone_with_its_library(helm, chart):
    folder = chart() / "charts" / "data"
    helm("dependency", "build", folder)
    shared = {"global": {"stack": "contract", "imagePullPolicy": "Always", "configs": CONTRACT["configs"]}}
    assert "StatefulSet" in helm("template", "shop", folder, values=shared)


def test_what_is_hidden_is_not_deployed(helm, chart):
    def add(values):
        values["services"]["tool"]["env"] = [{"name": "API_KEY", "value": "s3cret"}]

    folder = chart(add)
    assert "s3cret" not in "".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file())
    assert "service tool: the value of API_KEY is not in the chart's files" in helm("template", "x", folder, fails=True)
    given = {"workloads": {"services": {"tool": {"env": [{"name": "API_KEY", "value": "s3cret"}]}}}}
    assert "s3cret" in helm("template", "x", folder, values=given)


@pytest.mark.parametrize(
    "values,reason",
    [
        (
            {"services": {"a": {**SERVICE, "configs": [{"config": "c", "mountPath": "/c", "mode": 292}]}}},
            "content of c",
        ),
        ({"services": {"a": {**SERVICE, "routes": [{"name": "r", "rule": "x", "port": 1}]}}}, "leads to port 1"),
        ({"services": {"a": {**SERVICE, "routes": [{"name": "r", "port": 1}]}}}, "rule"),
        ({"services": {"a": {**SERVICE, "kind": "Job"}}}, "job"),
        ({"services": {"a": {**SERVICE, "replica": 2}}}, "replica"),
        ({"services": {"a": {**SERVICE, "replicas": "two"}}}, "replicas"),
        ({"service": {}}, "service"),
        ({"middlewares": {"both": {"compress": {}, "retry": {"attempts": 2}}}}, "both"),
    ],
)
def test_refused(helm, values, reason):
    assert reason in helm("template", "shop", umbrella.CHART, values={"services": {}, **values}, fails=True)


def test_an_unknown_subchart_is_refused(helm, chart):
    assert "frnt" in helm("template", "shop", chart(), values={"frnt": {"enabled": False}}, fails=True)


def test_notes(render, chart):
    """Helm 3 shows notes only where it finds a cluster; here they are an object."""
    folder = chart()
    shown = "apiVersion: v1\nkind: Notes\nmetadata: {name: notes}\ntext: "
    notes = (folder / "templates" / "NOTES.txt").read_text("utf-8").replace("}}", "| quote }}").replace("{{-", "{{")
    (folder / "templates" / "shown.yaml").write_text(shown + notes, encoding="utf-8")
    text = by_name(render(folder, None, "--namespace", "here"), "Notes")["notes"]["text"]
    assert text.startswith("4 services of the stack contract are on Kubernetes as release shop.\n")
    assert "helm test shop -n here" in text
    assert "4 routes are not here" in text
    text = by_name(render(folder, {"global": {"networkPolicy": {"enabled": False}}}, *TRAEFIK), "Notes")["notes"][
        "text"
    ]
    assert "routes" not in text and "Networks do not separate pods" in text


def test_the_objects_of_two_renders_are_compared():
    one = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {x: 1}}"
    assert same.differences(one, one) == []
    assert same.differences(one, one.replace("x: 1", "x: 2"))
    assert same.differences(one, "") == ["only in one: v1 Service a"]
    with pytest.raises(ValueError, match="twice"):
        same.objects(f"{one}\n---\n{one}")
