"""Mounts as the kernel tells them, and what of them is a writer."""

from __future__ import annotations

import os

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import volume_writers
from ansible_collections.sophia.replatform.plugins.module_utils.handover.volume_writers import Mount

HOST = r"""22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 254:16 / /var/lib/docker rw,relatime shared:2 - xfs /dev/vdb rw
31 30 0:55 / /srv/with\040space rw - tmpfs tmpfs rw
"""
DATA = "/var/lib/docker/volumes/wiki/_data"
SEEN = "90 80 254:16 /volumes/wiki/_data /data {} - xfs /dev/vdb rw\n"
BELOW = "90 80 254:16 /volumes/wiki/_data/sub /data rw - xfs /dev/vdb rw\n"
BESIDE = "90 80 254:16 /volumes/wiki/_data2 /data rw - xfs /dev/vdb rw\n"
OTHER_DISK = "90 80 254:0 /volumes/wiki/_data /data rw - ext4 /dev/vda rw\n"
WHOLE_DISK = "90 80 254:16 / /var/lib/docker rw - xfs /dev/vdb rw\n"
INHERITED = "90 80 254:16 /volumes/wiki/_data /var/lib/docker/volumes/wiki/_data rw - xfs /dev/vdb rw\n"


def test_where_a_folder_lies_on_its_disk():
    mounts = volume_writers.parse_mounts(HOST)
    assert mounts[2] == Mount("0:55", "/", "/srv/with space", True)
    assert volume_writers.place(DATA, mounts) == ("254:16", "/volumes/wiki/_data")
    assert volume_writers.place("/srv/else", mounts) == ("254:0", "/srv/else")
    with pytest.raises(ReplatformError, match="is on no mount"):
        volume_writers.place(DATA, mounts[1:2] and [mounts[2]])


def a_proc(folder, mounts, host=HOST):
    """A /proc with this process, one beside it, one in a namespace of its own that has O(mounts), and one that is ending."""
    for pid, space, text, name in ((1, "m:[1]", host, "init"), (7, "m:[2]", mounts, "wiki"), (8, "m:[2]", "", "gone")):
        (folder / str(pid) / "ns").mkdir(parents=True)
        os.symlink(space, folder / str(pid) / "ns" / "mnt")
        (folder / str(pid) / "mountinfo").write_text(text)
        (folder / str(pid) / "comm").write_text(f"{name}\n")
    (folder / "9").mkdir()
    (folder / "self").symlink_to("1")
    return str(folder)


@pytest.mark.parametrize(
    ("mounts", "writes"),
    [
        (SEEN.format("rw,relatime"), True),
        (SEEN.format("ro,relatime"), False),
        (BELOW, True),
        (BESIDE, False),
        (OTHER_DISK, False),
        (WHOLE_DISK, False),
    ],
)
def test_who_writes(tmp_path, mounts, writes):
    found = volume_writers.writers(DATA, a_proc(tmp_path, HOST + mounts))
    assert found == (("wiki (process 7)",) if writes else ())


def test_a_mount_that_a_service_of_the_host_has_inherited_is_no_writer(tmp_path):
    proc = a_proc(tmp_path, HOST + INHERITED, host=HOST + INHERITED)
    assert volume_writers.writers(DATA, proc) == ()
