"""Where everything local lives on disk. Paths and small files only: nothing here starts or decides anything.

DIR/supervisor.lock          held by the supervisor while it lives; holds its pid
DIR/supervisor.sock .log
DIR/kubeconfig               every cluster, one context each
DIR/network                  the loopback network of the shared services
DIR/pki/                     the authority of the forge
DIR/forge/  DIR/registry/
DIR/clusters/NAME/network pki/ store/ kubeconfig controllers.kubeconfig logs/ pods/ claims/ services.json
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fleetloop.local.network import Network

CLUSTER_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class BadClusterName(ValueError):
    """A name that cannot be a context, a node and a folder at once."""

    def __init__(self, name: str) -> None:
        super().__init__(f"cluster name {name!r}: must be lower-case letters, digits and dashes, 40 at most")


def default_folder(environment: Mapping[str, str]) -> Path:
    data = environment.get("XDG_DATA_HOME") or Path(environment.get("HOME") or "/").joinpath(".local", "share")
    return Path(data) / "fleetloop"


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """The state of one cluster."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def context(self) -> str:
        return f"fleetloop-{self.name}"

    @property
    def pki(self) -> Path:
        return self.path / "pki"

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def controllers_kubeconfig(self) -> Path:
        return self.path / "controllers.kubeconfig"

    @property
    def service_map(self) -> Path:
        return self.path / "services.json"

    @property
    def pods(self) -> Path:
        return self.path / "pods"

    @property
    def claims(self) -> Path:
        return self.path / "claims"

    def log(self, process: str) -> Path:
        return self.path / "logs" / f"{process}.log"

    def network(self) -> Network:
        """Chosen once, so that the API server's address stays what users wrote down."""
        return Network.remembered(self.path / "network", seed=str(self.path))


@dataclass(frozen=True, slots=True)
class StateFolder:
    """The state of everything under one `--dir`."""

    path: Path

    @property
    def lock(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def pki(self) -> Path:
        return self.path / "pki"

    @property
    def forge(self) -> Path:
        return self.path / "forge"

    @property
    def registry(self) -> Path:
        return self.path / "registry"

    def service_log(self, process: str) -> Path:
        return self.path / "logs" / f"{process}.log"

    def network(self) -> Network:
        return Network.remembered(self.path / "network", seed=str(self.path))

    def cluster(self, name: str) -> ClusterFolder:
        """Raises BadClusterName."""
        if not CLUSTER_NAME.fullmatch(name):
            raise BadClusterName(name)
        return ClusterFolder(self.path / "clusters" / name)

    def clusters(self) -> list[ClusterFolder]:
        """Every cluster that was ever started here, running or not."""
        folder = self.path / "clusters"
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.exists() else []
        return [ClusterFolder(folder / name) for name in names]


def write_private(path: Path, content: str | bytes) -> None:
    """Replaces the file as a whole, readable by its owner only from its first moment on."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = path.with_name(f".{path.name}.new")
    data = content.encode() if isinstance(content, str) else content
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    new.replace(path)
