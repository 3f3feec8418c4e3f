# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

import os

import pytest
from ansible_collections.sophia.replatform.plugins.module_utils.errors import RefusedError, ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository import ledger
from ansible_collections.sophia.replatform.plugins.module_utils.repository import survey as module
from ansible_collections.sophia.replatform.plugins.module_utils.repository.contents import look_inside
from ansible_collections.sophia.replatform.plugins.module_utils.repository.git import Git
from ansible_collections.sophia.replatform.plugins.module_utils.repository.model import Intent, Move
from ansible_collections.sophia.replatform.plugins.module_utils.repository.rules import Classifier, parse_rules

from .conftest import PROTECTED, RULES

OPTIONS = {
    "rules": RULES,
    "categories": {rule["category"]: "a kind" for rule in RULES},
    "protected": PROTECTED,
    "protected_days": 0,
    "strict": False,
}


def look(sandbox, state="organised", **options):
    git = Git(str(sandbox.root))
    classifier = module.classifier_for(git.root, {**OPTIONS, **options})
    return module.survey(git, classifier, Intent(state), *module.listing(git))


def inside(sandbox, **options):
    return look_inside(Git(str(sandbox.root)), look(sandbox, **options))


def sources(seen):
    return {move.source for move in seen.plan.moves}


# The look that a plan is made from


def test_a_survey_plans_from_what_it_saw(sandbox):
    seen = look(sandbox)
    assert sources(seen) == {
        "a.old",
        "name with spaces.old",
        "deploy_it.sh",
        "lib/deep/c.old",
        "lib/memory.py.old",
        "only/one_deprecated.txt",
    }
    assert seen.look.links == {"link": "README.md"}
    assert seen.verdicts["README.md"].outcome == "protected"


def test_its_print_changes_when_a_file_does(sandbox):
    before = look(sandbox).print
    assert look(sandbox).print == before
    sandbox.write("lib/keep.py", "x = 2\n")
    assert look(sandbox).print != before


def test_links_that_git_does_not_track_are_seen_too(sandbox):
    os.symlink("a.old", sandbox.root / "untracked")
    assert look(sandbox).look.links == {"link": "README.md", "untracked": "a.old"}


def test_folders_on_the_way_that_are_links_are_seen(sandbox):
    os.symlink("lib", sandbox.root / "archive")
    assert look(sandbox).look.through == {"archive"}


def test_scripts_that_stay_in_use_are_asked_what_they_find_by_their_place(sandbox):
    sandbox.write("deploy_all.sh", '#!/bin/sh\n"$(dirname "$0")/deploy_it.sh"\n')
    sandbox.write("call.old", '#!/bin/sh\n"$(dirname "$0")/deploy_it.sh"\n')
    sandbox.commit()
    assert list(look(sandbox).look.by_place) == ["deploy_all.sh"]


def test_files_that_git_would_convert_differently_are_seen(sandbox):
    sandbox.write(".gitattributes", "/a.old text eol=crlf\n*.backup text\n")
    assert look(sandbox).look.recoded == {"a.old"}


def test_changes_that_are_not_staged_are_seen(sandbox):
    sandbox.write("lib/keep.py", "x = 2\n")
    assert look(sandbox).look.dirty == {"lib/keep.py"}


def test_it_reads_whole_files_and_no_other_things(sandbox):
    large = b"\0" * (module.SEARCHED_BYTES + 1)
    sandbox.write("large", large)
    os.mkfifo(sandbox.root / "pipe")
    read = look(sandbox).look.read
    assert read("large") == large
    assert [read(path) for path in ("link", "lib", "absent", "pipe")] == [None] * 4


def test_only_files_that_hold_a_name_are_searched(sandbox, monkeypatch):
    sandbox.write("docs/how.md", "run deploy_it.sh\n")
    sandbox.write("docs/other.md", "run nothing\n")
    sandbox.write("archive/how.md", "run deploy_it.sh\n")
    searched = []
    whole = module.find_references
    monkeypatch.setattr(
        module, "find_references", lambda targets, users, *rest: searched.extend(users) or whole(targets, users, *rest)
    )
    assert [one.user for one in look(sandbox).references["deploy_it.sh"]] == ["docs/how.md"]
    assert "docs/how.md" in searched
    assert not {"docs/other.md", "archive/how.md"} & set(searched)


def test_what_is_large_or_binary_names_nothing(sandbox):
    sandbox.write("docs/large.md", "deploy_it.sh\n" + "x" * module.SEARCHED_BYTES)
    sandbox.write("docs/binary.md", b"deploy_it.sh\n\0")
    assert "deploy_it.sh" not in look(sandbox).references


def test_nothing_is_planned_where_files_are_to_be_restored(sandbox):
    seen = look(sandbox, state="restored", strict=True)
    assert (seen.plan.moves, seen.plan.root_before, seen.plan.root_after) == ((), 5, 5)


def test_a_pattern_that_matches_nothing_is_refused_when_strict(sandbox):
    with pytest.raises(RefusedError, match=r"rule 1 \(backups\): pattern '\*.backup' matches nothing"):
        look(sandbox, strict=True)
    sandbox.write("x.backup", "x\n")
    assert look(sandbox, strict=True).plan.moves


# The classifier that options ask for


def test_what_recent_commits_changed_stays(sandbox):
    assert "a.old" not in sources(look(sandbox, protected_days=2))
    assert "a.old" in sources(look(sandbox))


def test_options_at_fault_are_refused(sandbox, tmp_path):
    root = str(sandbox.root)
    with pytest.raises(RefusedError, match="is not a folder"):
        module.classifier_for(str(tmp_path / "absent"), OPTIONS)
    with pytest.raises(RefusedError, match="is a folder inside the repository"):
        module.classifier_for(root + "/lib", OPTIONS)
    with pytest.raises(ReplatformError, match=r"rule 1 \(backups\) has a category"):
        module.classifier_for(root, {**OPTIONS, "categories": {}})
    with pytest.raises(ReplatformError, match="repository_protected: pattern 1 is empty"):
        module.classifier_for(root, {**OPTIONS, "protected": [""]})


# What is inside


def test_duplicates_are_found_by_content(sandbox):
    for path in ("one.txt", "two.txt", "changed.txt", "empty1", "empty2"):
        sandbox.write(path, "" if path.startswith("empty") else "the same content\n")
    sandbox.commit()
    sandbox.write("changed.txt", "the SAME content\n")
    sandbox.write("untracked one.txt", "the same content\n")
    sandbox.write("untracked two.txt", "the SAME content\n")
    assert inside(sandbox).duplicates == [
        (17, ["one.txt", "two.txt", "untracked one.txt"]),
        (17, ["changed.txt", "untracked two.txt"]),
    ]


def test_links_are_told_by_where_they_lead(sandbox, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name, text in {
        "lib/up": "../README.md",
        "lib/folder": "deep",
        "absolute": str(sandbox.root / "README.md"),
        "out": "../elsewhere",
        "lib/out": "../../elsewhere",
        "nowhere": "absent",
        "loop": "loop",
        "by way of": "out/.",
    }.items():
        os.symlink(text, sandbox.root / name)
    assert inside(sandbox).links == {
        "link": "inside",
        "lib/up": "inside",
        "lib/folder": "inside",
        "absolute": "outside",
        "out": "outside",
        "lib/out": "outside",
        "nowhere": "dangling",
        "loop": "dangling",
        "by way of": "outside",
    }


def test_executables_submodules_and_nested_repositories_are_told(sandbox):
    sandbox.write("run me", "x")
    os.chmod(sandbox.root / "run me", 0o755)
    for name in ("module", "nested"):
        sandbox.write(f"{name}/file", "x")
        sandbox.git("init", "-q", name)
        sandbox.git("-C", name, "add", "-A")
        sandbox.git("-C", name, "commit", "-q", "-m", "x")
    sandbox.git("add", "module")
    seen = inside(sandbox)
    assert seen.executables == {"deploy_it.sh", "run me"}
    assert (seen.submodules, seen.nested) == (["module"], ["nested/"])


def moved(sandbox, outcome, *paths):
    """A ledger of a run that moved these paths."""
    path = ledger.ledger_path(Git(str(sandbox.root)).state_folder())
    os.makedirs(os.path.dirname(path), exist_ok=True)
    moves = [Move(one, f"archive/x/{one}", "x", "r", "100644", "0" * 40) for one in paths]
    ledger.write_ledger(path, {"id": "r", "number": ledger.next_number(path), "phase": "repository"}, moves, [])
    ledger.append_event(path, "closed", outcome=outcome)


def test_a_reference_to_what_a_run_took_away_is_broken(sandbox):
    sandbox.write("Makefile", "all:\n\t./gone.sh\n\t./there.sh\n\t./other.sh\n\t./deploy_it.sh\n")
    sandbox.write("archive/Makefile", "all:\n\t./gone.sh\n")
    sandbox.write("docs/how.md", "somebody said gone.sh\n")
    sandbox.write("there.sh", "#!/bin/sh\n")
    sandbox.commit()
    assert inside(sandbox).broken == []
    moved(sandbox, "organised", "gone.sh", "there.sh")
    moved(sandbox, "abandoned", "other.sh")
    [found] = inside(sandbox).broken
    assert (found.target, found.user, found.line) == ("gone.sh", "Makefile", 2)


def test_classifiers_without_rules_match_nothing():
    assert Classifier(parse_rules([]), []).classify("a.old").outcome == "keep"
