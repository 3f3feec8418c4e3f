from __future__ import annotations

import copy

import hosts
import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.gpu import host_files, toolkit_plan
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.driver_plan import driver_plan
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.packages import TOOLKIT, purge_faults
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.removal import driver_removal, toolkit_removal
from hypothesis import given
from hypothesis import strategies as st


def installed(host=None, **settings):
    """A host after the role has installed its driver, everything settled."""
    host, settings = host or hosts.ubuntu(), {**hosts.SETTINGS, **settings}
    for _turn in range(2):
        plan = driver_plan(host, settings)
        host = hosts.settle(host, plan, settings)
        # An added repository is a file as well, and apt knows it from then on.
        host["files"] += [hosts.file(path, text) for path, text in plan["sources"].items()]
        for path, text in plan["sources"].items():
            if "cuda" in path:
                host["targets"] += f"{text.split()[2]}|/||{path}:1\n"
    return host


def removed(host, plan):
    """The host after the removal was carried out, a reboot included."""
    after = copy.deepcopy(host)
    gone = {*plan["purge"]}
    after["packages"] = "".join(line + "\n" for line in host["packages"].splitlines() if line.split()[0] not in gone)
    after["holds"] = " ".join(set(host["holds"].split()) - set(plan["unhold"]))
    after["files"] = [item for item in host["files"] if item["path"] not in plan["files"]]
    if plan["purge"]:
        after["gpu"]["driver"].update(installed=None, next=None)
    if plan["reboot"]:
        after["gpu"]["driver"]["loaded"] = after["gpu"]["driver"]["installed"]
    return after


def test_a_driver_of_ours_goes_with_everything_that_kept_it():
    host = installed()
    plan = driver_removal(host, hosts.SETTINGS)
    assert (
        "nvidia-headless-580-server-open" in plan["purge"]
        and "dkms" not in plan["purge"]
        and "bash" not in plan["purge"]
    )
    assert set(plan["unhold"]) == set(plan["purge"])
    assert set(plan["files"]) == {host_files.PIN, host_files.BLACKLIST, host_files.NOUVEAU, host_files.DROP_IN}
    assert plan["files"][-1] == host_files.PIN
    assert list(plan["empty"]) == [host_files.NOUVEAU] and plan["initramfs"] == [hosts.KERNEL] and not plan["grub"]
    assert plan["reboot"] == ["580.95.05 stays loaded until the host boots again"]
    assert not plan["daemon"]


def test_an_adopted_driver_stays_and_is_let_go():
    host = hosts.ubuntu(
        gpu=hosts.gpu(driver="570.1"), packages=hosts.listing(["nvidia-utils-570"], "570.1"), unit=hosts.UNIT
    )
    host = hosts.settle(host, driver_plan(host, hosts.SETTINGS), hosts.SETTINGS)
    plan = driver_removal(host, hosts.SETTINGS)
    assert (plan["purge"], plan["unhold"], plan["reboot"]) == ([], ["nvidia-utils-570"], [])
    assert plan["daemon"] and host_files.DROP_IN in plan["files"]


def test_boot_arguments_go_with_a_new_menu_and_a_reboot():
    host = installed(hosts.ubuntu(gpu=hosts.gpu(hosts.GH200)))
    plan = driver_removal(host, hosts.SETTINGS)
    assert plan["grub"] and set(plan["empty"]) == {host_files.NOUVEAU, host_files.COHERENT, host_files.GRUB}
    assert "the kernel was started with arguments that are taken back" in plan["reboot"]


def test_a_file_that_is_empty_already_still_goes_after_what_is_made_from_it():
    host = installed()
    for item in host["files"]:
        if item["path"] == host_files.NOUVEAU:
            item.update(hosts.file(item["path"], host_files.HEAD))
    plan = driver_removal(host, hosts.SETTINGS)
    assert plan["empty"] == {} and plan["initramfs"] == [hosts.KERNEL] and host_files.NOUVEAU in plan["files"]


def test_the_cuda_repository_goes_only_as_the_role_wrote_it():
    host = installed(source="cuda")
    (path,) = [item["path"] for item in host["files"] if "cuda" in item["path"]]
    key = "/usr/share/keyrings/cuda-archive-keyring.gpg"
    assert {path, key} <= set(driver_removal(host, hosts.SETTINGS)["files"])
    owned = {**host, "packages": host["packages"] + hosts.listing(["cuda-keyring"], "1.1-1")}
    assert key not in driver_removal(owned, hosts.SETTINGS)["files"]
    other = copy.deepcopy(host)
    for item in other["files"]:
        if item["path"] == path:
            item.update(hosts.file(path, "deb https://elsewhere.example/ /\n"))
    assert not {path, key} & set(driver_removal(other, hosts.SETTINGS)["files"])


def test_a_module_that_outlived_its_packages_still_asks_for_the_reboot():
    host = hosts.ubuntu(gpu=hosts.gpu(loaded="580.1", flavour="open"), files=[])
    assert driver_removal(host, hosts.SETTINGS)["reboot"]
    run_file = hosts.ubuntu(gpu=hosts.gpu(driver="580.1"), files=[])
    assert not driver_removal(run_file, hosts.SETTINGS)["needed"]


@given(
    st.sampled_from([hosts.A100, hosts.GH200]),
    st.sampled_from(["auto", "cuda"]),
    st.sampled_from([hosts.ubuntu, hosts.debian]),
    st.sampled_from([[], ["iommu=pt"]]),
)
def test_a_removal_that_was_carried_out_leaves_nothing_of_ours(profile, source, make, arguments):
    settings = {**hosts.SETTINGS, "source": source, "kernel_arguments": arguments}
    host = installed(make(gpu=hosts.gpu(profile)), source=source, kernel_arguments=arguments)
    plan = driver_removal(host, settings)
    assert plan["needed"]
    after = removed(host, plan)
    assert not driver_removal(after, settings)["needed"]
    assert not [item["path"] for item in after["files"] if "replatform" in item["path"]]
    assert "nvidia" not in after["packages"] + after["holds"]


def toolkit(**more):
    names = [toolkit_plan.PIN, toolkit_plan.LIST, toolkit_plan.KEY]
    files = [hosts.file(path, "x") for path in names]
    return {"packages": hosts.listing(TOOLKIT), "updates": 0, "holds": "\n".join(TOOLKIT), "files": files, **more}


def test_a_toolkit_of_ours_goes():
    plan = toolkit_removal(toolkit())
    assert plan["purge"] == plan["unhold"] == sorted(TOOLKIT)
    assert plan["files"] == [toolkit_plan.LIST, toolkit_plan.KEY, toolkit_plan.PIN]
    assert not toolkit_removal(toolkit(packages="", holds="", files=[]))["needed"]


def test_an_adopted_toolkit_stays_with_its_list():
    plan = toolkit_removal(toolkit(files=[hosts.file(toolkit_plan.LIST, "x")]))
    assert (plan["purge"], plan["files"], plan["unhold"]) == ([], [], sorted(TOOLKIT))


def test_packages_that_were_half_there_go_too():
    plan = toolkit_removal(toolkit(packages=f"{TOOLKIT[0]} iF  1\n{TOOLKIT[1]} rc  1\n"))
    assert plan["purge"] == [TOOLKIT[0]]
    assert plan["because"][0].startswith("dpkg was interrupted with nvidia-container-toolkit")


@pytest.mark.parametrize(
    "line", ["Purg nvidia-smi [535.1]", "Remv nvidia-smi [535.1]", "Purg nvidia-smi:amd64 [535.1]"]
)
def test_what_else_would_go_is_named(line):
    told = f"NOTE: This is only a simulation!\n{line}\nPurg cuda-runtime-12 [12.2]\n"
    (fault,) = purge_faults(told, ["nvidia-smi"])
    assert fault.startswith("cuda-runtime-12 would be removed too")
    assert purge_faults(line + "\n", ["nvidia-smi"]) == []


def test_what_nobody_asked_for_goes_with_what_it_needs():
    told = "Purg nvidia-smi [535]\nPurg glx-diversions:amd64 [1.2.2]\n"
    assert purge_faults(told, ["nvidia-smi"], "glx-diversions\nother\n") == []
    (fault,) = purge_faults(told, ["nvidia-smi"], "other\n")
    assert fault.startswith("glx-diversions would be removed too")
