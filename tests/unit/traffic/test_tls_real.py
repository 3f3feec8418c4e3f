"""TLS that ends at a real Traefik with the static configuration and the certificates of role edge."""

from __future__ import annotations

import jinja2
import pytest

from .authority import Authority, served
from .conftest import Edge, until
from .role_play import ROOT, Play, contents

pytestmark = pytest.mark.slow

LOOK = ("certificates_look", "certificates")


class OwnEdge(Edge):
    def static(self):
        template = jinja2.Template((ROOT / "roles/edge/templates/traefik.yml.j2").read_text())
        return template.render(
            edge_http_port=self.web,
            edge_https_port=self.secure,
            edge_api_port=self.api,
            edge_log_level="INFO",
            edge_dial_timeout=5,
            edge_services=[],
            __edge_dynamic_dir=self.dynamic_dir,
        )


@pytest.fixture
def edge(tmp_path):
    started = OwnEdge(tmp_path)
    yield started
    started.stop()


def pair(cert, key):
    return {"edge_certificates": [{"cert_file": str(cert), "key_file": str(key)}]}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def play(edge, sides, tmp_path, authority):
    cert, key = authority.sign("edge", "app.lab")
    return Play(
        tmp_path,
        edge_config_dir=str(tmp_path),
        edge_http_port=edge.web,
        edge_https_port=edge.secure,
        edge_api_port=edge.api,
        edge_certificates=[{"cert_file": str(cert), "key_file": str(key)}],
        edge_shift_primary=[sides[0].address],
        edge_shift_canary=[sides[1].address],
    )


def test_nobody_notices_a_shift_or_a_renewal_over_tls(edge, tmp_path, authority, play, traffic):
    assert play(*LOOK, check=True)[1:] == (1, 0) and contents(edge.dynamic_dir) == {}
    made = play(*LOOK, "shift")
    assert made.failed == 0, made.said
    assert "PRIVATE" not in made.said
    until(lambda: served(edge.secure, "app.lab") == (tmp_path / "edge.pem").read_text())
    over_tls = {"edge_answers_tls": True, "edge_answers_ca_file": str(authority.file)}
    again = play(*LOOK, "shift", "answers", **over_tls)
    assert again[1:] == (0, 0), again.said
    with traffic(edge.secure, "app.lab", authority.file) as requests:
        there = play("shift", edge_shift_state="shifted")
        authority.sign("edge", "app.lab")
        foreseen = play(*LOOK, check=True)
        renewed = (tmp_path / "edge.pem").read_text()
        assert served(edge.secure, "app.lab") != renewed
        new = play(*LOOK)
        until(lambda: served(edge.secure, "app.lab") == renewed)
    assert there.failed == 0, there.said
    assert foreseen[1:] == new[1:] == (1, 0), foreseen.said + new.said
    assert requests.failed == 0 and {side for _status, side in requests.answers} == {"swarm", "k3s"}
    assert edge.process.poll() is None
    gone = play("certificates", edge_https_port=0, edge_certificates=[])
    assert gone[1:] == (1, 0) and not (edge.dynamic_dir / "certificates.yaml").exists()


def test_certificates_that_can_not_be_served_are_refused_by_name(edge, tmp_path, authority, play):
    cert, key = play.settings["edge_certificates"][0].values()
    other_key = str(authority.sign("other", "app.lab")[1])
    ended, ended_key = map(str, authority.sign("ended", "app.lab", days=-1))
    open_cert, open_key = authority.sign("open", "app.lab")
    open_key.chmod(0o644)
    refused = [
        ({"edge_certificates": []}, "set both, or neither"),
        ({"edge_https_port": 0}, "set both, or neither"),
        (pair("/nowhere", key), "edge_certificates: /nowhere is no file on this host"),
        (pair(cert, other_key), f"the key {other_key} does not fit {cert}"),
        (pair(ended, ended_key), f"{ended} has ended (notAfter="),
        (pair(open_cert, open_key), f"every user can read or write the key {open_key} (mode 0644)"),
        (pair(key, key), f"{key} is no certificate that openssl reads"),
        (pair(cert, cert), f"the key {cert}"),
        ({"edge_user": "nobody"}, f"user nobody can not read {cert}"),
    ]
    runs = play.at_each({f"host{number}": changes for number, (changes, _says) in enumerate(refused)}, *LOOK)
    for run, (_changes, says) in zip(runs.values(), refused, strict=True):
        assert (run.changed, run.failed) == (0, 1) and says in run.said, run.said
        assert "PRIVATE" not in run.said
    assert contents(edge.dynamic_dir) == {}
