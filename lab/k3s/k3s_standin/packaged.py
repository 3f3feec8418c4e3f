"""Manifests: those K3s packages, and whatever lies in ``server/manifests``, applied and applied again on change."""

from __future__ import annotations

import hashlib
import pkgutil
import re
import subprocess
from pathlib import Path

from . import logs, pki
from .flags import PACKAGED
from .settings import BINARIES, Settings

OURS = ("rolebindings", "coredns", "local-storage", "runtimes")


def render(name: str, settings: Settings) -> str:
    content = pkgutil.get_data(__package__ or "k3s_standin", f"manifests/{name}.yaml")
    assert content is not None
    values = {"CLUSTER_DNS": settings.cluster_dns, "CLUSTER_DOMAIN": settings.cluster_domain}
    return re.sub(r"%\{([A-Z_]+)\}", lambda found: values[found[1]], content.decode())


class Deployer:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.server_dir / "manifests"
        self.kubeconfig = settings.server_dir / "cred/admin.kubeconfig"
        self.applied: dict[str, str] = {}

    def kubectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        call = [str(BINARIES / "kubectl"), "--kubeconfig", str(self.kubeconfig), *words]
        return subprocess.run(call, capture_output=True, text=True, check=False)

    def write_packaged(self) -> None:
        """A disabled component's file is removed, and with it what it had made; ``runtimes`` and the rest come back."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in OURS:
            file = self.folder / f"{name}.yaml"
            if name in PACKAGED and name in self.settings.disabled:
                if file.exists():
                    self.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", str(file))
                    file.unlink()
                continue
            text = render(name, self.settings).encode()
            if not file.exists() or file.read_bytes() != text:
                pki.write(file, text)

    def apply_changed(self) -> None:
        """All that is new in one call, since each start of kubectl costs; one by one where that fails, to know which."""
        changed = {}
        for file in self.manifests():
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            if self.applied.get(str(file)) != digest:
                changed[str(file)] = digest
        if not changed:
            return
        together = self.kubectl("apply", *(f"--filename={file}" for file in changed))
        for name, digest in changed.items():
            result = self.kubectl("apply", "-f", name) if together.returncode else together
            if result.returncode == 0:
                self.applied[name] = digest
                logs.info(f"Applied manifest {name}")
            else:
                logs.error(f"Failed to process config: failed to process {name}: {result.stderr.strip()[-500:]}")

    def manifests(self) -> list[Path]:
        files = [f for f in sorted(self.folder.rglob("*")) if f.suffix in (".yaml", ".yml", ".json")]
        return [f for f in files if not Path(f"{f}.skip").exists() and not f.name.startswith(".")]
