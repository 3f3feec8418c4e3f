"""Phase 1 on two repositories, against tar, git and grep by hand on the same files, as ratios of one run.

Each comparison is made in turns, so that what else the machine does meets both sides; the ratio is the median of the
turns'. Exits 1 when one is beyond its limit.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import typing as t
from dataclasses import dataclass, field

import yaml
from sample_repository import clutter

HERE = pathlib.Path(__file__).resolve().parent
PROJECT = HERE.parent
MEMORY_MB = 200
AUDIT_RATIO = 3.0
# What one does by hand; the other steps of the loop have no counterpart there.
COMPARED = ("backup", "verify", "move ", "edit", "stage", "commit")
# A module as Ansible runs it. At its end it says how much memory it took, and the largest git that it ran.
CHILD = """
import contextlib, importlib, json, resource, sys
from ansible.module_utils.testing import patch_module_args
name, given, peaks = sys.argv[1:]
with open(given, encoding="utf-8") as handle:
    args = json.load(handle)
module = importlib.import_module("ansible_collections.sophia.replatform.plugins.modules." + name)
try:
    with patch_module_args(args):
        module.main()
finally:
    with open(peaks, "w", encoding="utf-8") as handle:
        json.dump([resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)], handle)
"""


@dataclass(frozen=True)
class Size:
    """One repository, how often it is measured, and how many times the work by hand the module may take."""

    name: str
    files: int
    size: int
    runs: int
    ratio: float


SIZES = (Size("small", 2000, 17_000_000, 7, 2.0), Size("large", 26_000, 350_000_000, 3, 1.5))


@dataclass
class Row:
    """One comparison: what each side took in each turn."""

    name: str
    limit: float
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return statistics.median(ours / theirs for ours, theirs in zip(self.ours, self.theirs))

    def line(self) -> str:
        ours, theirs = statistics.median(self.ours), statistics.median(self.theirs)
        verdict = "" if not self.limit else "ok" if self.ratio <= self.limit else "OVER"
        limit = f"{self.limit:.2f}" if self.limit else ""
        return f"{self.name:42} {ours:9.2f} {theirs:9.2f} {self.unit:3} {self.ratio:6.2f} {limit:>6} {verdict}"


class Bench:
    """One repository and everything that is measured on it."""

    def __init__(self, work: pathlib.Path, size: Size) -> None:
        self.work = work
        self.size = size
        self.root = work / size.name
        self.names = clutter(size.files)
        defaults = yaml.safe_load((PROJECT / "roles/repository/defaults/main.yml").read_text(encoding="utf-8"))
        self.options = {"rules": defaults["repository_rules"], "protected": defaults["repository_protected_always"]}
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "PYTHONPATH": str(PROJECT / "collections"),
        }
        self.peaks = [0, 0]
        self.moved: list[str] = []
        self.steps: dict[str, list[float]] = {}

    def make(self) -> None:
        if not self.root.exists():
            script = HERE / "sample_repository.py"
            subprocess.run([sys.executable, script, self.root, str(self.size.files), str(self.size.size)], check=True)

    def timed(self, *command: str, status: int = 0, output: t.Any = subprocess.DEVNULL) -> float:
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=self.root, env=self.env, check=False, stdout=output, stderr=subprocess.PIPE)
        took = time.perf_counter() - begin
        if done.returncode != status:
            raise SystemExit(f"{' '.join(command)[:300]}: {done.stderr.decode('utf-8', 'replace')[-2000:]}")
        return took

    def git(self, *args: str, output: t.Any = subprocess.DEVNULL) -> float:
        who = ("-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0")
        return self.timed("git", *who, *args, output=output)

    def fresh(self) -> None:
        """The repository as it was made, with everything in the page cache."""
        self.git("switch", "-q", "-f", "main")
        self.git("reset", "-q", "--hard", "start")
        self.git("clean", "-q", "-ffdx")
        with contextlib.suppress(SystemExit):
            self.git("branch", "-q", "-D", "replatform-archive")
        shutil.rmtree(self.root / ".git" / "replatform", ignore_errors=True)
        for name in ("backups", "by-hand.tar.zst", "journal.jsonl"):
            path = self.work / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.git("status")
        self.timed("tar", "-cf", "/dev/null", ".")
        self.timed("sh", "-c", "cat .git/objects/pack/*")

    def module(self, name: str, path: pathlib.Path, status: int = 0, **args: t.Any) -> float:
        given, peaks, said = (self.work / file for file in ("args.json", "peaks.json", "said.json"))
        given.write_text(json.dumps({"path": str(path), **self.options, **args}), encoding="utf-8")
        with said.open("w") as output:
            command = (sys.executable, "-c", CHILD, name, str(given), str(peaks))
            try:
                took = self.timed(*command, status=status, output=output)
            except SystemExit as exc:
                raise SystemExit(f"{exc} {said.read_text(encoding='utf-8')[-2000:]}") from exc
        if not status:
            found = json.loads(peaks.read_text(encoding="utf-8"))
            self.peaks = [max(pair) for pair in zip(self.peaks, found)]
        return took

    def start(self, name: str, **args: t.Any) -> float:
        """The module in a folder that is no repository: Python's start and the imports."""
        empty = self.work / "empty"
        empty.mkdir(exist_ok=True)
        return self.module(name, empty, 1, **args)

    def archive(self) -> tuple[float, float, float]:
        """The time of the steps that are compared, and the time and processor time of the whole beyond its start."""
        self.fresh()
        journal = self.work / "journal.jsonl"
        args = {"backup_path": str(self.work / "backups"), "journal": str(journal)}
        before = processor_time()
        whole = self.module("repo_archive", self.root, **args)
        between = processor_time()
        start = self.start("repo_archive", **args)
        busy = 2 * between - before - processor_time()
        listed = self.work / "moved"
        with listed.open("wb") as output:
            only = ("-r", "-z", "--no-renames", "--diff-filter=D", "--name-only")
            self.git("diff-tree", *only, "start", "HEAD", output=output)
        self.moved = listed.read_text(encoding="utf-8").split("\0")[:-1]
        compared = 0.0
        for name, took in step_times(journal):
            self.steps.setdefault(name.split(" ", 1)[0], []).append(took)
            compared += took if name.startswith(COMPARED) else 0
        return compared, whole - start, busy

    def by_hand(self) -> tuple[float, float]:
        """The time and processor time of tar, its comparison, one git mv and one commit."""
        self.fresh()
        tar = str(self.work / "by-hand.tar.zst")
        (self.root / "archive").mkdir()
        before = processor_time()
        took = self.timed("tar", "--zstd", "-cf", tar, "--exclude=./.git", ".")
        took += self.timed("tar", "--compare", "--zstd", "-f", tar)
        took += self.git("mv", *self.moved, "archive")
        took += self.git("commit", "-q", "-m", "by hand")
        return took, processor_time() - before

    def audit(self) -> float:
        return self.module("repo_audit", self.root) - self.start("repo_audit")

    def grep(self) -> float:
        names = self.work / "names"
        names.write_text("\n".join(self.names) + "\n", encoding="utf-8")
        return self.git("grep", "-n", "-F", "-f", str(names))

    def measure(self) -> list[Row]:
        self.make()
        self.git("tag", "-f", "start", "main")
        steps = Row(f"{self.size.name}: archive, its steps / by hand", self.size.ratio)
        whole = Row(f"{self.size.name}: archive, whole module / by hand", 0)
        busy = Row(f"{self.size.name}: the same, processor time", 0)
        audit = Row(f"{self.size.name}: audit / git grep -F", AUDIT_RATIO)
        for turn in range(self.size.runs):
            # Who is first changes from turn to turn; the first of all says what it moved.
            hand = self.by_hand() if turn % 2 else None
            compared, took, spent = self.archive()
            by_hand, hand_spent = hand or self.by_hand()
            for row, ours, theirs in ((steps, compared, by_hand), (whole, took, by_hand), (busy, spent, hand_spent)):
                row.ours.append(ours)
                row.theirs.append(theirs)
        self.fresh()
        for turn in range(self.size.runs):
            theirs = self.grep() if turn % 2 else 0.0
            audit.ours.append(self.audit())
            audit.theirs.append(theirs or self.grep())
        peak, git = (kib / 1024 for kib in self.peaks)
        memory = Row(f"{self.size.name}: peak memory / limit", 1.0, [peak], [MEMORY_MB], "MB")
        told = ", ".join(f"{name} {statistics.median(took):.2f}" for name, took in self.steps.items())
        print(
            f"{self.size.name}: {len(self.moved)} files moved; steps in s: {told}; largest git {git:.0f} MB", flush=True
        )
        return [steps, whole, busy, audit, memory]


def processor_time() -> float:
    """Seconds that processors have spent on the programs that were run."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def step_times(journal: pathlib.Path) -> t.Iterator[tuple[str, float]]:
    """Name and seconds of each step in a journal."""
    begun: dict[str, datetime.datetime] = {}
    for line in journal.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        at = datetime.datetime.fromisoformat(record["time"].replace("Z", "+00:00"))
        if record["event"] == "start":
            begun[record["step"]] = at
        elif record["event"] == "ok":
            yield record["step"], (at - begun.pop(record["step"])).total_seconds()


def main() -> int:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[size.name for size in SIZES], help="one of the two repositories")
    parser.add_argument("--folder", type=pathlib.Path, help="keep the repositories here, and take those that are here")
    given = parser.parse_args()
    sizes = [size for size in SIZES if given.only in (None, size.name)]
    with contextlib.ExitStack() as stack:
        work = given.folder or pathlib.Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="replatform-bench-"))
        )
        work = work.resolve()
        if work.is_relative_to(PROJECT):
            raise SystemExit(f"{work} is inside the project: set TMPDIR, or --folder, to a folder outside it")
        work.mkdir(exist_ok=True)
        # The tree, its history, one backup, and git's work while it packs.
        need = 4 * sum(size.size for size in sizes)
        if shutil.disk_usage(work).free < need:
            raise SystemExit(f"{work} has less than {need >> 20} MB left: set TMPDIR, or --folder, to another disk")
        rows = [row for size in sizes for row in Bench(work, size).measure()]
    print(f"{'':42} {'ours':>9} {'theirs':>9} {'':3} {'ratio':>6} {'limit':>6}")
    for row in rows:
        print(row.line())
    return int(any(row.limit and row.ratio > row.limit for row in rows))


if __name__ == "__main__":
    sys.exit(main())
