from __future__ import annotations

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.gpu.runtime import (
    found_runtimes,
    known_runtimes,
    runtime_stale,
)

# As K3s writes it: for containerd 1.7, and for containerd 2 (since v1.31.6 and v1.32.2).
V2 = """\
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
\tSystemdCgroup = true

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes."nvidia"]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes."nvidia".options]
  BinaryName = "/usr/bin/nvidia-container-runtime"
  SystemdCgroup = true
"""
V3 = """\
version = 3
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia']
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia'.options]
  BinaryName = "/usr/bin/nvidia-container-runtime"
  SystemdCgroup = true

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia-cdi']
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.'nvidia-cdi'.options]
  BinaryName = "/usr/bin/nvidia-container-runtime.cdi"

[plugins.'io.containerd.cri.v1.images'.registry]
  BinaryName = "not a runtime's"
"""
BARE = (
    "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n  SystemdCgroup = true\n"
)
PACKAGED = [
    "/usr/bin/nvidia-container-runtime",
    "/usr/bin/nvidia-container-runtime.cdi",
    "/usr/bin/nvidia-container-runtime-hook",
]


def test_what_k3s_knows():
    assert known_runtimes(V2) == {"nvidia": "/usr/bin/nvidia-container-runtime"}
    assert known_runtimes(V3) == {
        "nvidia": "/usr/bin/nvidia-container-runtime",
        "nvidia-cdi": "/usr/bin/nvidia-container-runtime.cdi",
    }
    assert known_runtimes(BARE) == known_runtimes("") == {}


def test_the_gpu_operators_folder_comes_first():
    found = found_runtimes([*PACKAGED, "/usr/local/nvidia/toolkit/nvidia-container-runtime"])
    assert found["nvidia"] == "/usr/local/nvidia/toolkit/nvidia-container-runtime"
    assert found["nvidia-cdi"] == "/usr/bin/nvidia-container-runtime.cdi"


@pytest.mark.parametrize("config", [V2, V3])
def test_a_k3s_that_knows_the_runtime_is_left_alone(config):
    assert runtime_stale(config, PACKAGED) == ""


@pytest.mark.parametrize("config", [BARE, ""])
def test_a_toolkit_that_is_new_to_k3s(config):
    assert (
        runtime_stale(config, PACKAGED) == "K3s does not know the runtime nvidia at /usr/bin/nvidia-container-runtime"
    )


def test_a_toolkit_that_has_moved_or_gone():
    moved = ["/usr/local/nvidia/toolkit/nvidia-container-runtime"]
    assert "and it is at /usr/local/nvidia/toolkit" in runtime_stale(V2, moved)
    assert "and it is at no place" in runtime_stale(V2, [])


def test_without_a_toolkit_there_is_nothing_to_see():
    assert runtime_stale(BARE, ["/usr/bin/runc"]) == ""


def test_an_older_k3s_that_does_not_look_for_cdi_is_not_started_again_for_ever():
    assert runtime_stale(V2, PACKAGED) == ""
