# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A service in one flat form, whether a file or the Swarm says it, with Swarm's defaults written out.

Two services that Swarm would run alike have the same form. What C(docker stack deploy) leaves out is not in it.
"""

from __future__ import annotations

import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.stack.forms import (
    parse_files,
    parse_healthcheck,
    parse_mounts,
    parse_ports,
)
from ansible_collections.sophia.replatform.plugins.module_utils.stack.model import FileSource, Service, Stack
from ansible_collections.sophia.replatform.plugins.module_utils.stack.quantities import seconds, size_bytes
from ansible_collections.sophia.replatform.plugins.module_utils.stack.rules_network import DEFAULT_NETWORK
from ansible_collections.sophia.replatform.plugins.module_utils.stack.shape import (
    as_int,
    as_list,
    as_mapping,
    as_pairs,
    as_strings,
    as_words,
)

Form = t.Dict[str, t.Any]

_UPDATE = {
    "parallelism": 1,
    "delay": 0.0,
    "failure_action": "pause",
    "monitor": 5.0,
    "max_failure_ratio": 0.0,
    "order": "stop-first",
}
_RESTART = {"condition": "any", "delay": 5.0, "max_attempts": 0, "window": 0.0}
"""Source: moby/swarmkit api/defaults/service.go."""
_TIMES = ("delay", "monitor", "window")


def canonical(service: Service, stack: Stack) -> Form:
    """Keys as a stack file has them, each with one plain value. Raises C(StackError) for a value of the wrong shape."""
    keys = service.keys
    form: Form = {"image": str(keys.get("image", ""))}
    for key in ("command", "entrypoint"):
        form[key] = as_words(keys.get(key) or [], service.where(key))
    for key in ("hostname", "working_dir", "user", "stop_signal"):
        form[key] = str(keys.get(key) or "")
    for key in ("read_only", "tty", "stdin_open"):
        form[key] = str(keys.get(key) or False).lower() == "true"
    form["init"] = keys.get("init")
    for key in ("environment", "labels", "sysctls"):
        form.update({f"{key}.{k}": v or "" for k, v in as_pairs(keys.get(key), service.where(key)).items()})
    for key in ("dns", "dns_search"):
        form[key] = as_strings(keys.get(key) or [], service.where(key))
    for key in ("cap_add", "cap_drop"):
        words = [word.upper() for word in as_strings(keys.get(key) or [], service.where(key))]
        form[key] = sorted(word if word == "ALL" or word.startswith("CAP_") else f"CAP_{word}" for word in words)
    form["stop_grace_period"] = seconds(keys.get("stop_grace_period") or "10s", service.where("stop_grace_period"))
    form["extra_hosts"] = sorted(_hosts(keys.get("extra_hosts"), service))
    logging = as_mapping(keys.get("logging"), service.where("logging"))
    form["logging"] = {"driver": logging.get("driver") or "", **_texts(logging.get("options"))}
    form["ulimits"] = {k: _ulimit(v) for k, v in as_mapping(keys.get("ulimits"), service.where("ulimits")).items()}
    _check(form, service)
    _mounted(form, service, stack)
    _network(form, service, stack)
    _deploy(form, service)
    return form


def _hosts(value: t.Any, service: Service) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}:{address}" for name, address in value.items()]
    return as_strings(value or [], service.where("extra_hosts"))


def _texts(value: t.Any) -> dict[str, str]:
    return {str(key): str(item) for key, item in (value or {}).items()}


def _ulimit(value: t.Any) -> str:
    pair = (value.get("soft"), value.get("hard")) if isinstance(value, dict) else (value, value)
    return f"{pair[0]}:{pair[1]}"


def _check(form: Form, service: Service) -> None:
    if service.keys.get("healthcheck"):
        check = parse_healthcheck(service.keys["healthcheck"], service.where("healthcheck"))
        form["healthcheck.test"] = list(check.test) or ["NONE"]
        if check.test:
            for key in ("interval", "timeout", "retries", "start_period", "start_interval"):
                form[f"healthcheck.{key}"] = getattr(check, key)


def _mounted(form: Form, service: Service, stack: Stack) -> None:
    for mount in parse_mounts(service.keys.get("volumes"), service.where("volumes")):
        source = mount.source
        if mount.kind == "volume" and source:
            source = stack.full_name(stack.volumes.get(source, FileSource(source)), source)
        # A relative path depends on where the file was deployed from: its last part has to do.
        source = source.rstrip("/").rpartition("/")[2] if mount.kind == "bind" and source[:1] in (".", "~") else source
        size = f" {mount.size}" if mount.size else ""
        form[f"volumes[{mount.target}]"] = f"{mount.kind} {source}{' ro' if mount.read_only else ''}{size}"
    for key, folder in (("secrets", "/run/secrets/"), ("configs", "/")):
        sources: dict[str, FileSource] = getattr(stack, key)
        for ref in parse_files(service.keys.get(key), service.where(key), folder):
            name = stack.full_name(sources.get(ref.source, FileSource(ref.source)), ref.source)
            form[f"{key}[{ref.target}]"] = f"{name} {ref.uid}:{ref.gid} {ref.mode:04o}"


def _network(form: Form, service: Service, stack: Stack) -> None:
    ports = parse_ports(service.keys.get("ports"), service.where("ports"))
    form["ports"] = sorted({f"{port.published or ''}:{port.target}/{port.protocol} {port.mode}" for port in ports})
    attached = as_mapping(service.keys.get("networks"), service.where("networks")) or {DEFAULT_NETWORK: None}
    names = []
    for key, raw in attached.items():
        name = stack.full_name(stack.networks.get(key, FileSource(key)), key)
        names.append(name)
        aliases = as_strings(as_mapping(raw, service.where("networks")).get("aliases") or [], service.where("networks"))
        form[f"networks.{name}.aliases"] = sorted(set(aliases) - {service.name})
    form["networks"] = sorted(names)


def _deploy(form: Form, service: Service) -> None:
    where = service.where("deploy")
    deploy = as_mapping(service.keys.get("deploy"), where)
    mode = str(deploy.get("mode") or "replicated")
    form["deploy.mode"] = mode
    if mode.startswith("replicated"):
        form["deploy.replicas"] = as_int(deploy.get("replicas", service.keys.get("scale", 1)), where)
    form["deploy.endpoint_mode"] = str(deploy.get("endpoint_mode") or "vip").lower()
    form.update({f"deploy.labels.{k}": v or "" for k, v in as_pairs(deploy.get("labels"), where).items()})
    for key, defaults in (("update_config", _UPDATE), ("rollback_config", _UPDATE), ("restart_policy", _RESTART)):
        given = as_mapping(deploy.get(key), where)
        if key == "restart_policy" and not given:
            given = _legacy(service.keys.get("restart"))
        for name, default in defaults.items():
            value = given.get(name)
            value = seconds(value, where) if name in _TIMES and value is not None else value
            form[f"deploy.{key}.{name}"] = default if value is None or (name == "monitor" and not value) else value
    resources = as_mapping(deploy.get("resources"), where)
    for kind in ("limits", "reservations"):
        part = as_mapping(resources.get(kind), where)
        form[f"deploy.resources.{kind}.cpus"] = float(part.get("cpus") or 0)
        form[f"deploy.resources.{kind}.memory"] = size_bytes(part.get("memory") or 0, where)
    form["deploy.resources.limits.pids"] = as_mapping(resources.get("limits"), where).get("pids") or 0
    generic = as_list(as_mapping(resources.get("reservations"), where).get("generic_resources"), where)
    specs = [as_mapping(as_mapping(item, where).get("discrete_resource_spec"), where) for item in generic]
    form["deploy.resources.reservations.generic_resources"] = sorted(f"{s.get('kind')}={s.get('value')}" for s in specs)
    place = as_mapping(deploy.get("placement"), where)
    form["deploy.placement.constraints"] = sorted(
        "".join(text.split()) for text in as_strings(place.get("constraints") or [], where)
    )
    form["deploy.placement.preferences"] = [
        str(as_mapping(item, where).get("spread")) for item in as_list(place.get("preferences"), where)
    ]
    form["deploy.placement.max_replicas_per_node"] = place.get("max_replicas_per_node") or 0


def _legacy(restart: t.Any) -> dict[str, t.Any]:
    condition, _sep, count = str(restart or "").partition(":")
    if condition == "on-failure":
        return {"condition": "on-failure", "max_attempts": int(count or 0)}
    return {}
