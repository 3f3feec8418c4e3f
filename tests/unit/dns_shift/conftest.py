"""Two real name servers on loopback, a primary that takes updates and a secondary, and dnspython as Debian has it."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import time
import typing as t

import pytest
from ports import free_port

NAMED = shutil.which("named", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
UNPACKED = pathlib.Path(NAMED).parent.parent if NAMED else pathlib.Path("/usr")
# Debian's dnspython, where the environment has none of its own.
PYTHON = str(UNPACKED / "lib/python3/dist-packages")
sys.path.append(PYTHON)

ZONE = "example.test"
SECRET = "c2VjcmV0IG9mIHRoZSB0ZXN0IGtleSwgMzIgYnl0ZXM="
WRONG = "d3JvbmcgdGhhdCBpcyBub3QgdGhlIHNlY3JldCBvZiBpdA=="
ZONE_FILE = """$TTL 3600
@ SOA ns hostmaster 1 1 1 3600 60
@ NS ns
ns A 127.0.0.1
www AAAA 2001:db8::1
alias CNAME www
@ A 192.0.2.1
* A 192.0.2.1
short 2 A 192.0.2.1
aliased A 192.0.2.1
*.aliased CNAME www
mailless A 192.0.2.1
*.mailless TXT "v=spf1 -all"
""" + "".join(f"host-{n} A 192.0.2.1\nhost-{n} A 192.0.2.2\n" for n in range(60))
ZONE_FILE += "".join(f"quick-{n} 2 A 192.0.2.1\n" for n in range(20))


class Named:
    def __init__(self, folder: pathlib.Path, port: int, zone: str, records: str = "") -> None:
        folder.mkdir()
        if records:
            (folder / "zone").write_text(records)
        self.address = f"127.0.0.1:{port}"
        self._command = [str(NAMED), "-f", "-n", "1", "-c", str(folder / "named.conf")]
        (folder / "named.conf").write_text(
            f"""
options {{ directory "{folder}"; pid-file none; session-keyfile none; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; notify explicit; notify-delay 0; notify-rate 1000; serial-query-rate 1000;
  dnssec-validation no; max-refresh-time 1; max-retry-time 1; min-refresh-time 1; min-retry-time 1; }};
controls {{ }};
key "replatform" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
key "reader" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
zone "{ZONE}" {{ file "zone"; {zone} }};
"""
        )
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, env=libraries(), stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Servers:
    """A primary with the zone, and its secondary. Each test takes names of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        first, second = free_port(), free_port()
        allow = "update-policy { grant replatform zonesub ANY; };"
        self.primary = Named(
            folder / "primary", first, f"type primary; {allow} also-notify {{ 127.0.0.1 port {second}; }};", ZONE_FILE
        )
        self.secondary = Named(
            folder / "secondary", second, f"type secondary; primaries {{ 127.0.0.1 port {first}; }};"
        )
        self._names, self._quick = iter(range(60)), iter(range(20))
        for server in (self.primary, self.secondary):
            self.until(lambda s=server: self.look("ns", s)[1] == ["127.0.0.1"])

    def name(self) -> str:
        return f"host-{next(self._names)}"

    def quick_name(self) -> str:
        """One with a TTL of 2 s."""
        return f"quick-{next(self._quick)}"

    def look(self, name: str, server: Named | None = None, rdtype: str = "A") -> tuple[int, list[str]]:
        """TTL and values, by dig."""
        server = server or self.primary
        port = server.address.split(":")[1]
        full = f"{name}.{ZONE}" if name != "@" else ZONE
        words = ["dig", "+noall", "+answer", "+time=2", "+tries=1", "-p", port, "@127.0.0.1", full, rdtype]
        said = subprocess.run(words, env=libraries(), capture_output=True, text=True, check=False).stdout
        lines = [line.split(None, 4) for line in said.splitlines() if line and line[0] != ";"]
        return (int(lines[0][1]) if lines else 0), sorted(line[4] for line in lines)

    @staticmethod
    def until(holds: t.Callable[[], bool]) -> None:
        end = time.monotonic() + 60
        while not holds():
            assert time.monotonic() < end, "never"
            time.sleep(0.05)  # a server tells nobody that it has loaded

    def stop(self) -> None:
        self.primary.stop()
        self.secondary.stop()


def libraries() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": str(UNPACKED / f"lib/{os.uname().machine}-linux-gnu")}


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    assert NAMED, "named is missing: run make unit, which unpacks Debian's"
    made = Servers(tmp_path_factory.mktemp("named"))
    yield made
    made.stop()
