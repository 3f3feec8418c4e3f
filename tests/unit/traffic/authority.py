"""An authority that signs certificates for tests."""

from __future__ import annotations

import pathlib
import socket
import ssl
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.file, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl("req", "-x509", *KEY, "-keyout", self._key, "-out", self.file, "-days", "2", "-subj", "/CN=tests")

    def sign(self, name: str, *hosts: str, days: int = 1) -> tuple[pathlib.Path, pathlib.Path]:
        """Certificate and key C(name.pem) and C(name.key) for O(hosts); those that are there are replaced, as at a renewal."""
        cert, key, request = (self.folder / f"{name}.{ending}" for ending in ("pem", "key", "csr"))
        names = "subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts)
        _openssl("req", "-new", *KEY, "-keyout", key, "-out", request, "-subj", f"/CN={hosts[0]}", "-addext", names)
        signer = ["-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-copy_extensions", "copy"]
        _openssl("x509", "-req", "-in", request, "-out", cert, *signer, "-days", days)
        key.chmod(0o640)
        return cert, key


def served(port: int, host: str) -> str:
    """The certificate that a server on loopback has for O(host), in PEM."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), timeout=10)
    with context.wrap_socket(plain, server_hostname=host) as connection:
        return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True) or b"")


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
