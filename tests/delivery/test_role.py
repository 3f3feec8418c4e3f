# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role in real plays, on a checkout of its own."""

from __future__ import annotations

import json
import pathlib

import pytest
import sample
from render import play, plays

WORKFLOW = ".github/workflows/unified-deployment.yml"
MANIFEST = ".replatform/delivery.manifest.json"


def look(root: pathlib.Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts[:1]
    }


def sound(played):
    assert not played.failed, played.said[-3000:]
    return played


@pytest.mark.slow
def test_there_and_back(checkout):
    flux = {
        **sample.FLUX,
        "delivery_environments": {"production": sample.SETTINGS["delivery_environments"]["production"]},
    }
    before = look(checkout)
    forecast = sound(play(checkout, "--check", "--diff", **flux))
    assert look(checkout) == before and sample.git(checkout, "branch", "--list", "migration") == ""
    assert f"+++ after: {checkout / WORKFLOW}" in forecast.said and "+  deploy:" in forecast.said

    sound(play(checkout, **flux))
    after = look(checkout)
    assert sample.git(checkout, "status", "--porcelain") == ""
    assert sample.git(checkout, "log", "--format=%s", "main..migration").splitlines() == [
        "Deliver by one workflow",
        "Archive the workflows that the unified deployment replaces",
    ]
    written = set(json.loads(after[MANIFEST])["files"])
    assert written | {MANIFEST, "archive/README.md", "archive/manifest.json"} == {
        path for path in set(after) - set(before) if not path.startswith("archive/workflows/")
    }
    assert all(f"+++ after: {checkout / path}" in forecast.said for path in written)
    assert b"still there: link README.md:3 uses it" in after["docs/archived-workflows.md"]

    assert sound(play(checkout, **flux)).changed == 0 and look(checkout) == after

    # Without Flux, its objects go; the rest stays as it is.
    sound(play(checkout, **{**flux, "delivery_flux": False}))
    left = look(checkout)
    assert not (checkout / "gitops").exists()
    assert {path for path in after if not path.startswith("gitops/")} == set(left)

    hand = checkout / "scripts/validation/requirements.txt"
    hand.write_text("mine\n")
    sample.git(checkout, "commit", "--quiet", "--all", "--message=Mine")
    gone = sound(play(checkout, delivery_state="absent"))
    assert "scripts/validation/requirements.txt stays: it was changed since this role wrote it" in gone.said
    assert look(checkout) == {**before, "scripts/validation/requirements.txt": b"mine\n"}
    assert sound(play(checkout, delivery_state="absent")).changed == 0
    assert sample.git(checkout, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_run_that_was_cut_off_is_finished_and_a_new_chart_is_committed(checkout):
    sound(play(checkout))
    whole = look(checkout)
    sample.git(checkout, "reset", "--quiet", "--mixed", "HEAD^")
    for path in (WORKFLOW, "scripts/validation/delivery_data.py"):
        (checkout / path).unlink()
    extra = {"chart/templates/new.yaml": "# new\n", "elsewhere.txt": "mine\n"}
    sample.write(checkout, extra)
    sound(play(checkout, delivery_commit_chart=True))
    assert look(checkout) == {**whole, **{path: text.encode() for path, text in extra.items()}}
    log = sample.git(checkout, "log", "--format=%s", "main..migration").splitlines()
    assert log[:2] == ["Deliver by one workflow", "Keep the chart as it is deployed"] and len(log) == 3
    assert sample.git(checkout, "show", "--format=", "--name-only", "HEAD^").split() == ["chart/templates/new.yaml"]

    # Merged, and then the chart alone is another one: it is the branch that gets it.
    sample.git(checkout, "checkout", "--quiet", "-B", "main")
    sample.write(checkout, {"chart/templates/new.yaml": "# newer\n"})
    sound(play(checkout, delivery_commit_chart=True))
    assert sample.git(checkout, "log", "--format=%s", "main..migration") == "Keep the chart as it is deployed\n"
    assert sample.git(checkout, "status", "--porcelain") == "?? elsewhere.txt\n"

    # Taken back, and once more with yet another chart, beside which no workflow would be archived.
    sound(play(checkout, delivery_state="absent"))
    sample.git(checkout, "checkout", "--quiet", "-B", "main")
    sample.write(checkout, {"chart/templates/new.yaml": "# newest\n"})
    forecast = sound(play(checkout, "--check", "--diff", delivery_commit_chart=True))
    assert f"+++ after: {checkout / WORKFLOW}" in forecast.said
    sound(play(checkout, delivery_commit_chart=True, delivery_chart="chart/"))
    assert "Keep the chart as it is deployed\n" in sample.git(checkout, "log", "--format=%s", "main..migration")
    assert sample.git(checkout, "status", "--porcelain") == "?? elsewhere.txt\n"


def foreign(root):
    (root / WORKFLOW).write_text("mine\n")


def linked(root):
    (root / "elsewhere").mkdir()
    (root / "scripts").symlink_to("elsewhere")


def moved_on(root):
    sample.git(root, "branch", "migration")
    sample.git(root, "commit", "--quiet", "--allow-empty", "--message=More")


def detached(root):
    sample.git(root, "checkout", "--quiet", "--detach")


def strange(root):
    sample.write(root, {MANIFEST: "[]"})


REFUSED = {
    "foreign": (foreign, {}, f"delivery_repository: {WORKFLOW} is there and is not this role's"),
    "linked": (linked, {}, "would be written through the link scripts"),
    "moved_on": (moved_on, {}, "delivery_branch: migration is not checked out"),
    "detached": (detached, {}, "delivery_branch: migration is not checked out"),
    "strange": (strange, {}, f"{MANIFEST} was not made by this role"),
    "chart": (None, {"delivery_chart": "$(id)"}, "delivery_chart is '$(id)': give a path in the repository"),
    "in_use": (
        None,
        {"delivery_on_reference": "fail", "delivery_archive": sample.SETTINGS["delivery_archive"]},
        "these are in use",
    ),
}


def test_what_is_refused_changes_nothing(tmp_path):
    roots, before = {}, {}
    for name, (prepare, _more, _said) in REFUSED.items():
        roots[name] = sample.repository(tmp_path / name / "repository")
        if prepare:
            prepare(roots[name])
        before[name] = look(roots[name])
    played = plays(
        tmp_path,
        {name: (roots[name], {"delivery_archive": [], **more}) for name, (_why, more, _line) in REFUSED.items()},
    )
    for name, (_prepare, _more, said) in REFUSED.items():
        assert played[name].failed and said in " ".join(played[name].said.split()), (name, played[name].said)
        assert look(roots[name]) == before[name], name
