"""The cluster's certificate authorities and certificates, under the names K3s gives their files."""

from __future__ import annotations

import ipaddress
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Iterable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITIES = ("server-ca", "client-ca", "request-header-ca", "etcd/server-ca", "etcd/peer-ca")


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Whole or not at all: a killed writer must not leave half a key behind."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(temporary, mode)
    os.replace(temporary, path)


def _key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=days))
    )


def authority(folder: Path, name: str) -> None:
    if (folder / f"{name}.key").exists() and (folder / f"{name}.crt").exists():
        return
    key, pem = _key()
    subject = x509.Name(
        [
            x509.NameAttribute(
                NameOID.COMMON_NAME, f"k3s-{name.replace('/', '-')}@{int(datetime.now(timezone.utc).timestamp())}"
            )
        ]
    )
    usage = x509.KeyUsage(True, False, True, False, False, True, False, False, False)
    certificate = (
        _builder(subject, subject, key, 3650)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write(folder / f"{name}.key", pem)
    write(folder / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def issue(
    folder: Path, ca: str, user: str, groups: Iterable[str] = (), sans: Iterable[str] = ()
) -> tuple[bytes, bytes]:
    """A key and a certificate for client and server use, signed by one of the authorities in ``folder``."""
    ca_key = serialization.load_pem_private_key((folder / f"{ca}.key").read_bytes(), None)
    ca_certificate = x509.load_pem_x509_certificate((folder / f"{ca}.crt").read_bytes())
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key, pem = _key()
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user)])
    builder = (
        _builder(subject, ca_certificate.subject, key, 365)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    )
    names = [general_name(san) for san in dict.fromkeys(sans)]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = builder.sign(ca_key, hashes.SHA256())
    return pem, certificate.public_bytes(serialization.Encoding.PEM)


def general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def valid_for(file: Path, sans: Iterable[str]) -> bool:
    """Whether a certificate is there, lives another 90 days and names all of ``sans``."""
    if not file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    until = certificate.not_valid_after.replace(tzinfo=timezone.utc)  # naive UTC in Debian's release of the library
    if until < datetime.now(timezone.utc) + timedelta(days=90):
        return False
    try:
        present = set(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        present = set()
    return {general_name(san) for san in sans} <= present


def ensure(folder: Path, name: str, ca: str, user: str, groups: Iterable[str] = (), sans: Iterable[str] = ()) -> None:
    """Certificate ``name`` in ``folder``: .crt, .key, and both in one .pem as haproxy wants them."""
    sans = list(sans)
    issuer = folder / f"{ca}.crt"
    file = folder / f"{name}.crt"
    if valid_for(file, sans) and file.stat().st_mtime >= issuer.stat().st_mtime and (folder / f"{name}.pem").exists():
        return
    key, certificate = issue(folder, ca, user, groups, sans)
    write(folder / f"{name}.key", key)
    write(folder / f"{name}.crt", certificate, 0o644)
    write(folder / f"{name}.pem", certificate + key)


def service_account_key(folder: Path) -> None:
    if not (folder / "service.key").exists():
        write(folder / "service.key", _key()[1])


def server_certificates(folder: Path, node_name: str, api_sans: list[str], etcd_sans: list[str]) -> None:
    """Everything a server needs; certificates that are still good stay as they are."""
    for name in AUTHORITIES:
        authority(folder, name)
    service_account_key(folder)
    masters = ["system:masters"]
    ensure(folder, "serving-kube-apiserver", "server-ca", "kube-apiserver", sans=api_sans)
    ensure(folder, "client-admin", "client-ca", "system:admin", masters)
    ensure(folder, "client-supervisor", "client-ca", "system:k3s-supervisor", masters)
    ensure(folder, "client-kube-apiserver", "client-ca", "system:apiserver", masters)
    ensure(folder, "client-controller", "client-ca", "system:kube-controller-manager")
    ensure(folder, "client-scheduler", "client-ca", "system:kube-scheduler")
    ensure(folder, "client-auth-proxy", "request-header-ca", "system:auth-proxy")
    ensure(folder, "etcd/server-client", "etcd/server-ca", "etcd-server", sans=etcd_sans)
    ensure(folder, "etcd/peer-server-client", "etcd/peer-ca", "etcd-peer", sans=etcd_sans)
    ensure(folder, "etcd/client", "etcd/server-ca", "etcd-client")
