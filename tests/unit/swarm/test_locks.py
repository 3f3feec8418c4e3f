"""Two runs of a module on one host: the second waits for the first, in one line if it waits in vain."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sophia.replatform.plugins.module_utils import operation
from ansible_collections.sophia.replatform.plugins.module_utils.swarm import client
from ansible_collections.sophia.replatform.plugins.modules import swarm_drain, swarm_gpu, swarm_leave, swarm_scale
from swarm_model import Swarm


@pytest.fixture
def said(tmp_path, monkeypatch, capfd):
    """What a module says while another run of it works for C(shop_web) or for any node; a Swarm without a leader answers it."""
    swarm = Swarm(3, [])
    swarm.silent = float("inf")
    monkeypatch.setattr(client, "connect", lambda params: swarm)
    monkeypatch.setattr(operation, "wait_while", lambda holds, seconds: {"waited_s": seconds if holds() else 0})

    def run(module, check=False, **given):
        monkeypatch.setattr(module, "LOCK", f"{tmp_path}/{module.LOCK.rpartition('/')[2]}")
        held = module.LOCK.format(service="shop_web")
        with operation.alone(held, 1), patch_module_args({**given, "_ansible_check_mode": check}), pytest.raises(
            SystemExit
        ):
            module.main()
        return json.loads(capfd.readouterr().out)["msg"]

    return run


@pytest.mark.parametrize(
    ("module", "given"),
    [
        (swarm_drain, {"node": "n2"}),
        (swarm_gpu, {"node": "n2"}),
        (swarm_scale, {"service": "shop_web", "replicas": 0}),
        (swarm_leave, {}),
    ],
)
def test_a_second_run_waits_for_the_first(said, module, given):
    assert "another run of the same operation" in said(module, **given)
    assert "does not have a leader" in said(module, check=True, **given)


def test_an_old_store_is_started_whatever_becomes_of_another(said):
    assert "does not have a leader" in said(swarm_scale, service="shop_postgres", replicas=1)
