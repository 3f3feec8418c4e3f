# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory, read by Ansible's own loader. No host is contacted; of the variables only those that are asked for are resolved."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible import constants, context
from ansible.cli import CLI
from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager, split_host_pattern
from ansible.module_utils.common.collections import ImmutableDict
from ansible.parsing.dataloader import DataLoader
from ansible.playbook import Playbook
from ansible.template import Templar, trust_as_template
from ansible.vars.manager import VariableManager

from replatform.errors import UsageError


class Play(t.NamedTuple):
    """A play of a playbook, and the hosts that it may be about.

    O(some) says that a group is meant that plays make as they go, such as the nodes that are to be changed: it is not known yet
    which of O(hosts) it will be.
    """

    name: str
    hosts: tuple[str, ...]
    some: bool


@dataclass
class Fleet:
    """An inventory that has been read. O(sources) are absolute paths, or lists of hosts."""

    sources: list[str]
    groups: dict[str, list[str]]
    _loader: t.Any
    _manager: t.Any
    _variables: t.Any

    def value(self, name: str, default: t.Any = None) -> t.Any:
        """A variable as a play on localhost sees it, resolved; O(default) where nobody sets it."""
        known = self._variables.get_vars(host=self._manager.get_host("localhost"))
        if name not in known:
            return default
        try:
            found = Templar(loader=self._loader, variables=known).template(trust_as_template("{{ " + name + " }}"))
        except AnsibleError as exc:
            raise UsageError(f"{name} can't be resolved: {' '.join(str(exc).split())}") from exc
        return plain(found)

    def file(self, path: str) -> dict[str, t.Any]:
        """A YAML file as it is written; nothing in it is resolved."""
        return plain(self._loader.load_from_file(path))

    def plays(self, playbook: str) -> list[Play]:
        """The plays of a playbook, imported ones among them."""
        try:
            book = Playbook.load(playbook, variable_manager=self._variables, loader=self._loader)
            return [self._play(str(play.get_name()), play.hosts) for play in book.get_plays()]
        except AnsibleError as exc:
            raise UsageError(f"{playbook} can't be read: {' '.join(str(exc).split())}") from exc

    def _play(self, name: str, pattern: t.Any) -> Play:
        parts = split_host_pattern(pattern)
        known = [part for part in parts if self._is_known(part)]
        hosts = tuple(str(host) for host in self._manager.get_hosts(known)) if known else ()
        return Play(name, hosts, known != parts)

    def _is_known(self, part: str) -> bool:
        bare = part.lstrip("!&")
        implicit = ("all", "localhost", "127.0.0.1")
        return bare in implicit or bare in self._manager.groups or bare in self._manager.hosts


def read_fleet(given: t.Sequence[str], extra_vars: t.Sequence[str]) -> Fleet:
    """Read the inventory at O(given) (Ansible's own default without one), with O(extra_vars) as given to C(-e).

    Raises C(UsageError) with one line.
    """
    sources = [absolute(source) for source in given or constants.DEFAULT_HOST_LIST]
    for source in sources:
        if "," not in source and not os.path.exists(source):
            raise UsageError(f"there is no inventory at {source}: give one with -i")
    context.CLIARGS = ImmutableDict(
        extra_vars=tuple(trust_as_template(value) for value in extra_vars), inventory=tuple(sources)
    )
    loader = DataLoader()
    try:
        loader.set_vault_secrets(
            CLI.setup_vault_secrets(loader, vault_ids=list(constants.DEFAULT_VAULT_IDENTITY_LIST), auto_prompt=False)
        )
        manager = InventoryManager(loader=loader, sources=sources)
        variables = VariableManager(loader=loader, inventory=manager, version_info=CLI.version_info(gitinfo=False))
    except AnsibleError as exc:
        raise UsageError(f"the inventory can't be read: {' '.join(str(exc).split())}") from exc
    groups = {
        str(name): sorted(str(host) for host in group.get_hosts())
        for name, group in manager.groups.items()
        if name not in ("all", "ungrouped")
    }
    return Fleet(sources, groups, loader, manager, variables)


def absolute(source: str) -> str:
    """A path that means the same from anywhere; a list of hosts (with a comma) as it is."""
    return source if "," in source else os.path.abspath(source)


def plain(value: t.Any) -> t.Any:
    """Ansible's containers and strings as ordinary ones."""
    if isinstance(value, t.Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, str) else value
