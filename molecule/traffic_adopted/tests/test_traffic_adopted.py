"""After the shift and the renewal: no request failed at an edge that was up, and the Traefik of another hand is as it was."""

from __future__ import annotations

import json
import pathlib
import typing as t

import pytest
import testinfra
import yaml

SCENARIO = pathlib.Path(__file__).parents[1]
OWN, ADOPTED = "sophia-production-instance", "sophia-ai-core"
API = {OWN: "http://127.0.0.1:8099", ADOPTED: "http://127.0.0.1:8080"}
BOTH_SIDES, NEW_SIDE = {"swarm", "k3s"}, {"k3s"}
CLIENTS = {"own": BOTH_SIDES, "adopted": BOTH_SIDES, "adopted-plain": BOTH_SIDES, "theirs": NEW_SIDE}
SERVICES = [
    service["name"]
    for service in yaml.safe_load((SCENARIO.parents[1] / "inventories/lab/group_vars/all/replatform.yml").read_text())[
        "replatform_services"
    ]
    if service["kind"] == "http"
]
testinfra_hosts = [f"docker://replatform-lab-{OWN}"]


def on(name: str) -> t.Any:
    return testinfra.get_host(f"docker://replatform-lab-{name}")


def told(client: str) -> dict[str, t.Any]:
    return json.loads(on("sophia-development").file(f"/root/traffic-adopted-{client}.json").content_string)


@pytest.mark.parametrize(("client", "sides"), CLIENTS.items())
def test_every_client_was_answered(client: str, sides: set[str]) -> None:
    said = told(client)
    print(f"{client}: {said['sides']}, {said['serials']}")
    assert said["faults"] == []
    assert said["sides"].keys() == sides
    assert sum(said["sides"].values()) >= 500


def journal(edge: str) -> list[dict[str, t.Any]]:
    return [json.loads(line) for line in on(edge).check_output("cat /var/lib/replatform/journal.jsonl").splitlines()]


def counted(edge: str, *, but: tuple[float, float] = (0.0, 0.0)) -> dict[str, int]:
    """What the edge's prober asked, and what failed of it, in all its seconds but those between two."""
    lines = map(json.loads, on(edge).check_output("cat /var/lib/replatform/prober/requests-*.jsonl").splitlines())
    heard = [line for line in lines if not but[0] <= line["t"] <= but[1]]
    total = {key: sum(line[key] for line in heard) for key in ("total", "failed")}
    print(f"{edge}, but for {but}: {total}")
    return total


def down() -> tuple[float, float]:
    """From when the role's own edge was stopped until it had been seen to serve once more, in seconds of the epoch."""
    shown = "systemctl show replatform-edge.service --timestamp=unix --property=ActiveExitTimestamp --value"
    stopped = float(on(OWN).check_output(shown).removeprefix("@"))
    return stopped, on(OWN).file("/root/traffic-adopted.before").mtime.timestamp() + 1


def test_the_prober_that_asks_over_tls_saw_no_fault() -> None:
    total = counted(ADOPTED)
    assert total["failed"] == 0 < total["total"]
    assert on(ADOPTED).check_output("cat /var/lib/replatform/prober/failures.jsonl 2>/dev/null || true") == ""


def test_the_prober_of_the_edge_that_was_down_saw_no_fault_but_that() -> None:
    assert counted(OWN)["failed"] > 0
    total = counted(OWN, but=down())
    assert total["failed"] == 0 < total["total"]


@pytest.mark.parametrize("edge", [OWN, ADOPTED])
def test_no_edge_was_restarted_and_what_is_not_the_routes_is_as_it_was(edge: str) -> None:
    host = on(edge)
    settings = yaml.safe_load((SCENARIO / f"inventory/host_vars/{edge}.yml").read_text())
    look = ["/usr/local/bin/traffic-adopted-look", settings["traffic_adopted_unit"], *settings["traffic_adopted_kept"]]
    assert host.check_output(" ".join(look)) == host.file("/root/traffic-adopted.before").content_string.strip()


def test_nothing_but_routes_came_into_the_folder_of_the_adopted() -> None:
    there = set(on(ADOPTED).check_output("find /etc/traefik/dynamic -type f -printf '%P\\n'").splitlines())
    ours = {f"{name}.yml" for name in SERVICES} | {f".{name}.yml.room" for name in SERVICES}
    assert {f"{name}.yml" for name in SERVICES} <= there
    assert there - ours == {"theirs.yml", "tls.yaml"}
    assert on(ADOPTED).run("systemctl cat replatform-edge.service").rc != 0


def test_the_adopted_was_given_back_with_its_routes() -> None:
    assert not on(ADOPTED).file("/usr/local/lib/replatform/edge").exists
    assert not on(ADOPTED).file("/etc/replatform/edge").exists


def test_clients_saw_the_renewed_certificate() -> None:
    served = (
        on(OWN).check_output("openssl x509 -in /etc/replatform/tls/edge.pem -noout -serial").removeprefix("serial=")
    )
    first, last = told("own")["serials"]
    assert first != last == served
    assert len(told("adopted")["serials"]) == 1


@pytest.mark.parametrize(("edge", "step", "sign"), [(OWN, "weight", "controller"), (ADOPTED, "dead_man", "shift")])
def test_who_put_the_weight_back_after_a_kill(edge: str, step: str, sign: str) -> None:
    ended = [record for record in journal(edge) if record["event"] != "start"]
    (back,) = [record for record in ended if f"no sign of the {sign}" in str(record["data"].get("reason"))]
    assert back["step"] == step
    assert back["data"].get("restored") or "the last safe weight 10" in back["data"]["reason"]


# At 50 the role's own edge went down, and then the controller was killed.
@pytest.mark.parametrize(("edge", "passed"), [(OWN, [10, 50, 100]), (ADOPTED, [10, 50, 10, 50, 100])])
def test_no_edge_stayed_above_the_one_that_went_down(edge: str, passed: list[int]) -> None:
    weights = [record for record in journal(edge) if record["step"] == "weight" and record["event"] == "ok"]
    assert [record["data"]["weight"] for record in weights] == passed


@pytest.mark.parametrize("edge", [OWN, ADOPTED])
def test_the_next_run_went_on_to_the_end(edge: str) -> None:
    host = on(edge)
    shares = json.loads(host.check_output(f"curl -sS {API[edge]}/api/http/services/backend@file"))
    assert [child["weight"] for child in shares["weighted"]["services"]] == [0, 100]
    assert host.run("systemctl list-units 'replatform-deadman-*' --no-legend").stdout == ""
