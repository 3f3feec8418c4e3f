# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What verify sees, and what it makes of that; each filter is documented in its own YAML file."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.live import look
from ansible_collections.sophia.replatform.plugins.module_utils.evidence.verdicts import Wanted, judge


def amount(quantity: str) -> t.Any:
    """A quantity of Kubernetes as a number. Where pods could be listed, the library is there."""
    from kubernetes.utils.quantity import parse_quantity

    return parse_quantity(quantity)


def evidence_found(seen: t.Mapping[str, t.Any], canary: str = "k3s") -> dict[str, t.Any]:
    """See the documentation of the filter."""
    try:
        return look(seen, canary, amount)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise AnsibleFilterError(
            f"evidence_found: these are not the results of the modules that look: {exc!r}"
        ) from exc


def evidence_verdicts(
    report: t.Mapping[str, t.Any], found: t.Mapping[str, t.Any] | None = None, **wanted: t.Any
) -> list[dict[str, t.Any]]:
    """See the documentation of the filter."""
    kinds = {name: type(default) for name, default in Wanted()._asdict().items()}
    try:
        given = {name: _as(kinds[name], value) for name, value in wanted.items()}
        return judge(report, found or {}, Wanted(**given))
    except ValueError as exc:
        raise AnsibleFilterError(f"evidence_verdicts: {exc}") from exc
    except (KeyError, TypeError, AttributeError) as exc:
        raise AnsibleFilterError(f"evidence_verdicts: this is not the content of a report.json: {exc!r}") from exc


def _as(kind: type, value: t.Any) -> t.Any:
    """A template gives a number as text."""
    return kind(value) if kind in (int, float) else value


class FilterModule:
    """The collection's filters about evidence."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Filters by name."""
        return {"evidence_found": evidence_found, "evidence_verdicts": evidence_verdicts}
