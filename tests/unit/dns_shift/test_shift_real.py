"""Records of two real name servers on their way and back, by a clock that the tests move."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.dns import note as notes
from ansible_collections.sophia.replatform.plugins.module_utils.dns import shift
from ansible_collections.sophia.replatform.plugins.module_utils.dns.operation import Shift
from ansible_collections.sophia.replatform.plugins.module_utils.dns.shift import Target
from ansible_collections.sophia.replatform.plugins.module_utils.dns.zone import Key, Zone
from ansible_collections.sophia.replatform.plugins.module_utils.errors import (
    DeadlineError,
    RefusedError,
    ReplatformError,
)
from ansible_collections.sophia.replatform.plugins.module_utils.operation import perform

from . import conftest

OLD, NEW = ["192.0.2.1", "192.0.2.2"], ["203.0.113.9"]
PARAMS = {"journal": None, "phase": "cutover", "deadline": 60}


class Killed(BaseException):
    """As SIGKILL would: nothing of the run goes on."""


class Controller:
    """One that leads O(name) to NEW; it remembers nothing but the time."""

    def __init__(self, servers, name, **options):
        self.servers, self.name = servers, name
        self.now = 1_800_000_000.0
        self.options = {"rdtype": "A", "values": NEW, "ttl": None, **options}
        self.timeout = 5.0
        self.key = Key("replatform", conftest.SECRET, "hmac-sha256")

    def zone(self):
        return Zone(
            conftest.ZONE, self.servers.primary.address, [self.servers.secondary.address], self.key, self.timeout
        )

    def operation(self, state, propagation_timeout=60):
        zone, given = self.zone(), self.options
        records = [zone.record(self.name, given["rdtype"], given["values"], given["ttl"])]
        return Shift(zone, records, Target(state, 60), propagation_timeout, lambda: self.now)

    def run(self, state, check=False, dies_at=None, **more):
        """The names of the steps, and the seconds to wait."""
        operation = self.operation(state, **more)
        if dies_at is not None:
            die(operation, dies_at)
        result = perform(operation, "dns_shift", conftest.ZONE, PARAMS, check)
        return [step["name"] for step in result["steps"] if step["name"] != "await_servers"], operation.wait_s

    def seen(self):
        """What both servers show."""
        both = [self.servers.look(self.name, s) for s in (self.servers.primary, self.servers.secondary)]
        assert both[0] == both[1]
        return both[0]

    def notes(self):
        return self.servers.look(f"_replatform.{self.name}", rdtype="TXT")[1]


def die(operation, at):
    """Let the run end before (even) or after (odd) one of its acts."""
    act, count = operation.act, itertools.count()

    def deadly(step):
        number = next(count)
        if number * 2 == at:
            raise Killed
        result = act(step)
        if number * 2 + 1 == at:
            raise Killed
        return result

    operation.act = deadly


@pytest.fixture
def controller(servers):
    return Controller(servers, servers.name())


def test_there_with_every_ttl_waited_out_and_again_nothing(controller):
    assert controller.run("lowered") == (["lower_ttl", "note_deadline"], 0)
    assert controller.seen() == (60, OLD)
    assert controller.run("lowered") == ([], 0)
    controller.now += 3599
    assert controller.run("shifted") == ([], 1)
    assert controller.seen() == (60, OLD)
    controller.now += 1
    assert controller.run("shifted") == (["change", "note_deadline"], 60)
    assert controller.seen() == (60, NEW)
    controller.now += 60
    assert controller.run("shifted") == ([], 0)
    assert controller.run("lowered") == ([], 0)
    assert controller.run("promoted") == (["restore_ttl"], 0)
    assert controller.seen() == (3600, NEW)
    assert controller.notes() == []
    for state in ("lowered", "shifted", "promoted", "rolled_back"):
        assert controller.run(state) == ([], 0)
    assert controller.seen() == (3600, NEW)


def test_back_from_where_it_is_lowered_and_from_where_it_is_shifted(controller):
    controller.run("lowered")
    assert controller.run("rolled_back") == (["restore_ttl"], 0)
    assert (controller.seen(), controller.notes()) == ((3600, OLD), [])
    controller.run("shifted")
    controller.now += 3600
    controller.run("shifted")
    assert controller.run("rolled_back") == (["change_back", "note_deadline"], 60)
    assert controller.seen() == (60, OLD)
    assert controller.run("rolled_back") == ([], 60)
    assert controller.run("shifted") == (["change", "note_deadline"], 60), "and forward again without the old TTL"
    controller.run("rolled_back")
    controller.now += 60
    assert controller.run("rolled_back") == (["restore_ttl"], 0)
    assert (controller.seen(), controller.notes()) == ((3600, OLD), [])
    assert controller.run("rolled_back") == ([], 0)


def test_check_mode_tells_the_next_run_and_changes_nothing(controller):
    for state, later in (("lowered", 3600), ("shifted", 60), ("shifted", 0), ("promoted", 0), ("rolled_back", 0)):
        before = controller.seen(), controller.notes()
        foreseen = controller.run(state, check=True)
        assert (controller.seen(), controller.notes()) == before
        assert controller.run(state) == foreseen
        controller.now += later


@pytest.mark.parametrize("dies_at", range(5))
@pytest.mark.parametrize("target", ["shifted", "rolled_back"])
def test_killed_anywhere_another_controller_goes_on(servers, target, dies_at):
    controller = Controller(servers, servers.name())
    controller.run("lowered")
    if target == "rolled_back":
        controller.now += 3600
        controller.run("shifted")
    for _round in range(20):
        with contextlib.suppress(Killed):
            controller.run(target, dies_at=dies_at)
        _steps, wait_s = controller.run(target)
        if not wait_s:
            break
        controller.now += wait_s
    assert controller.seen() == ((60, NEW) if target == "shifted" else (3600, OLD))


@pytest.mark.parametrize(
    "name, rdtype, values, shown",
    [
        ("www", "AAAA", ["2001:DB8:0::9"], ["2001:db8::9"]),
        ("alias", "CNAME", ["host-1"], ["host-1.example.test."]),
        ("@", "A", NEW, NEW),
        ("*", "A", [f"203.0.113.{n}" for n in range(40)], sorted(f"203.0.113.{n}" for n in range(40))),
        ("short.example.test", "A", NEW, NEW),
        # What is asked for beside these is answered by a wildcard.
        ("aliased", "A", NEW, NEW),
        ("mailless", "A", NEW, NEW),
    ],
)
def test_other_types_and_names_there_and_back(servers, name, rdtype, values, shown):
    controller = Controller(servers, name, rdtype=rdtype, values=values)
    plain = name.split(".")[0]

    def look():
        return servers.look("any" if name == "*" else plain, servers.secondary, rdtype)

    before = look()
    controller.run("shifted")
    controller.now += 3600
    assert controller.run("shifted")[0] == ["change", "note_deadline"]
    assert look() == (min(before[0], 60), shown)
    controller.run("rolled_back")
    controller.now += 60
    assert controller.run("rolled_back") == (["restore_ttl"], 0)
    assert look() == before


def test_a_last_ttl_of_its_own(servers):
    controller = Controller(servers, servers.name(), ttl=900)
    controller.run("lowered")
    controller.now += 3600
    controller.run("shifted")
    controller.now += 60
    controller.run("promoted")
    assert controller.seen() == (900, NEW)


def test_it_does_not_go_on_over_a_change_by_somebody_else(controller):
    controller.run("lowered")
    zone = controller.zone()
    record = zone.record(controller.name, "A", NEW, None)
    here, texts = zone.rrset(zone.server, record), zone.texts(record)
    zone.update(record, here, shift.RRset(60, ("198.51.100.1",)), texts, notes.read(texts[0]))
    controller.now += 3600
    for state in ("shifted", "rolled_back"):
        with pytest.raises(RefusedError, match=r"is 198.51.100.1 where 192.0.2.1, 192.0.2.2 was written"):
            controller.run(state)
    assert controller.servers.look(controller.name) == (60, ["198.51.100.1"])


def test_a_change_at_the_same_moment_is_not_written_over(controller):
    operation = controller.operation("lowered")
    step = operation.next_step(operation.observe())
    assert Controller(controller.servers, controller.name).run("lowered")[0]
    before = controller.seen(), controller.notes()
    with pytest.raises(ReplatformError, match="was changed at the same moment; run this again"):
        operation.act(step)
    assert (controller.seen(), controller.notes()) == before


def test_not_promoted_before_it_is_shifted(controller):
    for match in ("still is 192.0.2.1, 192.0.2.2; bring it", "does not lead to 203.0.113.9 yet; bring it"):
        with pytest.raises(RefusedError, match=match):
            controller.run("promoted")
        controller.run("lowered")


@pytest.mark.parametrize(
    "key, said",
    [
        (
            Key("nobody", conftest.SECRET, "hmac-sha256"),
            "it does not know key nobody. (key_name, key_algorithm, key_secret) by this name",
        ),
        (Key("replatform", conftest.WRONG, "hmac-sha256"), "it does not know key replatform."),
        (Key("replatform", conftest.SECRET, "hmac-sha512"), "it does not know key replatform."),
        (
            Key("reader", conftest.SECRET, "hmac-sha256"),
            "it does not allow it to key reader. (key_name, key_algorithm, key_secret); allow it",
        ),
        (None, "it does not allow it to an update without a key; allow it"),
        (Key("replatform", "no base64!", "hmac-sha256"), "key_secret: the secret is not base64"),
    ],
)
def test_a_refused_update_is_one_line_without_the_secret(controller, key, said):
    controller.key = key
    with pytest.raises(RefusedError) as refused:
        controller.run("lowered")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert key is None or key.secret not in str(refused.value)
    assert (controller.seen(), controller.notes()) == ((3600, OLD), [])


@pytest.mark.parametrize(
    "options, said",
    [
        ({"rdtype": "AAAA", "values": ["2001:db8::1"]}, "AAAA is not in the zone; add it as it is to be"),
        ({"values": ["host-1"]}, "records: host-"),
        ({"values": []}, "A has 0 values"),
        ({"rdtype": "CNAME", "values": ["a", "b"]}, "CNAME has 2 values"),
    ],
)
def test_a_record_that_can_not_be_meant(controller, options, said):
    controller.options |= options
    with pytest.raises(RefusedError, match=said):
        controller.run("lowered")


def test_an_alias_where_an_address_is_meant(servers):
    with pytest.raises(RefusedError, match="alias.example.test. is a CNAME at .*; give type CNAME"):
        Controller(servers, "alias").run("lowered")


def test_a_name_outside_the_zone_and_a_server_of_another_one(servers, controller):
    with pytest.raises(RefusedError, match="www.example.org. is not in zone example.test."):
        controller.zone().record("www.example.org.", "A", NEW, None)
    zone = Zone("example.org", servers.primary.address, [], None, 5)
    with pytest.raises(RefusedError, match="is not authoritative for www.example.org. .REFUSED."):
        zone.rrset(servers.primary.address, zone.record("www", "A", NEW, None))
    with pytest.raises(RefusedError, match="servers: 127.0.0.1:dns is no address of a name server"):
        Zone("example.org", "127.0.0.1:dns", [], None, 5)


def test_a_server_that_does_not_follow_is_waited_for_and_named(servers, controller):
    servers.secondary.stop()
    controller.timeout = 0.3
    with pytest.raises(ReplatformError, match=f"{servers.secondary.address} does not answer for host-"):
        controller.run("lowered")
    assert servers.look(controller.name) == (3600, OLD), "all servers are asked before anything is changed"
    servers.secondary.start()
    controller.timeout = 5
    servers.until(lambda: servers.look(controller.name, servers.secondary) == (3600, OLD))
    behind = controller.operation("lowered", propagation_timeout=0)
    behind._lagging = lambda record, rrset: (servers.secondary.address,)  # one whose transfers fail
    with pytest.raises(DeadlineError, match=r"\(servers\) still do not show host-\d+.example.test. A as 127"):
        perform(behind, "dns_shift", conftest.ZONE, PARAMS, False)
    assert controller.run("lowered")[0] == ["lower_ttl", "note_deadline"]
