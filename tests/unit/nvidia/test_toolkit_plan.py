from __future__ import annotations

import hosts
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.packages import TOOLKIT
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.toolkit_plan import (
    LIST,
    OLD_LISTS,
    PIN,
    toolkit_plan,
)

SETTINGS = {
    "version": "1.20.0-1",
    "repository": "https://nvidia.github.io/libnvidia-container/stable/deb",
    "key_url": "https://nvidia.github.io/libnvidia-container/gpgkey",
    "key_checksum": "ab" * 32,
    "adopt": True,
}


def host(**more):
    return {
        "machine": "x86_64",
        "targets": hosts.UBUNTU_TARGETS,
        "packages": "",
        "updates": 0,
        "holds": "",
        "files": [],
        **more,
    }


def plan(observed, **settings):
    return toolkit_plan(observed, {**SETTINGS, **settings})


def test_four_packages_at_one_version():
    found = plan(host())
    assert found["install"] == [f"{name}=1.20.0-1" for name in TOOLKIT] and len(found["install"]) == 4
    assert (set(found["files"]), set(found["sources"])) == ({PIN}, {LIST})
    assert found["hold"] == list(TOOLKIT)
    assert "stable/deb/amd64 /\n" in found["sources"][LIST]
    assert "stable/deb/arm64 /\n" in plan(host(machine="aarch64"))["sources"][LIST]


def test_a_second_run_has_nothing_to_do():
    first = plan(host())
    settled = host(
        packages=hosts.listing(TOOLKIT, "1.20.0-1"),
        holds="\n".join(first["hold"]),
        files=[hosts.file(path, text) for path, text in {**first["sources"], **first["files"]}.items()],
    )
    again = plan(settled)
    assert again["action"] == "keep" and not again["needed"]
    later = plan(settled, version="1.21.0-1")
    assert later["action"] == "install" and PIN in later["files"] and later["hold"] == list(TOOLKIT)


def test_a_whole_toolkit_of_somebody_elses_is_adopted_and_held():
    found = plan(host(packages=hosts.listing(TOOLKIT, "1.17.8-1")))
    assert (found["action"], found["install"], found["files"]) == ("adopt", [], {})
    assert found["hold"] == list(TOOLKIT)


@pytest.mark.parametrize(
    "packages",
    [
        hosts.listing(TOOLKIT[:3], "1.17.8-1"),
        hosts.listing(TOOLKIT[:3], "1.17.8-1") + hosts.listing(TOOLKIT[3:], "1.16.2-1"),
    ],
)
def test_a_toolkit_in_pieces_is_made_whole(packages):
    assert plan(host(packages=packages))["action"] == "install"


def test_lists_under_earlier_names_go_since_two_keys_for_one_repository_stop_apt():
    found = plan(host(files=[hosts.file(OLD_LISTS[0], "deb ...")]))
    assert found["remove"] == [OLD_LISTS[0]] and LIST in found["sources"]


def test_a_repository_that_is_there_under_another_name_is_not_added_again():
    there = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64/|/||/etc/apt/sources.list.d/cloud.list:1\n"
    assert LIST not in plan(host(targets=there))["sources"]


@pytest.mark.parametrize(
    "there, wanted", [("1.20.1-1", "1.20.0-1"), ("1.20.0-1", "1.20.0~rc.1-1"), ("1.10.0-1", "1.9.0-1")]
)
def test_an_older_version_than_what_is_there_is_refused(there, wanted):
    with pytest.raises(RefusedError, match=f"nvidia_container_toolkit_version: .* is older than {there}"):
        plan(host(packages=hosts.listing(TOOLKIT, there)), version=wanted, adopt=False)


def test_an_architecture_without_packages_is_refused():
    with pytest.raises(RefusedError, match="not for riscv64"):
        plan(host(machine="riscv64"))


@pytest.mark.parametrize("checksum", ["", "abc", "AB" * 32, "sha256:" + "ab" * 32])
def test_a_key_that_nothing_vouches_for_is_refused(checksum):
    with pytest.raises(RefusedError, match="^nvidia_container_toolkit_key_checksum: '.*' is no SHA-256.*gpgkey alone"):
        plan(host(), key_checksum=checksum)


def test_no_key_is_asked_for_where_none_is_fetched():
    there = "https://nvidia.github.io/libnvidia-container/stable/deb/amd64/|/||/etc/apt/sources.list.d/cloud.list:1\n"
    assert not plan(host(targets=there), key_checksum="")["key"]
    adopted = plan(host(packages=hosts.listing(TOOLKIT, "1.17.8-1")), key_checksum="")
    assert adopted["action"] == "adopt" and not adopted["key"]
    assert plan(host())["key"]


def test_a_run_that_was_cut_off_in_dpkg_is_made_good():
    found = plan(host(packages=f"{TOOLKIT[0]} iU  1.20.0-1\n"))
    assert found["unfinished"] == f"dpkg was interrupted with {TOOLKIT[0]}" and found["needed"]
