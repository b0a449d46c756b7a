"""Binds helm-controller: watches to queue, steps to tools. Runs until cancelled."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fleetloop.api import names
from fleetloop.api.helm import HelmRelease
from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Key
from fleetloop.build.expressions import Expressions
from fleetloop.controllers.helm.chart_source import ChartSource, source_key
from fleetloop.controllers.helm.dependencies import dependents
from fleetloop.controllers.helm.failures import ArtifactFailed
from fleetloop.controllers.helm.failures import ArtifactMissing as NoArtifact
from fleetloop.controllers.helm.inventory import inventory_of
from fleetloop.controllers.helm.memory_watch import watch_memory
from fleetloop.controllers.helm.reconcile import HelmReleaseReconciler
from fleetloop.controllers.helm.settings import HelmSettings
from fleetloop.controllers.helm.source_watches import SourceWatches
from fleetloop.controllers.helm.tools import HelmTools
from fleetloop.controllers.helm.values import config_refs
from fleetloop.controllers.helm.waits import Waits
from fleetloop.engine import Engines, EngineSettings
from fleetloop.kube.kstatus import Health
from fleetloop.kube.live import LiveObject, LiveObjects, Reading
from fleetloop.kube.managers import Takeover
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.config_watches import CachedReader, ConfigWatches
from fleetloop.runtime.controller import Controller
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.foreign_writes import Dampers, foreign_write
from fleetloop.runtime.health_rules import RuleJudge
from fleetloop.runtime.log import logger
from fleetloop.runtime.outcome import Target
from fleetloop.runtime.owned import Owned
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

KIND = kind_named("HelmRelease")
LARGEST_CHART = 100 << 20  # bytes
IN_FLIGHT = 2048  # actions that wait for the world count too


async def run(tools: Tools, settings: HelmSettings) -> None:
    """The whole controller."""
    with tempfile.TemporaryDirectory(prefix="charts-") as folder:
        async with Engines(EngineSettings(in_flight=IN_FLIGHT)) as engines, asyncio.TaskGroup() as group:
            wired = Wiring(tools, settings, engines, Path(folder))
            for job in wired.jobs():
                group.create_task(job)


class Wiring:
    """Who wakes whom. Holds the caches that the steps read."""

    def __init__(self, tools: Tools, settings: HelmSettings, engines: Engines, folder: Path) -> None:
        self._tools, self._settings = tools, settings
        limits = ReaderSettings(timeout=settings.http_timeout, max_bytes=LARGEST_CHART, kept_bytes=LARGEST_CHART)
        self._reader = ArtifactReader(folder, tools.session, limits, keep_file)
        takeover = Takeover(names.HELM_CONTROLLER, settings.override_managers)
        self._live = LiveObjects(tools.kube, self._seen, lambda _, kind, error: self._disturbed(kind, error), Reading(takeover))
        self._expressions = Expressions(engines)
        self._rules = RuleJudge(self._expressions.evaluate, lambda target: self._waits.observe(target.ref))
        self._waits = Waits(self._health_of, self._live.use, self._live.keep_content)
        self._owned, self._dampers = Owned(), Dampers()
        self._cached = CachedReader(tools.kube, self._disturbed) if settings.gate("CacheSecretsAndConfigMaps") else None
        self._configs = self._config_watches()
        self._sources = SourceWatches(
            tools.kube, self._source_revised, self._disturbed, external_artifacts=settings.gate("ExternalArtifact")
        )
        self._controller: Controller[HelmRelease] = Controller(
            KIND,
            HelmRelease,
            HelmReleaseReconciler(self._helm_tools(engines)),
            tools.kube,
            tools.recorder,
            tools.metrics,
            loop_settings(tools, names.HELM_CONTROLLER),
            also=self._release_changed,
        )

    def jobs(self) -> list[Any]:
        """Coroutines that run for as long as the controller does."""
        found = [
            self._controller.run(after=self._sources.caches.values()),
            self._live.run(),
            self._rules.run(),
            *self._sources.jobs(),
        ]
        found += [watch_memory(self._settings.memory)] if self._settings.gate("OOMWatch") else []
        found += self._cached.jobs() if self._cached else []
        found += self._configs.jobs() if self._configs else []
        return found

    def _helm_tools(self, engines: Engines) -> HelmTools:
        return HelmTools(
            kube=self._tools.kube,
            read=self._cached or self._tools.kube,
            settings=self._settings,
            engines=engines,
            sources=self._sources,
            find=self._find,
            chart_of=self._chart_of,
            expressions=self._expressions,
            waits=self._waits,
        )

    def _config_watches(self) -> ConfigWatches | None:
        if self._settings.gate("DisableConfigWatchers"):
            return None
        namespace = "" if self._tools.settings.watch_all_namespaces else self._tools.place.namespace
        selector = self._settings.watch_configs_label_selector
        return ConfigWatches(self._tools.kube, selector, self._config_changed, self._disturbed, namespace)

    async def _find(self, key: Key) -> HelmRelease | None:
        """Another controller's too, which reconciles other labels or namespaces."""
        if found := self._controller.cache.get(key.namespace, key.name):
            return found
        manifest = await self._tools.kube.find(ObjectRef(KIND.api_version, KIND.kind, key.namespace, key.name))
        return decoded(HelmRelease, manifest) if manifest else None

    def _enqueue(self, key: Key, cause: str) -> None:
        """`cause`: the object that has news."""
        if self._settings.gate("CancelHealthCheckOnNewRevision"):
            self._waits.supersede(key, cause)
        self._controller.enqueue(key)

    def _config_changed(self, ref: ObjectRef) -> None:
        """A labelled ConfigMap or Secret is new, other or gone: whoever names it is reconciled."""
        for release in self._controller.cache:
            if ref in config_refs(release):
                self._enqueue(release.key, str(ref))

    def _source_revised(self, source: Key, is_other: bool) -> None:
        """A newer chart ends the wait for the older one."""
        for release in self._controller.cache:
            if (release.spec.chart or release.spec.chart_ref) and source_key(release) == source:
                if is_other:
                    self._waits.supersede(release.key, str(source))
                self._enqueue(release.key, str(source))

    def _release_changed(self, old: HelmRelease | None, new: HelmRelease | None) -> None:
        """A newer spec ends the wait for the older one. Becoming ready wakes the dependents."""
        if new is None:
            if old is not None:
                self._owned.forget(old.key)
                self._live.keep_only(self._owned.kinds() | self._waits.kinds())
            return
        if old and _is_to_be_other(old, new):
            self._waits.supersede(new.key, str(new.key))
        self._watch_for_drift(new)
        if new.status.is_true("Ready") and not (old and old.status.is_true("Ready")):
            for key in dependents(new.key, self._controller.cache):
                self._enqueue(key, str(new.key))

    def _watch_for_drift(self, release: HelmRelease) -> None:
        detection = release.spec.drift_detection
        corrects = self._settings.drift_repair and detection is not None and detection.mode == "enabled"
        refs = inventory_of(release.status) if corrects and release.spec.kube_config is None else []
        if refs != self._owned.refs(release.key):
            self._owned.assign(release.key, refs)
            self._live.use({(ref.api_version, ref.kind) for ref in refs})

    def _seen(self, api_version: str, kind: str, old: LiveObject | None, new: LiveObject | None) -> None:
        """A watch's word: it may settle a wait, or be a foreign write to a release's object, which a pass then corrects."""
        some = new or old
        if some is None:
            return
        ref = ObjectRef(api_version, kind, some.namespace, some.name)
        self._waits.observe(ref)
        owner = self._owned.owner(ref)
        write = foreign_write(ref, old, new) if owner else None
        if owner and write and not some.left_alone:
            pause = self._dampers.of(("", ref)).next_pause(asyncio.get_running_loop().time())
            logger().info("foreign write, looking for drift", object=str(ref), owner=str(owner), change=str(write), pause=pause)
            self._controller.queue.add_after(owner, pause)

    def _health_of(self, target: Target) -> Health:
        live = self._live.find(target.ref)
        if live is None:
            gone = target.may_vanish and self._live.is_synced(target.ref)
            return Health("Current", "done and removed") if gone else Health("InProgress", "not seen yet")
        if live.version < target.version:
            return Health("InProgress", "an older version was seen")
        return self._rules.health(target, live) if target.rules else live.health

    def _disturbed(self, kind: str, error: Exception) -> None:
        logger().debug("watch interrupted, opening it again", kind=kind, error=str(error) or type(error).__name__)

    @asynccontextmanager
    async def _chart_of(self, source: ChartSource, wait: float) -> AsyncIterator[Path]:
        """The packaged chart."""
        opened = AsyncExitStack()
        try:
            tree = await opened.enter_async_context(self._reader.open(source.artifact.url, source.artifact.digest))
        except ArtifactMissing as error:
            raise NoArtifact(f"Source not ready: artifact not found. Retrying in {wait:g}s", after=wait) from error
        except (ArtifactUnreachable, ArtifactCorrupt, ArtifactTooLarge) as error:
            raise ArtifactFailed(f"Could not load chart: {error}") from error
        async with opened:
            yield tree / FILE


def _is_to_be_other(old: HelmRelease, new: HelmRelease) -> bool:
    """Another spec, or none any more. Who suspends a release lets end what is under way."""
    deleted = old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
    return deleted or (old.metadata.generation != new.metadata.generation and not new.spec.suspend)
