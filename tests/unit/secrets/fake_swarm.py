"""A Swarm of one manager, in memory, as far as the copying of secrets asks it."""

from __future__ import annotations

import base64
import typing as t

import docker
import requests

NODE = "n1"


class FakeSwarm:
    """Its methods are those of docker's APIClient; O(values) are its secrets, O(configs) its configs."""

    def __init__(self, values: dict[str, bytes], configs: dict[str, bytes] | None = None) -> None:
        self.values = values
        self.config_data = configs or {}
        self.availability = "active"
        self.manager = True
        self.task_states = ["preparing", "running"]
        self.exit_code: int = 0
        self.error = b""
        self.still_running = 3
        self.task_error = ""
        self.service_list: list[dict[str, t.Any]] = [self.user_of(sorted(values))]
        self.container_list: list[dict[str, t.Any]] = []
        self.calls: list[tuple[t.Any, ...]] = []
        self._execs: dict[str, list[str]] = {}

    @staticmethod
    def user_of(names: list[str], name: str = "shop_web", image: str = "web:1") -> dict[str, t.Any]:
        mounts = [{"SecretID": f"id-{one}", "SecretName": one} for one in names]
        return {
            "ID": f"id-{name}",
            "Spec": {
                "Name": name,
                "Labels": {},
                "TaskTemplate": {"ContainerSpec": {"Image": image, "Secrets": mounts}},
            },
        }

    def info(self) -> dict[str, t.Any]:
        swarm = {"LocalNodeState": "active", "ControlAvailable": self.manager, "NodeID": NODE}
        return {"Name": "host", "Swarm": swarm}

    def nodes(self) -> list[dict[str, t.Any]]:
        return [{"ID": NODE, "Spec": {"Availability": self.availability}}]

    def services(self, filters: dict[str, str] | None = None) -> list[dict[str, t.Any]]:
        if not filters:
            return list(self.service_list)
        key, _equals, value = filters["label"].partition("=")
        return [one for one in self.service_list if one["Spec"]["Labels"].get(key) == value]

    def tasks(self) -> list[dict[str, t.Any]]:
        return [self._task(service) for service in self.service_list if "Mode" in service["Spec"]]

    def _task(self, service: dict[str, t.Any]) -> dict[str, t.Any]:
        state = self.task_states.pop(0) if len(self.task_states) > 1 else self.task_states[0]
        status = {"State": state, "Err": self.task_error, "ContainerStatus": {"ContainerID": f"c-{service['ID']}"}}
        return {
            "ServiceID": service["ID"],
            "NodeID": NODE,
            "DesiredState": "complete",
            "CreatedAt": "1",
            "Status": status,
        }

    def secrets(self) -> list[dict[str, t.Any]]:
        return [{"ID": f"id-{name}", "Spec": {"Name": name}} for name in self.values]

    def configs(self) -> list[dict[str, t.Any]]:
        return [{"ID": f"id-{name}", "Spec": {"Name": name}} for name in self.config_data]

    def inspect_config(self, config_id: str) -> dict[str, t.Any]:
        return {"Spec": {"Data": base64.b64encode(self.config_data[config_id[3:]]).decode()}}

    def containers(self, all: bool, filters: dict[str, str]) -> list[dict[str, t.Any]]:
        found = [one for one in self.container_list if filters["label"] in one["Labels"]]
        for one in [one for one in found if one["service"] not in {s["ID"] for s in self.service_list}]:
            self.container_list.remove(one)
        return found

    def _url(self, path: str) -> str:
        return path

    def _post_json(self, url: str, data: dict[str, t.Any]) -> dict[str, t.Any]:
        assert url == "/services/create"
        self.calls.append(("create", data))
        service_id = f"id-{data['Name']}"
        self.service_list.append({"ID": service_id, "Spec": data})
        labels = data["TaskTemplate"]["ContainerSpec"]["Labels"]
        self.container_list.append({"service": service_id, "Labels": labels})
        return {"ID": service_id}

    def _result(self, answer: dict[str, t.Any], json: bool) -> dict[str, t.Any]:
        return answer

    def remove_service(self, service_id: str) -> None:
        self.calls.append(("remove", service_id))
        if service_id not in [one["ID"] for one in self.service_list]:
            raise docker.errors.NotFound("no such service", response=requests.Response(), explanation="no such service")
        self.service_list = [one for one in self.service_list if one["ID"] != service_id]

    def exec_create(self, container: str, command: list[str], **options: t.Any) -> dict[str, str]:
        assert container in {f"c-{one['ID']}" for one in self.service_list}
        assert options == {"stdout": True, "stderr": True, "tty": False, "user": "0:0"}
        self.calls.append(("exec", *command))
        self._execs["e1"] = command
        return {"Id": "e1"}

    def exec_start(self, exec_id: str, demux: bool) -> tuple[bytes | None, bytes | None]:
        assert demux
        _cat, path = self._execs[exec_id]
        return (self.values[path.rsplit("/", 1)[1]] if self.exit_code == 0 else b"half a val"), self.error

    def exec_inspect(self, exec_id: str) -> dict[str, t.Any]:
        self.still_running -= 1
        running = self.still_running >= 0
        return {"Running": running, "ExitCode": None if running else self.exit_code}
