# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place of this package that imports the Kubernetes client: who owns a name, and scripts in a store's pod."""

from __future__ import annotations

import contextlib
import json
import time
import traceback
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.handover import shell
from ansible_collections.sophia.replatform.plugins.module_utils.handover.shell import BrokenError, LostError, Shell

try:
    import kubernetes
    import kubernetes.stream
    import urllib3
    import websocket

    IMPORT_ERROR: str | None = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()


# An API server that is frozen, or what lies before it, may never answer; a question is asked again by the client itself, three times.
_ANSWER_S = 30.0
# A node's agent that restarts loses the connection, or doesn't know its pods for a moment.
TRIES = 5
PAUSE_S = 3.0


class Cluster:
    """A namespace of a cluster. O(kubeconfig) is the path of the file that says how it is reached."""

    def __init__(self, kubeconfig: str, namespace: str, timeout_s: float = 600) -> None:
        self.namespace = namespace
        self.timeout_s = timeout_s
        self._shells: dict[str, Shell] = {}
        with api_errors(f"read the kubeconfig {kubeconfig}"):
            self.api: t.Any = kubernetes.client.CoreV1Api(kubernetes.config.new_client_from_config(kubeconfig))

    def selects_pods(self, service: str) -> bool:
        """Whether the Service O(service) leads to pods of the cluster; if not, to endpoints that were given by hand."""
        return bool(self._service(service)["spec"].get("selector"))

    def pod_of(self, service: str) -> str:
        """The name of a ready pod behind the Service O(service). Raises C(ReplatformError) when there is none."""
        selector = self._service(service)["spec"].get("selector") or {}
        labels = ",".join(f"{key}={value}" for key, value in sorted(selector.items()))
        with api_errors(f"list the pods of {service}"):
            answer = self.api.list_namespaced_pod(
                self.namespace, label_selector=labels, _preload_content=False, _request_timeout=_ANSWER_S
            )
        for pod in json.loads(answer.data)["items"] if labels else []:
            conditions = pod["status"].get("conditions") or []
            if any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
                return str(pod["metadata"]["name"])
        raise ReplatformError(
            f"no pod of {self.namespace}/{service} is ready: look at it before anything is handed over"
        )

    def run(self, pod: str, script: str, *arguments: str) -> str:
        """What a shell script prints in O(pod). Its arguments must hold no secret, since they show in the process list.

        The script may be run more than once, also at the same time: when the connection is lost, nobody knows how far it got.
        """
        for left in reversed(range(TRIES)):
            try:
                return self._shell(pod).run(script, *arguments)
            except BrokenError as exc:
                if pod in self._shells:
                    self._shells.pop(pod).close()
                if not left or not isinstance(exc, LostError):
                    raise
                time.sleep(PAUSE_S)  # an API server tells nobody that it is back
        raise AssertionError("unreachable")

    def _shell(self, pod: str) -> Shell:
        if pod not in self._shells:
            self._shells[pod] = Shell(_Exec(self.api, self.namespace, pod), f"pod {pod}", self.timeout_s)
        return self._shells[pod]

    def _service(self, name: str) -> dict[str, t.Any]:
        with api_errors(f"read Service {self.namespace}/{name}"):
            answer = self.api.read_namespaced_service(
                name, self.namespace, _preload_content=False, _request_timeout=_ANSWER_S
            )
        return dict(json.loads(answer.data))


class _Exec:
    """The connection to a shell in a pod."""

    def __init__(self, api: t.Any, namespace: str, pod: str) -> None:
        self._pod = pod
        with self._errors():
            self._stream = kubernetes.stream.stream(
                api.connect_get_namespaced_pod_exec,
                pod,
                namespace,
                command=[shell.COMMAND],
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                binary=True,
                _preload_content=False,
            )

    def send(self, text: str) -> None:
        with self._errors():
            self._stream.write_stdin(text.encode())

    def receive(self, seconds: float) -> tuple[bytes, bytes]:
        with self._errors():
            self._stream.update(timeout=seconds)
            pieces = self._stream.read_stdout(timeout=0), self._stream.read_stderr(timeout=0)
        if not any(pieces) and not self._stream.is_open():
            raise self._ended()
        return pieces

    def close(self) -> None:
        with contextlib.suppress(ReplatformError), self._errors():
            self._stream.close()

    def _ended(self) -> BrokenError:
        """The kubelet says why a shell has ended; when the connection has, nobody does."""
        why = self._stream.read_channel(kubernetes.stream.ws_client.ERROR_CHANNEL).decode(errors="replace")
        if why:
            return BrokenError(f"the shell in pod {self._pod} has ended while a script ran there: {why}")
        return LostError(f"the connection to pod {self._pod} was lost while a script ran there")

    @contextlib.contextmanager
    def _errors(self) -> t.Iterator[None]:
        doing = f"run a script in pod {self._pod}"
        with api_errors(doing):
            try:
                yield
            except OSError as exc:
                raise LostError(f"could not {doing}: {exc}") from exc


class Pod:
    """A place for scripts: a ready pod behind a Service."""

    def __init__(self, cluster: Cluster, service: str) -> None:
        self.cluster = cluster
        self.service = service
        self._pod = ""

    def run(self, script: str, *arguments: str) -> str:
        """Raises C(ReplatformError) with the line that says what went wrong."""
        self._pod = self._pod or self.cluster.pod_of(self.service)
        return self.cluster.run(self._pod, script, *arguments)


@contextlib.contextmanager
def api_errors(doing: str) -> t.Iterator[None]:
    """What the client raises within becomes one C(ReplatformError) line that says what could not be done."""
    try:
        yield
    except kubernetes.client.exceptions.ApiException as exc:
        # Status 0 is a connection for a script that was not made; the reason is all of what the server said.
        error = LostError if exc.status == 0 else ReplatformError
        raise error(f"could not {doing}: {exc.status or ''} {exc.reason}".replace("\n", " ").strip()) from exc
    except websocket.WebSocketException as exc:
        raise LostError(f"could not {doing}: {exc}") from exc
    except (kubernetes.config.ConfigException, urllib3.exceptions.HTTPError, OSError) as exc:
        raise ReplatformError(f"could not {doing}: {exc}") from exc
