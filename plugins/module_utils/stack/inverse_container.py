# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The container of a live spec as the keys of a stack file."""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import FileSource, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.spec_fields import Fields, Raw
from ansible_collections.sophia.replatform.plugins.module_utils.stack.verdicts import REFUSED, REPORTED

SWARM = "the Swarm"
"""Stands for the stack file in messages about a live spec."""

Beside = t.List[t.Tuple[str, str, str]]
"""Key, verdict and note of what the API says and a stack file can't."""

_OWN_LABELS = ("com.docker.stack.namespace", "com.docker.stack.image")


def dense(node: t.Any) -> t.Any:
    """Without what says nothing. A mapping's empty texts stay: a variable may be empty."""
    if not isinstance(node, dict):
        return node
    rest = {key: dense(value) for key, value in node.items()}
    return {key: value for key, value in rest.items() if value is not None and value != [] and value != {}}


def own_labels(labels: Raw) -> dict[str, str]:
    """Labels that people gave."""
    return {key: value for key, value in labels.items() if key not in _OWN_LABELS}


def nanoseconds(value: t.Any) -> str | None:
    """A duration of the API as a stack file may write it; none where it is zero."""
    return f"{int(value)}ns" if value else None


def container(spec: Fields, stack: Stack, beside: Beside) -> dict[str, t.Any]:
    """Keys of a C(ContainerSpec); volumes, secrets and configs that it names are added to C(stack)."""
    dns = spec.below("DNSConfig")
    keys = {
        "image": spec.take("Image"),
        "entrypoint": spec.take("Command"),
        "command": spec.take("Args"),
        "hostname": spec.take("Hostname") or None,
        "environment": dict(_pair(line) for line in spec.take("Env", [])),
        "labels": own_labels(spec.take("Labels", {})),
        "working_dir": spec.take("Dir") or None,
        "user": spec.take("User") or None,
        "init": spec.take("Init"),
        "stop_signal": spec.take("StopSignal") or None,
        "tty": spec.take("TTY") or None,
        "stdin_open": spec.take("OpenStdin") or None,
        "read_only": spec.take("ReadOnly") or None,
        "stop_grace_period": _grace(spec.take("StopGracePeriod")),
        "healthcheck": _healthcheck(spec.below("Healthcheck")),
        "extra_hosts": _hosts(spec.take("Hosts", [])),
        "dns": dns.take("Nameservers"),
        "dns_search": dns.take("Search"),
        "dns_opt": dns.take("Options"),
        "sysctls": spec.take("Sysctls"),
        "cap_add": spec.take("CapabilityAdd"),
        "cap_drop": spec.take("CapabilityDrop"),
        "oom_score_adj": spec.take("OomScoreAdj") or None,
        "ulimits": {item["Name"]: {"soft": item["Soft"], "hard": item["Hard"]} for item in spec.take("Ulimits", [])},
        "volumes": [_mount(item, stack) for item in spec.each("Mounts")],
        "secrets": [_file(item, "Secret", stack.secrets, beside) for item in spec.each("Secrets")],
        "configs": [_file(item, "Config", stack.configs, beside) for item in spec.each("Configs")],
    }
    if spec.take("Isolation", "default") not in ("", "default"):
        keys["isolation"] = "hyperv"
    if spec.take("Groups"):
        beside.append(
            ("(spec).Groups", REFUSED, "groups of the process are not carried: run it as a user that needs none")
        )
    privileges = spec.below("Privileges")
    if privileges.take("CredentialSpec"):
        keys["credential_spec"] = {}
    if (privileges.take("SELinuxContext") or {}).get("Disable"):
        beside.append(("(spec).Privileges.SELinuxContext", REPORTED, "SELinux is a matter of the node's containerd"))
    keys["secrets"], keys["configs"] = ([item for item in keys[key] if item] for key in ("secrets", "configs"))
    return keys


def _pair(line: str) -> tuple[str, str]:
    name, _sep, value = line.partition("=")
    return name, value


def _grace(value: t.Any) -> str | None:
    return None if value is None else f"{int(value)}ns"


def _hosts(lines: t.Iterable[str]) -> list[str]:
    """C(ADDRESS NAME [NAME ...]) each."""
    words = [line.split() for line in lines]
    return [f"{name}:{items[0]}" for items in words for name in items[1:]]


def _healthcheck(check: Fields) -> dict[str, t.Any] | None:
    test = check.take("Test")
    times = {
        key: nanoseconds(check.take(field))
        for key, field in (
            ("interval", "Interval"),
            ("timeout", "Timeout"),
            ("start_period", "StartPeriod"),
            ("start_interval", "StartInterval"),
        )
    }
    retries = check.take("Retries")
    return {"test": test, "retries": retries, **times} if test else None


def _mount(item: Fields, stack: Stack) -> dict[str, t.Any]:
    kind, source = item.take("Type", "volume"), item.take("Source", "")
    options, bind, tmpfs = item.below("VolumeOptions"), item.below("BindOptions"), item.below("TmpfsOptions")
    options.take("Labels")
    driver = options.take("DriverConfig") or {}
    nocopy, subpath, propagation = options.take("NoCopy"), options.take("Subpath"), bind.take("Propagation")
    if kind == "volume" and source:
        own = source.startswith(f"{stack.name}_")
        full, source = source, source[len(stack.name) + 1 :] if own else source
        stack.volumes.setdefault(
            source,
            FileSource(
                source if own else full, not own, None, driver.get("Name", ""), driver.get("Options") or {}, file=SWARM
            ),
        )
    item.take("ClusterOptions")
    return dense(
        {
            "type": kind,
            "source": source or None,
            "target": item.take("Target"),
            "read_only": item.take("ReadOnly"),
            "consistency": item.take("Consistency") or None,
            "volume": {"nocopy": nocopy or None, "subpath": subpath or None},
            "bind": {"propagation": propagation or None},
            "tmpfs": {"size": tmpfs.take("SizeBytes") or None, "mode": tmpfs.take("Mode") or None},
        }
    )


def _file(item: Fields, kind: str, known: dict[str, FileSource], beside: Beside) -> dict[str, t.Any]:
    name, target = str(item.take(f"{kind}Name", "")), item.below("File")
    item.take(f"{kind}ID")
    if item.take("Runtime") is not None:
        beside.append((f"(spec).{kind}s[{name}].Runtime", REPORTED, "used by the runtime, not mounted: Windows only"))
        return {}
    key = next((key for key, source in known.items() if name in (source.name, key)), None)
    if key is None:
        # The list of what there is does not tell of a thing that the stack has made: its name has the prefix then.
        key = next((key for key, source in known.items() if not source.external and name.endswith(f"_{key}")), name)
        known.setdefault(key, FileSource(name, True, file=SWARM))
    return {
        "source": key,
        "target": target.take("Name"),
        "uid": target.take("UID", "0"),
        "gid": target.take("GID", "0"),
        "mode": target.take("Mode", 0o444),
    }
