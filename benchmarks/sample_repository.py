"""Makes the repository that benchmarks/repository.py measures: text as people write it, some pictures, and a cluttered root.

usage: sample_repository.py FOLDER FILES BYTES. The same content and commit ids every time; packed as a clone would be.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import typing as t

KINDS = (("py", "# "), ("md", "## "), ("ts", "// "), ("sh", "# "), ("yml", "# "), ("go", "// "))
SYLLABLES = ("ba", "ce", "di", "fo", "gu", "ha", "ke", "li", "mo", "nu", "pa", "re", "si", "to", "vu", "wa", "ze")
# One of each row is what the role's default rules call clutter; each name is there once.
CLUTTER = (
    "{name}_REPORT.md",
    "{name}_PLAN.md",
    "fix_{name}.py",
    "deploy_{name}.sh",
    "check_{name}.py",
    "{name}.py.backup",
    "{name}_SUMMARY.md",
    "docker-compose.{name}.yml",
)


def _phrases(dice: random.Random) -> list[str]:
    """Lines of code or prose that come again and again, as in any code base."""
    words = ["".join(dice.choices(SYLLABLES, k=dice.randint(1, 4))) for _ in range(6000)]
    return [" ".join(dice.choices(words, k=dice.randint(2, 9))) for _ in range(30000)]


def content(path: str, size: int, phrases: list[str]) -> bytes:
    """The content of one file, always the same for a path."""
    dice = random.Random(path)
    if path.endswith(".png"):
        return dice.randbytes(size)
    body = "\n".join(dice.choices(phrases, k=size // 35 + 1))
    return f"{path}\n{body}"[: size - 1].encode() + b"\n"


def clutter(files: int) -> list[str]:
    """The names in the root that rules would move."""
    return [CLUTTER[n % len(CLUTTER)].format(name=f"thing{n}") for n in range(min(files // 14, 400))]


def users(names: list[str]) -> dict[str, bytes]:
    """Files that use, or only mention, a part of the clutter."""
    used = names[::12]
    return {
        "docs/index.md": "".join(f"See [{name}](../{name}).\n" for name in used).encode(),
        "docs/mentions.txt": "".join(f"{name} was written by somebody\n" for name in names[5::12]).encode(),
        "scripts/all.sh": "".join(f"./{name}\n" for name in names[3::24]).encode(),
        ".github/workflows/ci.yml": (
            "on: push\njobs:\n  ci:\n    runs-on: ubuntu-latest\n    steps:\n"
            + "".join(f"      - run: python {name}\n" for name in names[2::48])
        ).encode(),
    }


def plan(files: int, size: int) -> t.Iterator[tuple[str, int]]:
    """Path and size of every file but the users."""
    dice = random.Random(files)
    names = [*clutter(files), "README.md", "LICENSE"]
    for n in range(files - len(names) - len(users(names))):
        kind = "png" if n % 60 == 7 else KINDS[n % len(KINDS)][0]
        folder = "/".join(f"{word}{n // step % 9}" for word, step in zip(("area", "part", "unit"), (2000, 200, 20)))
        names.append(f"{folder}/file{n}.{kind}")
    weights = [dice.lognormvariate(0, 1.2) for _ in names]
    scale = (size - 200 * len(names)) / sum(weights)
    for name, weight in zip(names, weights):
        yield name, int(weight * scale) + 200


def make(folder: str, files: int, size: int) -> None:
    """Three commits: most files, the rest and some changes, and a few changes more."""
    dice = random.Random(size)
    phrases = _phrases(dice)
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", "-b", "main", folder], env=env, check=True)
    git = ["git", "-C", folder, "-c", "gc.auto=0", "-c", "core.compression=1"]
    with subprocess.Popen([*git, "fast-import", "--quiet"], stdin=subprocess.PIPE, env=env) as importer:
        out = importer.stdin

        def blob(path: str, data: bytes) -> None:
            mode = "100755" if path.endswith(".sh") else "100644"
            out.write(f"M {mode} inline {path}\ndata {len(data)}\n".encode() + data + b"\n")

        def commit(number: int) -> None:
            who = f"committer bench <bench@example.com> {1_751_328_000 + number * 86400} +0000"
            out.write(f"commit refs/heads/main\n{who}\ndata 8\ncommit {number}\n".encode())

        planned = list(plan(files, size))
        later = {path for path, _size in planned if dice.random() < 0.2}
        changed = {path for path, _size in planned if dice.random() < 0.05}
        commit(1)
        for path, length in planned:
            if path not in later:
                blob(path, content(path, length, phrases))
        commit(2)
        for path, length in planned:
            if path in later:
                blob(path, content(path, length, phrases))
            elif path in changed:
                blob(path, content(path, length, phrases) + b"changed\n")
        commit(3)
        for path, data in users(clutter(files)).items():
            blob(path, data)
        out.write(b"done\n")
        out.close()
    if importer.returncode:
        raise SystemExit("git fast-import failed")
    for rest in (["gc", "-q"], ["reset", "-q", "--hard"]):
        subprocess.run([*git, *rest], env=env, check=True)


if __name__ == "__main__":
    make(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
