# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was read once in a run of Ansible, for its other processes.

Each task is a process of its own, so that memory alone would hold a value for one task. The folder is that of the run,
which Ansible removes at its end. What lies in it is encrypted with a key that is made from the access token and is never
written down.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import os
import traceback
import typing as t

try:
    from cryptography.fernet import Fernet, InvalidToken
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    IMPORT_ERROR: str | None = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()


def cached(folder: str, name: str, token: str, read: t.Callable[[], t.Any]) -> t.Any:
    """What O(read) gives for O(name), JSON-ready; called once in a run for each O(name) and O(token).

    Processes that want the same wait for the one that reads. What O(read) raises is raised, and nothing is kept.
    """
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=name.encode()).derive(token.encode())
    box = Fernet(base64.urlsafe_b64encode(key))
    path = os.path.join(folder, "pulumi-esc-" + hashlib.sha256(key).hexdigest()[:32])
    with _locked(path + ".lock"):
        with contextlib.suppress(FileNotFoundError, InvalidToken), open(path, "rb") as handle:
            return json.loads(box.decrypt(handle.read()))
        value = read()
        with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(box.encrypt(json.dumps(value).encode()))
        os.replace(path + ".new", path)
        return value


@contextlib.contextmanager
def _locked(path: str) -> t.Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
