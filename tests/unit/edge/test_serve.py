"""What the role waits for after a start: the routes of its services alone, of either kind, whatever else lies in the folder."""

from __future__ import annotations

import http.server
import json
import pathlib
import threading
import typing as t

import played
import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = pathlib.Path(__file__).parents[3]
SERVICES = [{"name": "web"}, {"name": "shop", "kind": "http"}, {"name": "mail", "kind": "tcp"}, {"name": "new"}]


@pytest.fixture(name="api")
def api_fixture() -> t.Iterator[t.Any]:
    """Traefik's API; O(routers) are the names that it shows, by protocol."""

    class Api(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps([{"name": name} for name in server.routers[self.path.split("/")[2]]]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: t.Any) -> None:
            pass

    server: t.Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def waited(folder: pathlib.Path, api: t.Any, **routers: list[str]) -> bool:
    """Whether the wait came to its end."""
    api.routers = {"http": ["api@internal"], "tcp": [], **routers}
    (wait,) = [
        task
        for task in yaml.safe_load((ROOT / "roles/edge/tasks/serve.yml").read_text())
        if task["name"] == "Wait for the routes"
    ]
    for task in wait["block"]:
        if "retries" in task:
            task.update(retries=1, delay=0)
    for name in ("web.yml", "shop.yml", "mail.yml", "certificates.yaml", "theirs.yml", "middlewares.yml"):
        (folder / name).write_text("")
    variables = {
        "ansible_connection": "local",
        "edge_services": SERVICES,
        "__edge_api": f"http://127.0.0.1:{api.server_port}",
        "__edge_dynamic_dir": str(folder),
        "__edge_entry_points": ["web", "websecure"],
    }
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [wait]}]
    code, output = played.play(folder, {"all": {"hosts": {"one": variables}}}, plays)
    assert "one" in output, output
    return code == 0


def test_routes_of_either_kind_are_enough_whatever_lies_beside_them(tmp_path: pathlib.Path, api: t.Any) -> None:
    assert waited(tmp_path, api, http=["web@file", "shop@file"], tcp=["mail@file"])


def test_a_router_of_an_entry_point_with_tls_is_the_services(tmp_path: pathlib.Path, api: t.Any) -> None:
    assert waited(tmp_path, api, http=["web@file", "websecure-shop@file"], tcp=["mail@file"])


@pytest.mark.parametrize(
    "routers",
    [
        {"http": ["web@file"], "tcp": ["mail@file"]},
        {"http": ["web@file", "websecure-web@file", "theirs@file"], "tcp": ["mail@file"]},
        {"http": ["web@file", "shop@file"]},
    ],
)
def test_each_is_waited_for(tmp_path: pathlib.Path, api: t.Any, routers: dict[str, list[str]]) -> None:
    assert not waited(tmp_path, api, **routers)
