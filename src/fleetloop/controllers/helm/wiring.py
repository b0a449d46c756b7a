"""Binds helm-controller: watches to queue, steps to tools. Runs until cancelled."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fleetloop.api import names
from fleetloop.api.helm import HelmRelease
from fleetloop.api.kinds import Kind, kind_named
from fleetloop.api.meta import Artifact, Key, Object
from fleetloop.controllers.helm.chart_source import ChartSource, source_key
from fleetloop.controllers.helm.failures import ArtifactFailed, SourceNotReady
from fleetloop.controllers.helm.reconcile import HelmReleaseReconciler
from fleetloop.controllers.helm.settings import HelmSettings
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.controllers.helm.waits import Waits
from fleetloop.engine import EngineError, EngineGone, Engines, EngineSettings, Family
from fleetloop.kube.cache import Cache
from fleetloop.kube.kstatus import Health
from fleetloop.kube.live import LiveObject, LiveObjects, Reading
from fleetloop.kube.managers import Takeover
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime.controller import Controller
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.log import logger
from fleetloop.runtime.outcome import Target
from fleetloop.runtime.process import Tools, loop_settings
from fleetloop.storage.reader import (
    FILE,
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactReader,
    ArtifactTooLarge,
    ArtifactUnreachable,
    ReaderSettings,
    keep_file,
)

SOURCE_KINDS = ("HelmChart", "OCIRepository", "ExternalArtifact")
CEL_TIMEOUT = 5.0  # seconds
LARGEST_CHART = 100 << 20  # bytes


async def run(tools: Tools, settings: HelmSettings) -> None:
    """The whole controller."""
    with tempfile.TemporaryDirectory(prefix="charts-") as folder:
        async with Engines(EngineSettings()) as engines, asyncio.TaskGroup() as group:
            wired = Wiring(tools, settings, engines, Path(folder))
            for job in wired.jobs():
                group.create_task(job)


class Wiring:
    """Who wakes whom. Holds the caches that the steps read."""

    def __init__(self, tools: Tools, settings: HelmSettings, engines: Engines, folder: Path) -> None:
        self._tools, self._engines = tools, engines
        limits = ReaderSettings(max_bytes=LARGEST_CHART, kept_bytes=LARGEST_CHART)
        self._reader = ArtifactReader(folder, tools.session, limits, keep_file)
        self._live = LiveObjects(
            tools.kube, self._seen, lambda _, kind, error: self._disturbed(kind, error), Reading(Takeover(names.HELM_CONTROLLER))
        )
        self._waits = Waits(self._health_of, self._live.use)
        self._sources = {kind: self._source_cache(kind_named(kind)) for kind in SOURCE_KINDS}
        helm_tools = HelmTools(
            kube=tools.kube,
            settings=settings,
            engines=engines,
            sources=self,
            find=lambda key: self._controller.cache.get(key.namespace, key.name),
            chart_of=self._chart_of,
            holds=self._holds,
            waits=self._waits,
        )
        self._controller: Controller[HelmRelease] = Controller(
            kind_named("HelmRelease"),
            HelmRelease,
            HelmReleaseReconciler(helm_tools),
            tools.kube,
            tools.recorder,
            tools.metrics,
            loop_settings(tools, names.HELM_CONTROLLER),
            also=self._release_changed,
        )

    def jobs(self) -> list[Any]:
        """Coroutines that run for as long as the controller does."""
        return [self._controller.run(), self._live.run(), *(cache.run() for cache in self._sources.values())]

    def find(self, key: Key) -> Object | None:
        """The source as last seen."""
        return self._sources[key.kind].get(key.namespace, key.name)

    def _source_cache(self, kind: Kind) -> Cache[Object]:
        listener = _SourceListener(kind.kind, self._source_changed, self._disturbed)
        decode: Callable[[Manifest], Object] = lambda manifest: decoded(kind.struct, manifest)  # noqa: E731
        return Cache(self._tools.kube, kind.api_version, kind.kind, decode, listener)

    def _source_changed(self, old: Object | None, new: Object | None) -> None:
        """A new revision, an artifact where there was none, or a source that is usable now wakes everyone who uses it."""
        if new is None or _usable(new) is None or _usable(new) == (_usable(old) if old else None):
            return
        for release in self._controller.cache:
            if source_key(release) == new.key:
                self._controller.enqueue(release.key)

    def _release_changed(self, old: HelmRelease | None, new: HelmRelease | None) -> None:
        """Becoming ready wakes the dependents."""
        if new is None or not new.status.is_true("Ready") or (old is not None and old.status.is_true("Ready")):
            return
        for release in self._controller.cache:
            refs = [(ref.namespace or release.namespace, ref.name) for ref in release.spec.depends_on]
            if (new.namespace, new.name) in refs:
                self._controller.enqueue(release.key)

    def _seen(self, api_version: str, kind: str, old: LiveObject | None, new: LiveObject | None) -> None:
        if some := new or old:
            self._waits.observe(ObjectRef(api_version, kind, some.namespace, some.name))

    def _health_of(self, target: Target) -> Health:
        live = self._live.find(target.ref)
        if live is None:
            return Health("InProgress", "not seen yet")
        if live.version < target.version:
            return Health("InProgress", "an older version was seen")
        return live.health

    def _disturbed(self, kind: str, error: Exception) -> None:
        logger().debug("watch interrupted, opening it again", kind=kind, error=str(error) or type(error).__name__)

    @asynccontextmanager
    async def _chart_of(self, source: ChartSource, wait: float) -> AsyncIterator[Path]:
        """The packaged chart."""
        opened = AsyncExitStack()
        try:
            tree = await opened.enter_async_context(self._reader.open(source.artifact.url, source.artifact.digest))
        except ArtifactMissing as error:
            raise SourceNotReady(f"Source not ready: artifact not found. Retrying in {wait:g}s", after=wait) from error
        except (ArtifactUnreachable, ArtifactCorrupt, ArtifactTooLarge) as error:
            raise ArtifactFailed(f"Could not load chart: {error}") from error
        async with opened:
            yield tree / FILE

    async def _holds(self, expression: str, variables: dict[str, Any]) -> bool:
        """Raises ValueError."""
        arguments: dict[str, Any] = {"expressions": [expression], "variables": variables, "output": "bool", "checked": True}
        try:
            answer = await self._engines.call_surely(Family.BUILD, "cel.eval", CEL_TIMEOUT, **arguments)
        except (EngineError, EngineGone) as error:
            raise ValueError(str(error)) from error
        (result,) = answer["values"]
        if "error" in result:
            raise ValueError(result["error"])
        return bool(result["value"])


class _SourceListener:
    """A source kind's watch, told to the wiring."""

    def __init__(
        self, kind: str, changed: Callable[[Object | None, Object | None], None], disturbed: Callable[[str, Exception], None]
    ) -> None:
        self._kind = kind
        self._changed = changed
        self._disturbed = disturbed

    def changed(self, old: Object | None, new: Object | None) -> None:
        self._changed(old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        self._disturbed(self._kind, error)

    def disturbed(self, error: Exception) -> None:
        self._disturbed(self._kind, error)


def _usable(source: Object) -> tuple[Artifact, bool] | None:
    """What makes a source worth a pass when it changes."""
    status: Any = source.status  # type: ignore[attr-defined]  # every source kind has one
    if status.artifact is None:
        return None
    return (status.artifact, status.observed_generation == source.metadata.generation)
