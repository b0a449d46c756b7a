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
    """`folder` is part of a wheel; `source_tree` is not there beside an installed one."""

    folder: Path = Path(fleetloop.__file__).parent / "_bin"
    source_tree: Path = Path(fleetloop.__file__).parents[2]

    @property
    def cluster(self) -> Path:
        """Raises ProgramMissing."""
        return _existing(self.folder / "fleetloop-cluster", "`python hatch_build.py` compiles it")

    @property
    def kubectl(self) -> Path:
        """No wheel carries it: compiled by developers only. Raises ProgramMissing."""
        how = "`go build -o ../build/ ./cmd/fleetloop-kubectl` in cluster/ compiles it"
        return _existing(self.source_tree / "build" / "fleetloop-kubectl", how)


def _existing(path: Path, how: str) -> Path:
    if not path.exists():
        raise ProgramMissing(path, how)
    return path
