"""How the steps of a pass reach the source and the build."""

import os
import posixpath
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from fleetloop.api.kustomize import Kustomization
from fleetloop.build import Built
from fleetloop.controllers.kustomize.failures import ArtifactFailed
from fleetloop.controllers.kustomize.sources import Source

Build = Callable[[Path, Source, Kustomization, float], Awaitable[Built]]  # seconds at most; raises BuildError, Failure
TreeOf = Callable[[Source, float], AbstractAsyncContextManager[Path]]  # raises ArtifactMissing, ArtifactFailed


def check_path(tree: Path, path: str) -> None:
    """Raises ArtifactFailed for a spec.path that the artifact does not have. A tree holds no links, and `..` ends at its top."""
    inside = posixpath.normpath(f"/{path}").lstrip("/")
    if not os.path.exists(tree / inside):
        raise ArtifactFailed(f"kustomization path not found: stat ./{inside}: no such file or directory")
