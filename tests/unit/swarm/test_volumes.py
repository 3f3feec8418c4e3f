"""A volume as one Engine tells it."""

from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import volumes

# As GET /volumes gives them (Engine 20.10).
LOCAL = {
    "CreatedAt": "2026-11-23T10:15:00Z",
    "Driver": "local",
    "Labels": {"com.docker.stack.namespace": "shop"},
    "Name": "shop_wiki",
    "Options": None,
    "Scope": "local",
}
NFS = {**LOCAL, "Name": "shop_share", "Options": {"type": "nfs", "o": "addr=192.0.2.9", "device": ":/export"}}


class Engine:
    def __init__(self, *found):
        self.found = found

    def volumes(self, filters):
        # The filter takes parts of names.
        return {"Volumes": [one for one in self.found if filters["name"] in one["Name"]] or None, "Warnings": None}


def test_a_volume_with_files(tmp_path):
    (tmp_path / "page").touch()
    engine = Engine({**LOCAL, "Name": "shop_wiki_old"}, {**LOCAL, "Mountpoint": str(tmp_path)})
    assert volumes.look(engine, "shop_wiki") == {
        "exists": True,
        "driver": "local",
        "device": "",
        "path": str(tmp_path),
        "entries": 1,
    }


def test_one_that_is_mounted_from_elsewhere_and_can_not_be_listed():
    found = volumes.look(Engine({**NFS, "Mountpoint": "/none/here"}), "shop_share")
    assert (found["device"], found["entries"]) == (":/export", 0)


@pytest.mark.parametrize("name", ["shop_wik", "shop_wiki_old"])
def test_one_that_is_not_there(name):
    assert not volumes.look(Engine({**LOCAL, "Mountpoint": "/x"}), name)["exists"]
