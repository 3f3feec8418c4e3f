"""One port for the API and the join protocol, as K3s has it: haproxy ends TLS and says who the client is."""

from __future__ import annotations

from pathlib import Path

from .controlplane import API_PORT, SUPERVISOR_PORT
from .settings import Settings

GROUPS = 4


def config(settings: Settings) -> str:
    """Headers that claim an identity are removed from every request; only a verified certificate sets them again."""
    tls: Path = settings.server_dir / "tls"
    address = settings.text("bind-address") or "0.0.0.0"
    groups = "\n".join(
        f"    http-request add-header X-Remote-Group %[ssl_c_s_dn(O,{n})] if certified {{ ssl_c_s_dn(O,{n}) -m found }}"
        for n in range(1, GROUPS + 1)
    )
    return f"""\
global
    maxconn 8000
    nbthread 1
    # The API sends a list as one chunk. In a smaller buffer 2.6 forgets the end of some of them (3 in 40 of 131,446 bytes), and waits for ever.
    tune.bufsize 1048576
    tune.h2.max-concurrent-streams 2000
    ssl-default-bind-options ssl-min-ver TLSv1.2
    ssl-server-verify required

defaults
    mode http
    option http-no-delay
    option tcpka
    timeout connect 5s
    timeout http-request 30s
    timeout http-keep-alive 5m
    # Watches are silent for minutes, an exec or a port-forward for hours.
    timeout client 2h
    timeout server 2h
    timeout tunnel 24h

frontend https
    bind {address}:{settings.port} ssl crt {tls}/serving-kube-apiserver.pem ca-file {tls}/client-ca.crt verify optional alpn h2,http/1.1
    acl certified ssl_c_used
    acl supervisor path /cacerts /ping /db/info
    acl supervisor path_beg /v1-k3s/
    http-request del-header X-Remote- -m beg
    http-request set-header X-Remote-User %[ssl_c_s_dn(CN)] if certified
{groups}
    use_backend supervisor if supervisor
    default_backend api

backend supervisor
    server supervisor 127.0.0.1:{SUPERVISOR_PORT}

backend api
    server api 127.0.0.1:{API_PORT} ssl verify required ca-file {tls}/server-ca.crt crt {tls}/client-auth-proxy.pem verifyhost kube-apiserver
"""


def command(file: Path) -> list[str]:
    return ["/usr/sbin/haproxy", "-db", "-q", "-f", str(file)]
