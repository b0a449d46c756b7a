"""What a HelmRelease's pass works with, bound once in `wiring`."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from fleetloop.access.clusters import Cluster, Clusters
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.api.meta import Key
from fleetloop.build.expressions import Expressions
from fleetloop.controllers.helm.chart_source import ChartSource, Sources
from fleetloop.controllers.helm.settings import HelmSettings
from fleetloop.controllers.helm.waits import Waits
from fleetloop.engine import Engines
from fleetloop.kube.client import Kube
from fleetloop.runtime.config_watches import Reader

ChartOf = Callable[[ChartSource, float], AbstractAsyncContextManager[Path]]  # raises ArtifactFailed, SourceNotReady


@dataclass(frozen=True, slots=True)
class HelmTools:
    """`read`: ConfigMaps and Secrets, as the controller. `find`: another release, also one that other controllers reconcile.
    `claim`: what others change of the release's objects is looked at from now on."""

    kube: Kube
    read: Reader
    settings: HelmSettings
    engines: Engines
    sources: Sources
    find: Callable[[Key], Awaitable[HelmRelease | None]]
    chart_of: ChartOf
    expressions: Expressions
    waits: Waits
    clusters: Clusters
    claim: Callable[[Cluster, HelmRelease, HelmReleaseStatus], None]
