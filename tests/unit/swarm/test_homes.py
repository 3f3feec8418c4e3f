"""What of a stack has no home in a namespace, by the names that phase 3 gives."""

from __future__ import annotations

import pathlib
import typing as t

import pytest
import yaml
from ansible_collections.sophia.replatform.plugins.module_utils.secrets.manifest import manifest
from ansible_collections.sophia.replatform.plugins.module_utils.stack.convert import convert
from ansible_collections.sophia.replatform.plugins.module_utils.stack.load import load_stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import Options
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import homes

LAB = pathlib.Path(__file__).parents[3] / "lab/services/docker-stack.yml"


def service(name: str, stack: str = "shop", **container: t.Any) -> dict[str, t.Any]:
    spec = {
        "Name": f"{stack}_{name}",
        "Labels": container.pop("labels", {}),
        "Mode": container.pop("mode", {"Replicated": {"Replicas": 1}}),
        "TaskTemplate": {"ContainerSpec": container, "RestartPolicy": {"Condition": container.pop("restart", "any")}},
    }
    return {"name": name, "full_name": spec["Name"], "spec": spec}


def mount(source: str, target: str = "/data", kind: str = "volume") -> dict[str, str]:
    return {"Type": kind, "Source": source, "Target": target}


def thing(name: str, own: bool = False, **labels: str) -> dict[str, t.Any]:
    return {"id": f"id-{name}", "name": name, "own": own, "labels": labels}


def whole(*services: t.Any, **objects: t.Any) -> dict[str, t.Any]:
    return {"services": services, "objects": {"secrets": [], "configs": [], **objects}}


def item(kind: str, name: str, labels: t.Any = None, notes: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
    return {"kind": kind, "metadata": {"name": name, "labels": labels, "annotations": notes}, **more}


def claim(name: str, phase: str = "Bound", **more: t.Any) -> dict[str, t.Any]:
    return item("PersistentVolumeClaim", name, status={"phase": phase}, **more)


def of_the_chart(kind: str, name: str, label: str, stack: str = "shop") -> dict[str, t.Any]:
    return item(kind, name, {"app.kubernetes.io/name": label, "app.kubernetes.io/part-of": stack})


def copied(name: str, source_id: str) -> dict[str, t.Any]:
    return manifest("Secret", name.replace("_", "-"), "shop", name, source_id, b"")


def pod(service_name: str, path: str, claim_name: str) -> dict[str, t.Any]:
    spec = {
        "containers": [{"volumeMounts": [{"name": "v", "mountPath": path}]}, {}],
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim_name}}, {"name": "tmp", "emptyDir": {}}],
    }
    return item("Pod", f"{service_name}-0", {"app.kubernetes.io/name": service_name}, spec=spec)


def left(
    seen: t.Any, *found: t.Any, volumes: t.Any = (), may_be_lost: t.Any = (), filled: t.Any = ("web",)
) -> list[str]:
    return [one["text"] for one in homes.homeless(homes.wanting(seen, "shop", volumes, may_be_lost, filled), found)]


def secret_of(name: str) -> list[dict[str, str]]:
    return [{"SecretID": f"id-{name}", "SecretName": name}]


def test_what_the_stack_has_or_uses_wants_a_home_and_nothing_else() -> None:
    seen = whole(
        service("web", Secrets=secret_of("api_key"), Mounts=[mount("shop_data"), mount("", "/anonymous"), mount("/srv", kind="bind")]),
        service("hello", Privileges={"CredentialSpec": {"Config": "id-credential"}}),
        secrets=[thing("api_key"), thing("shop_token", own=True), thing("of_another_stack")],
        configs=[thing("credential"), thing("unused")],
    )  # fmt: skip
    assert left(seen) == ["secret api_key", "secret shop_token", "config credential", "volume shop_data"]
    assert left(seen, may_be_lost=["api_key", "shop_token", "credential", "shop_data"]) == []
    kinds = {one["kind"] for wanted in homes.wanting(seen, "shop", [], ["credential"], []) for one in wanted["asked"]}
    assert kinds == {"Secret", "PersistentVolumeClaim", "Pod"}


@pytest.mark.parametrize(
    "home",
    [
        copied("shop_token", "id-shop_token"),
        item("Secret", "shop-token"),
        item("Secret", "token"),
        item("Secret", "vault", notes={"replatform.sophia.ai/swarm-source": "shop_token"}),
    ],
)
def test_a_secret_is_at_home(home: t.Any) -> None:
    assert left(whole(secrets=[thing("shop_token", own=True)]), home) == []


@pytest.mark.parametrize(
    "home",
    [
        item("ConfigMap", "shop-token"),
        item("Secret", "another"),
        item("Secret", "token", notes={"replatform.sophia.ai/swarm-source": "token"}),
    ],
)
def test_a_secret_is_not_at_home(home: t.Any) -> None:
    assert left(whole(secrets=[thing("shop_token", own=True)]), home) == ["secret shop_token"]


def test_a_secret_of_no_stack_is_not_at_home_under_half_its_name() -> None:
    seen = whole(service("web", Secrets=secret_of("shop_token")), secrets=[thing("shop_token")])
    assert left(seen, item("Secret", "token")) == ["secret shop_token"]


def test_a_secret_that_was_made_anew_since_it_was_copied_is_not_at_home() -> None:
    seen = whole(secrets=[thing("token", own=True)])
    said = "secret token (made anew since Secret token was copied from it)"
    assert left(seen, copied("token", "before")) == [said]
    again = whole(secrets=[thing("token", True, **{"replatform.sophia.ai/swarm-ids": "first before"})])
    assert left(again, copied("token", "before")) == []


def test_a_config_is_at_home_in_the_charts_object_whatever_the_release_is_called() -> None:
    seen = whole(configs=[thing("shop_nginx.conf", own=True)])
    assert left(seen, of_the_chart("ConfigMap", "live-nginx-conf", "nginx-conf")) == []
    assert left(seen, of_the_chart("ConfigMap", "live-nginx-conf", "nginx-conf", "other")) == ["config shop_nginx.conf"]


@pytest.mark.parametrize(
    "home",
    [
        [claim("web-data-web-2")],
        [claim("web-data")],
        [claim("shop-web-data")],
        [claim("moved", notes={"replatform.sophia.ai/swarm-source": "shop_web_data"})],
        [claim("renamed-web-0"), pod("web", "/data/", "renamed-web-0")],
    ],
)
def test_a_volume_is_at_home(home: t.Any) -> None:
    assert left(whole(service("web", Mounts=[mount("shop_web_data")])), *home) == []


@pytest.mark.parametrize(
    "home",
    [
        [claim("web-data-db-0")],
        [claim("renamed-web-0"), pod("web", "/elsewhere", "renamed-web-0")],
        [claim("renamed-db-0"), pod("db", "/data", "renamed-db-0")],
    ],
)
def test_a_volume_is_not_at_home(home: t.Any) -> None:
    assert left(whole(service("web", Mounts=[mount("shop_web_data")])), *home) == ["volume shop_web_data"]


def test_a_claim_without_a_volume_is_no_home() -> None:
    seen = whole(service("web", Mounts=[mount("shop_data")]))
    said = "volume shop_data (claim data-web-0 has no volume yet)"
    assert left(seen, claim("data-web-0", "Pending")) == [said]


@pytest.mark.parametrize("claimed", ["data-web-0", "data"])
def test_a_claim_that_nobody_has_filled_is_no_home(claimed: str) -> None:
    seen = whole(service("web", Mounts=[mount("shop_data")]))
    said = f"volume shop_data (nobody has put its data into claim {claimed})"
    assert left(seen, claim(claimed), filled=["db"]) == [said]
    assert left(seen, claim(claimed), filled=["web"]) == []
    assert left(seen, claim(claimed), filled=[], may_be_lost=["shop_data"]) == []
    noted = claim(claimed, notes={"replatform.sophia.ai/swarm-source": "shop_data"})
    assert left(seen, noted, filled=[]) == []


def test_a_volume_is_filled_by_any_service_that_shares_it() -> None:
    seen = whole(service("web", Mounts=[mount("shop_data")]), service("files", Mounts=[mount("shop_data", "/srv")]))
    assert left(seen, claim("data"), filled=["files"]) == []


def test_without_services_the_claim_of_a_template_says_whose_it_is() -> None:
    assert left({}, claim("data-db-0"), volumes=["shop_data"], filled=["db"]) == []
    for filled in (["web"], []):
        assert len(left({}, claim("data-db-0"), volumes=["shop_data"], filled=filled)) == 1


def test_a_volume_that_shall_go_wants_a_home_when_no_service_is_left() -> None:
    assert left({}, claim("data-web-0"), volumes=["shop_data", "shop_old"]) == ["volume shop_old"]


def test_jobs_are_at_home_in_jobs_and_schedules_in_cron_jobs() -> None:
    seen = whole(
        service("migrate", mode={"ReplicatedJob": {}}),
        service("scan", mode={"GlobalJob": {}}),
        service("once", restart="none"),
        service("agent", mode={"Global": {}}),
        service("report", labels={"swarm.cronjob.enable": "true"}, restart="none"),
        service("off", labels={"swarm.cronjob.enable": "false"}),
        service("db", Labels={"ofelia.enabled": "true", "ofelia.job-exec.dump.schedule": "@daily", "ofelia.job-exec.dump.command": "dump"}),
    )  # fmt: skip
    jobs = ["job shop_migrate", "job shop_scan", "job shop_once"]
    assert left(seen) == [*jobs, "schedule shop_report", "schedule shop_db/dump"]
    done = [of_the_chart("Job", f"{name}-0123456789", name) for name in ("migrate", "scan", "once", "report")]
    assert left(seen, *done) == ["schedule shop_report", "schedule shop_db/dump"]
    assert left(seen, *done, item("CronJob", "report"), item("CronJob", "db-dump")) == []
    assert left(seen, *done, item("CronJob", "report"), may_be_lost=["shop_db/dump"]) == []


def test_all_that_the_labs_stack_has_is_at_home_in_what_phase_3_makes_of_it() -> None:
    text = LAB.read_text()
    values = convert(
        load_stack({"stack.yml": text}, {}, "sophia", lambda _name: ""), Options(workload_keys=True)
    ).values
    running = []
    for name, keys in yaml.safe_load(text)["services"].items():
        mounts = [mount(f"sophia_{source}", at) for source, at in (one.split(":") for one in keys.get("volumes", []))]
        secrets = [one for source in keys.get("secrets", []) for one in secret_of(source)]
        running.append(service(name, "sophia", Mounts=mounts, Secrets=secrets))
    wanted = homes.wanting(
        whole(*running, secrets=[thing("postgres_password")]),
        "sophia",
        [],
        [],
        ["postgres", "pgbouncer", "redis", "notes"],
    )
    volumes = {"sophia_postgres-data", "sophia_pgbouncer-state", "sophia_redis-data", "sophia_notes-data"}
    assert {one["name"] for one in wanted} == {"postgres_password", *volumes}
    made = [copied("postgres_password", "id-postgres_password")]
    for name, of in values["services"].items():
        own = [one for one in of.get("volumes", []) if of["kind"] == "StatefulSet" and not one["claim"]["shared"]]
        made += [claim(f"{one['name']}-{name}-0") for one in own]
    assert homes.homeless(wanted, made) == []
    assert len(homes.homeless(wanted, [])) == 5
