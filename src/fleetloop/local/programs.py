"""Where the compiled programs are that a cluster consists of."""

from dataclasses import dataclass
from pathlib import Path

import fleetloop

KUBERNETES_VERSION = "v1.36.3"  # of cluster/go.mod


class ProgramMissing(Exception):
    """The wheel was built without the embedded control plane, or the source tree is not compiled yet."""

    def __init__(self, path: Path, how: str) -> None:
        super().__init__(f"{path} does not exist: in a source tree, {how}")


@dataclass(frozen=True, slots=True)
class Programs:
    folder: Path = Path(fleetloop.__file__).parent / "_bin"

    @property
    def cluster(self) -> Path:
        """Raises ProgramMissing."""
        return self._existing("fleetloop-cluster", "`python hatch_build.py` compiles it")

    @property
    def kubectl(self) -> Path:
        """No wheel carries it: compiled by developers only. Raises ProgramMissing."""
        return self._existing("fleetloop-kubectl", f"`go build -o {self.folder}/ ./cmd/fleetloop-kubectl` in cluster/ does")

    def _existing(self, name: str, how: str) -> Path:
        path = self.folder / name
        if not path.exists():
            raise ProgramMissing(path, how)
        return path
