# Copyright (c) the sophia.replatform maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading a git bundle to its last byte: a text header, an empty line, and a pack that ends with its own checksum."""

from __future__ import annotations

import hashlib
import typing as t

from ansible_collections.sophia.replatform.plugins.module_utils.errors import ReplatformError
from ansible_collections.sophia.replatform.plugins.module_utils.repository.files import CHUNK, Hashed


def read_bundle(path: str) -> dict[str, t.Any]:
    """The SHA-256 and the size of a bundle. Raises C(ReplatformError) when its pack is not what git wrote."""
    with open(path, "rb") as raw:
        whole = Hashed(raw)
        algorithm = "sha1"
        for line in iter(lambda: whole.line(CHUNK), b"\n"):
            if not line:
                raise ReplatformError(f"{path} holds no pack")
            if line == b"@object-format=sha256\n":
                algorithm = "sha256"
        pack = hashlib.new(algorithm, usedforsecurity=False)
        end = b""  # The checksum may begin in one chunk and end in the next.
        for chunk in iter(lambda: whole.read(CHUNK), b""):
            data = end + chunk
            pack.update(memoryview(data)[: -pack.digest_size])
            end = data[-pack.digest_size :]
    if end != pack.digest():
        raise ReplatformError(f"the pack in {path} differs from its checksum")
    return whole.facts
