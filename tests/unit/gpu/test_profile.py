# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import pci, profile
from hypothesis import given
from hypothesis import strategies as st

IDS = sorted(pci.MODELS)


def device(identifier, address="0000:01:00.0"):
    return pci.Device(address, "10de", identifier, "0x030200")


def gpu(identifier, address="0000:01:00.0", more=None):
    return profile.identify([device(identifier, address)], more or {})[0]


def old(architecture, address="0000:02:00.0"):
    return gpu("1db4", address, profile.accepted({"1db4": architecture}))


def resolve(*gpus, switches=()):
    return profile.resolve(gpus, switches)


def test_there_is_no_profile_without_a_gpu():
    assert profile.resolve([], ["0000:c4:00.0"]) is None


@pytest.mark.parametrize(
    "identifier, architecture", [("1e30", "Turing"), ("2236", "Ampere"), ("26b1", "Ada"), ("2330", "Hopper")]
)
def test_from_turing_to_hopper_either_flavour_runs(identifier, architecture):
    told = resolve(gpu(identifier))
    assert (told["architecture"], told["kernel_modules"]) == (architecture, "either")
    assert (told["coherent_memory_mode"], told["kernel_arguments"], told["fabric_manager"]) == (None, [], False)


@pytest.mark.parametrize("identifier", ["2342", "2348", "2bb1"])
def test_grace_hopper_and_blackwell_run_with_the_open_modules_alone(identifier):
    assert resolve(gpu(identifier))["kernel_modules"] == "open"


def test_grace_hopper_wants_its_memory_managed_by_the_driver():
    told = resolve(gpu("2342"))
    assert told["coherent_memory_mode"] == "driver"
    assert told["minimum_branch"] == 580
    assert told["kernel_arguments"] == [
        "init_on_alloc=0",
        "memhp_default_state=online_movable",
        "numa_balancing=disable",
    ]
    assert gpu("2342").described()["mig_capable"] and not told["mig_capable"]


def test_nvswitches_need_a_fabric_manager():
    assert resolve(gpu("20b2"), switches=["0000:c4:00.0"])["fabric_manager"]


def test_mig_needs_all_gpus_to_be_capable_of_it():
    assert resolve(gpu("20f1"))["mig_capable"]
    assert not resolve(gpu("20f1"), gpu("2236", "0000:02:00.0"))["mig_capable"]


def test_several_architectures_share_a_flavour_and_the_newest_branch():
    told = resolve(gpu("1eb8"), gpu("2bb5", "0000:02:00.0"))
    assert told["architecture"] == "Blackwell, Turing"
    assert (told["kernel_modules"], told["minimum_branch"], told["gpu_count"]) == ("open", 575, 2)
    assert resolve(gpu("1eb8"), old("Volta"))["kernel_modules"] == "proprietary"


def test_gpus_that_share_no_flavour_are_refused_by_name():
    with pytest.raises(RefusedError) as refused:
        resolve(gpu("2bb5"), old("Volta"))
    assert "0000:01:00.0 (Blackwell), 0000:02:00.0 (Volta)" in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.lists(st.sampled_from(IDS), min_size=1, max_size=8), st.booleans())
def test_the_profile_suits_every_gpu_and_the_order_does_not_matter(ids, switches):
    found = [gpu(identifier, f"0000:{index:02x}:00.0") for index, identifier in enumerate(ids)]
    told = profile.resolve(found, ["0000:c4:00.0"] if switches else [])
    assert told == profile.resolve(found[::-1], ["0000:c4:00.0"] if switches else [])
    assert told["gpu_count"] == len(ids)
    assert told["fabric_manager"] is switches
    flavours = {"open", "proprietary"} if told["kernel_modules"] == "either" else {told["kernel_modules"]}
    for one in found:
        assert flavours <= profile.ARCHITECTURES[one.model.architecture][0]
        assert told["minimum_branch"] >= one.model.branch
    assert not (told["mig_capable"] and told["coherent_memory_mode"])


# Ids that are not known


def test_an_unknown_gpu_is_refused_with_address_and_id():
    with pytest.raises(RefusedError) as refused:
        profile.identify([device("2236"), device("2b85", "0000:65:00.0"), device("ffff", "0000:66:00.0")], {})
    assert "0000:65:00.0 (10de:2b85), 0000:66:00.0 (10de:ffff)" in str(refused.value)
    assert "accept_unknown" in str(refused.value) and "2236" not in str(refused.value)


@pytest.mark.parametrize("key", ["2b85", "2B85", "10de:2b85", "10DE:2B85", "0x2b85", "0x10de:0x2b85", " 2b85 "])
def test_an_unknown_gpu_is_accepted_with_its_architecture(key):
    told = resolve(gpu("2b85", more=profile.accepted({key: "Blackwell"})))
    assert (told["architecture"], told["kernel_modules"], told["minimum_branch"]) == ("Blackwell", "open", 570)
    assert not told["mig_capable"]


@given(
    st.integers(0, 0xFFFF).map("{:04x}".format) | st.sampled_from(IDS),
    st.sampled_from(sorted(profile.ARCHITECTURES)),
)
def test_any_id_can_be_accepted_and_a_known_one_stays_what_it_is(identifier, architecture):
    found = gpu(identifier, more=profile.accepted({f"10de:{identifier}": architecture}))
    assert found.model.architecture == (
        pci.MODELS[identifier].architecture if identifier in pci.MODELS else architecture
    )


@pytest.mark.parametrize(
    "entries, message",
    [
        ({"1002:740f": "Ampere"}, "accept_unknown: '1002:740f' is not the id of an NVIDIA device"),
        ({"H100": "Hopper"}, "accept_unknown: 'H100' is not the id"),
        ({"2b8": "Blackwell"}, "accept_unknown: '2b8' is not the id"),
        ({"2b85": "blackwell"}, "accept_unknown: 'blackwell', the architecture of 2b85, is not one of Maxwell, Pascal"),
        ({"2b85": None}, "accept_unknown: 'None', the architecture of 2b85"),
        ({"2b85": ["Ada"]}, "accept_unknown: '['Ada']', the architecture of 2b85"),
    ],
)
def test_a_bad_entry_is_named(entries, message):
    with pytest.raises(ReplatformError) as refused:
        profile.accepted(entries)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
