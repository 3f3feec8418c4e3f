"""Debian's docker-registry on 127.0.0.1, images pushed to it by HTTP, and a server of tokens that it trusts."""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.client
import http.server
import json
import pathlib
import shutil
import ssl
import subprocess
import threading
import time
import typing as t
import urllib.parse

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

USER, PASSWORD = "puller", "correct horse"
# bcrypt of PASSWORD, which is the one kind of hash that the registry takes.
HTPASSWD = "puller:$2b$04$Rt8cSjqHce.X6GWYoVV.T.LiyFVho.sNEC3ad9wjwjN/tevTlP6T6\n"
OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."


class Registry:
    """One registry with a storage of its own. O(settings) go into its configuration."""

    def __init__(self, folder: pathlib.Path, certificate: str = "", **settings: t.Any) -> None:
        binary = shutil.which("docker-registry")
        assert binary, "there is no docker-registry: run make unit, which unpacks Debian's"
        self.storage = folder / "storage"
        tls = {"tls": {"certificate": certificate, "key": certificate}} if certificate else {}
        config = {
            "version": 0.1,
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}, "delete": {"enabled": True}},
            "http": {"addr": "127.0.0.1:0", **tls},
            **settings,
        }
        path = folder / "config.yml"
        path.write_text(yaml.safe_dump(config))
        command = [binary, "serve", str(path)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.log: list[str] = []
        self.address = self._listening()
        # Or it stops when nobody reads what it says.
        threading.Thread(target=self._read, daemon=True).start()
        self.tls = bool(certificate)

    def _listening(self) -> str:
        assert self.process.stderr
        for line in self.process.stderr:
            self.log.append(line)
            _before, found, after = line.partition("listening on ")
            if found:
                return after.partition('"')[0].partition(",")[0].strip()
        raise AssertionError("".join(self.log))

    def _read(self) -> None:
        assert self.process.stderr
        self.log.extend(self.process.stderr)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/octet-stream", **headers: str):
        """The status and headers of an answer, asked as somebody who may push."""
        if self.tls:
            context = ssl._create_unverified_context()
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(self.address, context=context)
        else:
            connection = http.client.HTTPConnection(self.address)
        credentials = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        sent = {"Content-Type": kind, "Authorization": f"Basic {credentials}", **headers}
        connection.request(method, path, body, sent)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert answer.status < 300, (method, path, answer.status)
        return answer

    def blob(self, repository: str, content: bytes) -> dict[str, t.Any]:
        location = self.ask("POST", f"/v2/{repository}/blobs/uploads/").headers["Location"]
        parts = urllib.parse.urlsplit(location)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.ask("PUT", f"{parts.path}?{parts.query}&digest={digest}", content)
        return {"digest": digest, "size": len(content)}

    def manifest(self, repository: str, version: str, kind: str, manifest: dict[str, t.Any]) -> dict[str, t.Any]:
        body = json.dumps(manifest).encode()
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        self.ask("PUT", f"/v2/{repository}/manifests/{version or digest}", body, kind)
        return {"mediaType": kind, "digest": digest, "size": len(body)}

    def image(self, repository: str, architecture: str, tag: str = "", family: str = OCI, variant: str = ""):
        """Push an image for one platform; its descriptor."""
        platform = {"os": "linux", "architecture": architecture, **({"variant": variant} if variant else {})}
        rootfs = {"type": "layers", "diff_ids": []}
        config = self.blob(repository, json.dumps({**platform, "rootfs": rootfs}).encode())
        layer = self.blob(repository, f"layer of {architecture}{variant}".encode())
        oci = family == OCI
        config["mediaType"] = f"{OCI}config.v1+json" if oci else f"{DOCKER}container.image.v1+json"
        layer["mediaType"] = f"{OCI}layer.v1.tar+gzip" if oci else f"{DOCKER}image.rootfs.diff.tar.gzip"
        kind = f"{OCI}manifest.v1+json" if oci else f"{DOCKER}distribution.manifest.v2+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]}
        return {**self.manifest(repository, tag, kind, manifest), "platform": platform, "layer": layer["digest"]}

    def index(self, repository: str, tag: str, images: list[dict[str, t.Any]], family: str = OCI):
        kind = f"{OCI}index.v1+json" if family == OCI else f"{DOCKER}distribution.manifest.list.v2+json"
        entries = [{key: one[key] for key in ("mediaType", "digest", "size", "platform")} for one in images]
        return self.manifest(repository, tag, kind, {"schemaVersion": 2, "mediaType": kind, "manifests": entries})

    def lose(self, repository: str, digest: str) -> None:
        """Let the storage lose a layer or a manifest of the repository, as a disk or a clean-up does."""
        sha = digest.partition(":")[2]
        links = [path for path in self.storage.rglob(f"{repository}/**/{sha}/link") if "tags" not in path.parts]
        assert links
        for path in links:
            path.unlink()


class Tokens:
    """A server that gives out tokens as distribution's C(spec/auth/token.md) says, to those whom it knows."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.key = rsa.generate_private_key(65537, 2048)
        self.certificate = _signed(self.key)
        self.bundle = folder / "tokens.pem"
        self.bundle.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        handler = type("Handler", (_TokenHandler,), {"tokens": self})
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.realm = f"http://127.0.0.1:{self.server.server_address[1]}/token"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def settings(self) -> dict[str, t.Any]:
        """What makes a registry trust these tokens."""
        known = {"realm": self.realm, "service": "shop", "issuer": "test", "rootcertbundle": str(self.bundle)}
        return {"auth": {"token": known}}

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def answer(self, method: str, query: dict[str, list[str]], authorization: str) -> dict[str, t.Any] | None:
        self.asked.append((method, query, authorization))
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if method == "POST":
            known = query["refresh_token"] == ["an-identity-token"] and query["grant_type"] == ["refresh_token"]
        else:
            known = authorization == basic
        if not known and authorization:
            return None
        kind, name, actions = query["scope"][0].split(":")
        access = (
            [{"type": kind, "name": name, "actions": actions.split(",")}] if known or name.startswith("open/") else []
        )
        name_of = "access_token" if method == "POST" else "token"
        return {name_of: self.token(query["service"][0], access)}

    def token(self, service: str, access: list[dict[str, t.Any]]) -> str:
        now = int(time.time())
        certificate = base64.b64encode(self.certificate.public_bytes(serialization.Encoding.DER)).decode()
        head = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
        claims = {"iss": "test", "sub": USER, "aud": service, "iat": now - 60, "nbf": now - 60, "exp": now + 600}
        text = f"{_url64(json.dumps(head).encode())}.{_url64(json.dumps({**claims, 'access': access}).encode())}"
        return f"{text}.{_url64(self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


class _TokenHandler(http.server.BaseHTTPRequestHandler):
    tokens: Tokens

    def _serve(self) -> None:
        query = urllib.parse.urlsplit(self.path).query
        if self.command == "POST":
            query = self.rfile.read(int(self.headers["Content-Length"])).decode()
        answer = self.tokens.answer(self.command, urllib.parse.parse_qs(query), self.headers.get("Authorization", ""))
        text = json.dumps(answer).encode()
        self.send_response(401 if answer is None else 200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = _serve

    def log_message(self, format: str, *args: t.Any) -> None:
        """Say nothing."""


def _signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    now = datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tokens")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    made = made.not_valid_after(now + datetime.timedelta(hours=1))
    return made.add_extension(x509.BasicConstraints(True, None), True).sign(key, hashes.SHA256())


def _url64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
