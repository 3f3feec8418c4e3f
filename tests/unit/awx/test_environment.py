"""The execution environment's context is made, not built; and a playbook runs under ansible-runner, as AWX runs it."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys

import awx_data
import pytest
import yaml

ROOT = awx_data.ROOT
BIN = pathlib.Path(sys.executable).parent


def _run(*command: str) -> str:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_context_holds_the_lock_file_and_installs_by_its_hashes(tmp_path: pathlib.Path) -> None:
    _run("ansible-builder", "create", "-f", "execution-environment.yml", "-c", str(tmp_path))
    (container_file,) = (path for path in tmp_path.iterdir() if path.is_file())  # its name is the container runtime's
    text = container_file.read_text()
    assert "pip install --no-cache-dir --require-hashes -r /tmp/run.txt" in text
    assert (tmp_path / "_build/locked/run.txt").read_text() == (ROOT / "requirements/run.txt").read_text()
    assert (tmp_path / "_build/bindep.txt").read_text() == (ROOT / "meta/bindep.txt").read_text()


def test_the_runner_is_the_one_that_is_tested_here() -> None:
    wanted = yaml.safe_load((ROOT / "execution-environment.yml").read_text())["dependencies"]["ansible_runner"][
        "package_pip"
    ]
    assert f"\n{wanted} " in (ROOT / "requirements/dev.txt").read_text()


def test_the_collection_tells_a_builder_what_it_needs() -> None:
    said = {
        line.strip("- '").partition("  # from")[0]
        for line in _run("ansible-builder", "introspect", "collections").splitlines()
        if line.rstrip("'").endswith("# from collection sophia.replatform")
    }
    lines = (ROOT / "requirements/run.in").read_text().splitlines() + (
        ROOT / "meta/bindep.txt"
    ).read_text().splitlines()
    wanted = {line for line in lines if line and not line.startswith(("#", "ansible>"))}  # a builder has Ansible
    assert said == wanted
    assert "docker>=7" in said


def _preflight(folder: pathlib.Path, *options: str) -> str:
    return _run(
        *("ansible-runner", "run", str(folder), "-p", "preflight.yml", "--project-dir", str(ROOT / "playbooks")),
        *(
            "--inventory",
            str(ROOT / "inventories/production"),
            "--cmdline",
            "-e preflight_contact_hosts=false",
            *options,
        ),
    )


def test_a_playbook_runs_under_ansible_runner(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    _preflight(tmp_path)
    assert [path.read_text() for path in tmp_path.glob("artifacts/*/rc")] == ["0"]


@pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not here")
def test_a_playbook_runs_under_ansible_runner_isolated(tmp_path: pathlib.Path) -> None:
    images = subprocess.run(["podman", "image", "exists", "localhost/sophia-replatform-ee:latest"], check=False)
    if images.returncode:
        pytest.skip("the execution environment's image is not built here")
    _preflight(
        tmp_path,
        "--process-isolation",
        "--process-isolation-executable",
        "podman",
        "--container-image",
        "localhost/sophia-replatform-ee:latest",
    )
