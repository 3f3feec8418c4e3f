#!/usr/bin/env python3
"""Run a playbook and kill it, with its workers, when a task has begun for the n-th time; a module that runs ends by itself.

usage: interrupt.py --at TASK [--nth N] [--after SECONDS] [--signal KILL|INT] -- ansible-playbook ARGUMENT...
       the same with: replatform run|resume --json ARGUMENT...
       interrupt.py --at TASK [--nth N] [--after SECONDS] --fault COMMAND [--signal KILL|INT] -- ansible-playbook ARGUMENT...

Exits 0 when the run was stopped at the wanted place and 1 when it ended before that. With --fault something happens there first, by a
command of the shell; without --signal the run then goes on, and the exit code is its own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--at", required=True, help="regular expression on the task's header line")
    parser.add_argument("--nth", type=int, default=1, help="which of the matching tasks (default: the first)")
    parser.add_argument("--after", type=float, default=0.0, help="seconds to let the task run (default: 0)")
    parser.add_argument("--signal", choices=["KILL", "INT"], help="INT is Ctrl-C (default, without --fault: KILL)")
    parser.add_argument("--fault", help="a command of the shell to run before")
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def children(process: int) -> list[int]:
    """What a process started. Ansible's workers have sessions of their own; left alone they wait for ever to tell the run of their result."""
    return [int(child) for child in pathlib.Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def main() -> int:
    """Start the run in a process group of its own, watch what it prints, and kill the group."""
    options = arguments()
    wanted = re.compile(options.at)
    # Without it Ansible prints a task's header when its first host has ended.
    env = {**os.environ, "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "true"}
    run = subprocess.Popen(
        options.command, stdout=subprocess.PIPE, text=True, bufsize=1, start_new_session=True, env=env
    )
    seen = 0
    killed = threading.Event()
    name = options.signal or ("" if options.fault else "KILL")
    number = signal.Signals[f"SIG{name}"] if name else 0

    def kill() -> None:
        killed.set()
        if options.fault:
            subprocess.run(options.fault, shell=True, check=True)
        if number:
            workers = children(run.pid) if number == signal.SIGKILL else []
            os.killpg(run.pid, number)
            for worker in workers:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker, number)

    timer = threading.Timer(options.after, kill)
    for line in run.stdout or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        if line.startswith(("TASK", '{"event": "task"')) and wanted.search(line):
            seen += 1
            if seen == options.nth:
                timer.start()
    status = run.wait()
    timer.cancel()
    if killed.is_set() and not number:
        print(f"{options.fault} in: {options.at} (number {options.nth}, {options.after:g} s in)")
        return status
    if killed.is_set() and status in (-number, 128 + number):
        print(f"{name} in: {options.at} (number {options.nth}, {options.after:g} s in)")
        return 0
    print(f"ended with {status} before number {options.nth} of: {options.at}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
