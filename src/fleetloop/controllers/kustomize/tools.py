"""What a Kustomization's pass works with, bound once in `wiring`."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key
from fleetloop.controllers.kustomize.clusters import Clusters
from fleetloop.controllers.kustomize.expressions import Expressions
from fleetloop.controllers.kustomize.read_rights import ReadRights
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.sources import Source, Sources
from fleetloop.kube.kstatus import Health
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.controller import Report
from fleetloop.runtime.health_waits import HealthWaits
from fleetloop.runtime.outcome import Target

Build = Callable[[Path, Source, Kustomization, float], Awaitable[list[Manifest]]]  # seconds at most; raises BuildError, Failure
TreeOf = Callable[[Source, float], AbstractAsyncContextManager[Path]]  # raises ArtifactMissing, ArtifactFailed


@dataclass(frozen=True, slots=True)
class KustomizeTools:
    clusters: Clusters
    rights: ReadRights
    settings: KustomizeSettings
    sources: Sources
    find: Callable[[Key], Kustomization | None]
    tree_of: TreeOf
    build: Build
    expressions: Expressions
    waits: HealthWaits
    health_of: Callable[[Target], Health]
    finalize: Callable[[Kustomization, Report], Awaitable[None]]
