# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command line."""

from __future__ import annotations

import argparse
import typing as t

from replatform.phases import NAMES, RECORDED

_EPILOG = """\
exit codes:
  0    done; status: every phase is complete
  2    an option or the inventory is wrong: nothing was started
  3    a playbook failed; verify: a criterion is missed; status: the last attempt of a phase failed
  4    a playbook failed, and a host could not be reached
  5    status: not every phase is complete, none has failed
  130  stopped by Ctrl-C or a signal; resume goes on
"""


def parser() -> argparse.ArgumentParser:
    """The parser of everything that can be asked for."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-i", "--inventory", action="append", default=[], help="inventory, as Ansible's -i")
    common.add_argument(
        "-e",
        "--extra-vars",
        action="append",
        default=[],
        metavar="VARS",
        help="variables, as Ansible's -e; what is written here is seen by ps, so secrets only as @FILE",
    )
    common.add_argument("--json", action="store_true", help="one JSON object a line: the events, and one at the end")
    plays = argparse.ArgumentParser(add_help=False)
    plays.add_argument("-f", "--forks", type=_count, help="hosts at a time, as Ansible's --forks")

    whole = argparse.ArgumentParser(
        prog="replatform",
        description="Moves a fleet from Docker Swarm to K3s by the playbooks of sophia.replatform.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, text: str, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text, parents=[common, *parents])

    plan = add("plan", "what each phase would do, by host, read from check mode", plays)
    plan.add_argument("phases", nargs="*", metavar="PHASE", help=f"{', '.join(NAMES)}; without one all of them")
    plan.add_argument("--diff", action="store_true", help="also what files and objects would change to")
    where = plan.add_mutually_exclusive_group()
    where.add_argument("--offline", action="store_const", const=True, dest="offline", help="contact no host")
    where.add_argument(
        "--online", action="store_const", const=False, dest="offline", help="ask the hosts, in check mode"
    )
    run = add("run", "run phases", plays)
    run.add_argument("phases", nargs="*", metavar="PHASE", help=f"{', '.join(NAMES)}; without one all of them")
    add("status", "where the migration is, read from its evidence; contacts no host")
    add("resume", "run from the first phase whose evidence is not complete", plays)
    rollback = add("rollback", "take a phase back", plays)
    rollback.add_argument("phase", choices=RECORDED, metavar="PHASE", help=f"one of {', '.join(RECORDED)}")
    add("verify", "each success criterion with its figure", plays)
    add("report", "gather the evidence and make the report", plays)
    return whole


def parse(arguments: t.Sequence[str] | None = None) -> argparse.Namespace:
    """The options; ends the program with code 2 where they can't be understood."""
    whole = parser()
    options = whole.parse_args(arguments)
    unknown = [name for name in getattr(options, "phases", []) if name not in NAMES]
    if unknown:
        whole.error(f"there is no phase {', '.join(unknown)}: the phases are {', '.join(NAMES)}")
    return options


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
