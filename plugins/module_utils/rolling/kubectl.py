# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rim: a cluster through the kubectl that K3s has on every server; nothing else has to be installed."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError

Run = t.Callable[[t.Sequence[str], str], "subprocess.CompletedProcess[str]"]

REQUEST_S = 20
# Reasons for which the same request may be granted a little later, e.g. while another server of the cluster restarts.
_PASSING = frozenset({"TooManyRequests", "Timeout", "ServerTimeout", "ServiceUnavailable"})
_SILENT = ("unable to connect to the server", "the connection to the server", "etcdserver:", "timeout", "timed out")
_SERVER = re.compile(r"Error from server(?: \((?P<reason>\w+)\))?: (?P<message>.*)", re.DOTALL)


class KubectlError(ReplatformError):
    """What kubectl said; O(reason) is the API server's word for it, empty where it gave none."""

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def passing(self) -> bool:
        """Whether the same request may be granted later."""
        return self.reason in _PASSING or (not self.reason and any(word in str(self).lower() for word in _SILENT))


def run(argv: t.Sequence[str], stdin: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=2 * REQUEST_S, check=False)
    except subprocess.TimeoutExpired as exc:
        raise KubectlError(f"{argv[0]} timed out after {2 * REQUEST_S} s") from exc
    except OSError as exc:
        raise ReplatformError(
            f"kubectl: {argv[0]} can't be run on this host ({exc.strerror}): run on a server"
        ) from exc


class Kubectl:
    """The few requests that a drain makes; O(command) is the program with what has to stand before its arguments."""

    def __init__(self, command: t.Sequence[str], run: Run = run) -> None:
        self.command = list(command)
        self.run = run

    def node(self, name: str) -> dict[str, t.Any] | None:
        """The Node, or None."""
        found = self._ask(["get", "node", name, "--ignore-not-found", "--output", "json"])
        return json.loads(found) if found.strip() else None

    def pods(self, node: str) -> list[dict[str, t.Any]]:
        """The pods that are on the node, whatever their state."""
        return self._items(["get", "pods", "--all-namespaces", "--field-selector", f"spec.nodeName={node}"])

    def budgets(self) -> list[dict[str, t.Any]]:
        return self._items(["get", "poddisruptionbudgets.policy", "--all-namespaces"])

    def eviction_version(self) -> str:
        """The version of Eviction that the server takes, e.g. C(policy/v1)."""
        resources = json.loads(self._ask(["get", "--raw", "/api/v1"])).get("resources", [])
        found = [one for one in resources if one.get("name") == "pods/eviction"]
        if not found:
            raise ReplatformError("the API server takes no evictions (pods/eviction): drain the node by other means")
        return f"{found[0].get('group', 'policy')}/{found[0].get('version', 'v1beta1')}"

    def patch_node(self, name: str, patch: t.Mapping[str, t.Any]) -> None:
        self._ask(["patch", "node", name, "--type", "merge", "--patch", json.dumps(patch)])

    def evict(self, namespace: str, name: str, eviction: t.Mapping[str, t.Any]) -> None:
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        self._ask(["create", "--raw", path, "--filename", "-"], json.dumps(eviction))

    def _items(self, arguments: t.Sequence[str]) -> list[dict[str, t.Any]]:
        return list(json.loads(self._ask([*arguments, "--output", "json"]))["items"])

    def _ask(self, arguments: t.Sequence[str], stdin: str = "") -> str:
        answer = self.run([*self.command, f"--request-timeout={REQUEST_S}s", *arguments], stdin)
        if answer.returncode == 0:
            return answer.stdout
        raise _error(answer.stderr)


def _error(stderr: str) -> KubectlError:
    """From what kubectl wrote: its last words, without the log lines before them."""
    said = _SERVER.search(stderr)
    if said:
        return KubectlError(" ".join(said["message"].split()), said["reason"] or "")
    lines = [line for line in stderr.splitlines() if line.strip()]
    return KubectlError(lines[-1].strip() if lines else "kubectl failed and said nothing")
