"""How the steps of a pass reach the source and the build."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from fleetloop.api.kustomize import Kustomization
from fleetloop.build import Built
from fleetloop.controllers.kustomize.sources import Source

Build = Callable[[Path, Source, Kustomization, float], Awaitable[Built]]  # seconds at most; raises BuildError, Failure
TreeOf = Callable[[Source, float], AbstractAsyncContextManager[Path]]  # raises ArtifactMissing, ArtifactFailed
