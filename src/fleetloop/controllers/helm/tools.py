"""What a HelmRelease's pass works with, bound once in `wiring`."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fleetloop.api.helm import HelmRelease
from fleetloop.api.meta import Key
from fleetloop.controllers.helm.chart_source import ChartSource, Sources
from fleetloop.controllers.helm.settings import HelmSettings
from fleetloop.controllers.helm.waits import Waits
from fleetloop.engine import Engines
from fleetloop.kube.client import Kube

Evaluate = Callable[[str, dict[str, Any]], Awaitable[bool]]  # expression, variables; raises ValueError
ChartOf = Callable[[ChartSource, float], AbstractAsyncContextManager[Path]]  # raises ArtifactFailed, SourceNotReady


@dataclass(frozen=True, slots=True)
class HelmTools:
    kube: Kube
    settings: HelmSettings
    engines: Engines
    sources: Sources
    find: Callable[[Key], HelmRelease | None]
    chart_of: ChartOf
    holds: Evaluate
    waits: Waits
