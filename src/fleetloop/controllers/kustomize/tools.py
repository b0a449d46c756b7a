"""What a Kustomization's pass works with, bound once in `wiring`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fleetloop.access.clusters import Clusters
from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key
from fleetloop.build.expressions import Expressions
from fleetloop.controllers.kustomize.handover import Handover
from fleetloop.controllers.kustomize.read_rights import ReadRights
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.sources import Sources
from fleetloop.controllers.kustomize.tree import Build, TreeOf
from fleetloop.kube.kstatus import Health
from fleetloop.runtime.controller import Report
from fleetloop.runtime.health_waits import HealthWaits
from fleetloop.runtime.outcome import Target


@dataclass(frozen=True, slots=True)
class KustomizeTools:
    clusters: Clusters
    rights: ReadRights
    settings: KustomizeSettings
    sources_for: Callable[[Kustomization], Awaitable[Sources]]
    read: Callable[[Key], Awaitable[Kustomization]]
    tree_of: TreeOf
    build: Build
    handover: Handover
    expressions: Expressions
    waits: HealthWaits
    health_of: Callable[[Target], Health]
    finalize: Callable[[Kustomization, Report], Awaitable[None]]
