#!/usr/bin/env python3
"""Waits until a journal gets one of some records, and then does something to the run that writes it.

usage: at.py JOURNAL LOCK kill|hold|tell "STEP EVENT"...

    kill    kills the process that holds LOCK
    hold    locks the journal until its own input ends. It waits until the run wants to write the next record: that run has read and decided
            then, and has not acted.
    tell    nothing

It prints C(watching), and then which record it was. It leaves when its input ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pathlib
import select
import signal
import sys
import typing as t


def left_alone() -> bool:
    """Whether the input has ended; looks for a millisecond."""
    return bool(select.select([sys.stdin], [], [], 0.001)[0])


def processes(path: str, waiting: bool = False) -> list[int]:
    """Those that have a lock on the file, or wait for one."""
    stat = os.stat(path)
    file = f"{os.major(stat.st_dev):02x}:{os.minor(stat.st_dev):02x}:{stat.st_ino}"
    lines = [line.split() for line in pathlib.Path("/proc/locks").read_text().splitlines()]
    return [int(words[words.index(file) - 1]) for words in lines if file in words and ("->" in words) == waiting]


def records(journal: t.TextIO) -> t.Iterator[str]:
    """Step and event of each record that is appended from now on."""
    journal.seek(0, os.SEEK_END)
    print("watching", flush=True)
    begun = ""
    while not left_alone():
        begun += journal.readline()
        if begun.endswith("\n"):
            record, begun = json.loads(begun), ""
            yield f"{record['step']} {record['event']}"


def kill(lock: str) -> bool:
    """Whether somebody held the lock and has been killed."""
    killed = False
    for process in processes(lock):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
            killed = True
    return killed


def hold(journal: t.TextIO) -> bool:
    """Whether the run now waits for the journal."""
    fcntl.flock(journal, fcntl.LOCK_EX)
    while not processes(journal.name, waiting=True):
        if left_alone():
            return False
    return True


def main() -> None:
    """Wait, do it, and stay until the input ends."""
    path, lock, what, *wanted = sys.argv[1:]
    with open(path, "a+", encoding="utf-8") as journal:
        for record in records(journal):
            if record in wanted and (what == "tell" or (kill(lock) if what == "kill" else hold(journal))):
                print(record, flush=True)
                break
        sys.stdin.read()


if __name__ == "__main__":
    main()
