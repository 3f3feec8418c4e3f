from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.errors import StackError
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options


def test_a_named_volume_is_a_claim_of_a_statefulset(converted):
    top = {"volumes": {"Data_1": {"driver_opts": {"device": "/opt/data", "o": "bind", "type": "none"}}}}
    app = converted({"volumes": ["Data_1:/data:ro"]}, top=top, options=Options(volume_sizes={"Data_1": "9Gi"}))
    claim = {"volume": "data-1", "size": "9Gi", "storageClass": "local-path", "shared": False}
    assert app.values["volumes"] == [{"name": "data-1", "mountPath": "/data", "readOnly": True, "claim": claim}]
    assert app.values["kind"] == "StatefulSet"
    assert app.verdicts["volumes[/data]"] == "approximated"
    assert "/opt/data" in app.notes["volumes[/data]"]


def test_a_volume_of_two_services_is_shared(converted):
    second = {"second": {"image": "b", "volumes": ["data:/x"]}}
    app = converted({"volumes": ["data:/data"]}, top={"volumes": {"data": None}})
    assert app.values["volumes"][0]["claim"]["shared"] is False
    top = {"volumes": {"data": None}, "services": {"app": {"image": "a", "volumes": ["data:/data"]}, **second}}
    app = converted({}, top=top)
    assert app.values["volumes"][0]["claim"]["shared"] is True


def test_a_volume_mounted_twice_is_one_volume(converted):
    app = converted({"volumes": ["data:/a", "data:/b"]}, top={"volumes": {"data": None}})
    assert [item["name"] for item in app.values["volumes"]] == ["data", "data"]


def test_a_driver_that_keeps_data_elsewhere_is_refused(converted):
    app = converted({"volumes": ["data:/data"]}, top={"volumes": {"data": {"driver": "rexray"}}})
    assert app.verdicts["volumes[/data]"] == "refused"


def test_a_volume_must_be_declared(converted):
    with pytest.raises(StackError, match="volume 'data' is not under 'volumes'"):
        converted({"volumes": ["data:/data"]})


def test_global_and_a_named_volume_do_not_go_together(converted):
    app = converted({"volumes": ["d:/d"], "deploy": {"mode": "global"}}, top={"volumes": {"d": None}})
    assert app.verdicts["volumes"] == "refused"


def test_replicas_with_volumes_of_their_own_are_said(converted):
    app = converted({"volumes": ["d:/d"], "deploy": {"replicas": 2}}, top={"volumes": {"d": None}})
    assert app.verdicts["(volumes)"] == "approximated"


def test_bind_mounts(converted):
    app = converted(
        {"volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro", {"type": "bind", "source": "/a", "target": "/b"}]}
    )
    assert [item["hostPath"] for item in app.values["volumes"]] == ["/var/run/docker.sock", "/a"]
    assert "Docker" in app.notes["volumes[/var/run/docker.sock]"]
    assert app.values["kind"] == "Deployment"


def test_relative_bind_mounts_need_a_root(converted):
    keys = {"volumes": ["./conf/../x.conf:/x.conf"]}
    assert converted(keys).verdicts["volumes[/x.conf]"] == "refused"
    assert converted(keys, options=Options(bind_root="/srv/app")).values["volumes"][0]["hostPath"] == "/srv/app/x.conf"
    assert converted({"volumes": ["~/x:/x"]}, options=Options(bind_root="/srv")).verdicts["volumes[/x]"] == "refused"


def test_memory(converted):
    app = converted(
        {
            "volumes": [{"type": "tmpfs", "target": "/t", "tmpfs": {"size": "64M"}}, "/anon"],
        }
    )
    assert [item["emptyDir"] for item in app.values["volumes"]] == [
        {"medium": "Memory", "sizeLimit": "64Mi"},
        {},
    ]


def test_secrets_are_files_of_their_own(converted):
    top = {"secrets": {"db_password": {"external": True}, "key": {"file": "./k", "name": "Shop.Key"}}}
    keys = {"secrets": ["db_password", {"source": "key", "target": "deep/key.pem", "mode": 0o400, "uid": "70"}]}
    app = converted(keys, top=top)
    assert app.values["secrets"] == [
        {"secret": "db-password", "key": "db_password", "mountPath": "/run/secrets/db_password", "mode": 0o444},
        {"secret": "shop-key", "key": "Shop.Key", "mountPath": "/run/secrets/deep/key.pem", "mode": 0o400},
    ]
    assert app.verdicts["secrets[db_password]"] == "mapped"
    assert app.verdicts["secrets[key]"] == "approximated"
    assert app.conversion.secrets == ["Shop.Key", "db_password"]


def test_configs(converted):
    top = {"configs": {"Settings": {"file": "s.toml"}, "unused": {"file": "s.toml"}, "far": {"external": True}}}
    keys = {"configs": [{"source": "Settings", "target": "/etc/s.toml", "mode": 0o440}, "far"]}
    app = converted(keys, top=top, files={"s.toml": "a = 1\n"})
    assert app.values["configs"] == [{"config": "settings", "mountPath": "/etc/s.toml", "mode": 0o440}]
    assert app.conversion.values["configs"] == {"settings": "a = 1\n"}
    assert app.verdicts["configs[far]"] == "refused"


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_what_is_mounted_must_be_declared(converted, kind):
    with pytest.raises(StackError, match=f"'x' is not under '{kind}'"):
        converted({kind: ["x"]})


@pytest.mark.parametrize(
    "volume",
    [
        "a:b:c:d",
        "data:relative",
        {"type": "pipe", "target": "/x"},
        {"type": "volume", "target": "/x", "volume": {"no_copy": True}},
        {"type": "bind", "target": "x"},
        {"typ": "bind"},
        7,
    ],
)
def test_what_is_no_mount(converted, volume):
    with pytest.raises(StackError, match=r"^stack.yml: service 'app': volumes"):
        converted({"volumes": [volume]})


@pytest.mark.parametrize(
    ("flag", "verdict"),
    [
        ("nocopy", "mapped"),
        ("cached", "mapped"),
        ("rprivate", "mapped"),
        ("z", "reported"),
        ("rshared", "refused"),
        ("odd", "refused"),
    ],
)
def test_what_else_a_short_mount_asks_for_is_told(converted, flag, verdict):
    app = converted({"volumes": [f"/a:/d:ro,{flag}", "/b:/e:rw"]})
    assert app.verdicts[f"volumes[/d].{flag}"] == verdict
    assert [item["readOnly"] for item in app.values["volumes"]] == [True, False]
    assert {key for key in app.verdicts if key.startswith("volumes[/e].")} == set()
