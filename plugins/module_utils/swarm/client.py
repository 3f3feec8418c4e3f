# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place that imports the Docker SDK: a connection, and its errors as ours."""

from __future__ import annotations

import base64
import contextlib
import errno
import select
import socket
import traceback
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

try:
    import docker
    import requests
    from docker.utils.socket import SocketError, next_frame_header, read_exactly

    IMPORT_ERROR: str | None = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

STDOUT = 1

ARGUMENTS: dict[str, t.Any] = {
    "docker_host": {"type": "str", "default": "unix:///var/run/docker.sock"},
    "docker_timeout": {"type": "int", "default": 60},
}


def connect(params: t.Mapping[str, t.Any]) -> t.Any:
    """A low-level API client for the options of RV(ARGUMENTS); it speaks the daemon's own API version."""
    with api_errors(f"reach the Docker Engine at {params['docker_host']}"):
        return docker.APIClient(base_url=params["docker_host"], timeout=params["docker_timeout"], version="auto")


def is_removed(params: t.Mapping[str, t.Any], find: t.Callable[[str], str | None]) -> bool:
    """Whether the host has no Docker: nobody answers on its socket, and O(find) finds no program. One that is merely down is there."""
    scheme, _colon, path = str(params["docker_host"]).partition("://")
    if scheme != "unix" or find("dockerd"):
        return False
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection:
        return connection.connect_ex(path) in (errno.ENOENT, errno.ECONNREFUSED)


def post_service(client: t.Any, service: t.Mapping[str, t.Any], spec: t.Mapping[str, t.Any]) -> None:
    """Write the whole O(spec) of a service as it was read in O(service): a change made meanwhile makes the Engine refuse.

    Not C(update_service): it fills in defaults of its own, which can start every task anew. The credentials for the
    registry, which no answer shows, stay as they are in the spec.
    """
    url = client._url("/services/{0}/update", service["ID"])
    params = {"version": service["Version"]["Index"], "registryAuthFrom": "spec"}
    client._result(client._post_json(url, data=spec, params=params), True)


def create_service(client: t.Any, spec: t.Mapping[str, t.Any]) -> None:
    """Make a service of a whole O(spec), with what this user's login knows of its registry, as C(--with-registry-auth) does."""
    registry = docker.auth.resolve_repository_name(spec["TaskTemplate"]["ContainerSpec"]["Image"])[0]
    credentials = docker.auth.get_config_header(client, registry)
    headers = {"X-Registry-Auth": credentials} if credentials else {}
    client._result(client._post_json(client._url("/services/create"), data=spec, headers=headers), True)


def create_network(
    client: t.Any, network: t.Mapping[str, t.Any], options: t.Mapping[str, str], labels: t.Mapping[str, str]
) -> None:
    """Make a network of the Swarm as RV(stack.observed.objects) describes it, in its subnets of then."""
    pools = [
        docker.types.IPAMPool(subnet=pool.get("Subnet"), gateway=pool.get("Gateway"), iprange=pool.get("IPRange"))
        for pool in network.get("pools") or []
    ]
    client.create_network(
        network["name"],
        driver=network["driver"],
        options=dict(options),
        ipam=docker.types.IPAMConfig(pool_configs=pools),
        internal=network["internal"],
        attachable=network["attachable"],
        enable_ipv6=network.get("ipv6", False),
        labels=dict(labels),
        scope="swarm",
    )


def create_thing(
    client: t.Any, kind: str, thing: t.Mapping[str, t.Any], content: bytes, labels: t.Mapping[str, str]
) -> None:
    """Make a secret or config as RV(stack.observed.objects) describes it. The SDK's own makes no secret with a template."""
    data = {"Name": thing["name"], "Labels": dict(labels), "Data": base64.b64encode(content).decode()}
    if thing.get("templating"):
        data["Templating"] = dict(thing["templating"])
    client._result(client._post_json(client._url(f"/{kind}s/create"), data=data), True)


def next_frame(connection: t.Any, seconds: float) -> tuple[int, bytes] | None:
    """What comes next over the socket O(connection) of an exec without a terminal: the stream, RV(STDOUT) or another, and a piece of it.

    None where nothing has come after O(seconds). Raises C(ConnectionError) when the exec has ended, or the connection.
    """
    if not select.select([connection], [], [], seconds)[0]:
        return None
    stream, length = next_frame_header(connection)
    if length < 0:
        raise ConnectionError("the exec has ended")
    try:
        return stream, read_exactly(connection, length)
    except SocketError as exc:
        raise ConnectionError("the exec has ended within a frame") from exc


@contextlib.contextmanager
def api_errors(doing: str) -> t.Iterator[None]:
    """What the SDK raises within becomes one C(ReplatformError) line that says what could not be done."""
    try:
        yield
    except docker.errors.APIError as exc:
        raise ReplatformError(f"could not {doing}: {exc.explanation or exc}") from exc
    except (docker.errors.DockerException, requests.exceptions.RequestException) as exc:
        raise ReplatformError(f"could not {doing}: {exc}") from exc
