"""Binds helm-controller: watches to queue, steps to tools. Runs until cancelled."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fleetloop.access.cluster_configs import ClusterConfigs
from fleetloop.access.clusters import LOCAL, Cluster, Clusters
from fleetloop.access.kubeconfigs import Kubeconfigs
from fleetloop.api import names
from fleetloop.api.helm import HelmRelease, HelmReleaseStatus
from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Key
from fleetloop.auth import TokenCache
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
from fleetloop.kube.live import LiveObject
from fleetloop.kube.managers import Takeover
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.config_watches import CachedReader, ConfigWatches, Reader
from fleetloop.runtime.controller import Controller
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.foreign_writes import Dampers, foreign_write
from fleetloop.runtime.health_rules import RuleJudge
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
from fleetloop.task_group import TaskGroup

KIND = kind_named("HelmRelease")
LARGEST_CHART = 100 << 20  # bytes
IN_FLIGHT = 2048  # actions that wait for the world count too


async def run(tools: Tools, settings: HelmSettings) -> None:
    """The whole controller."""
    with tempfile.TemporaryDirectory(prefix="charts-") as folder:
        async with Engines(EngineSettings(in_flight=IN_FLIGHT)) as engines, TaskGroup() as group:
            wired = Wiring(tools, settings, engines, Path(folder))
            for job in wired.jobs():
                group.create_task(job)


class Wiring:
    """Who wakes whom. Holds the caches that the steps read."""

    def __init__(self, tools: Tools, settings: HelmSettings, engines: Engines, folder: Path) -> None:
        self._tools, self._settings = tools, settings
        limits = ReaderSettings(settings.artifact_hosts, settings.http_timeout, max_bytes=LARGEST_CHART, kept_bytes=LARGEST_CHART)
        self._reader = ArtifactReader(folder, tools.session, limits, keep_file)
        takeover = Takeover(names.HELM_CONTROLLER, settings.override_managers)
        self._cached = CachedReader(tools.kube, self._disturbed) if settings.gate("CacheSecretsAndConfigMaps") else None
        self._config_reader: Reader = self._cached or tools.kube
        common = tools.settings
        tokens = TokenCache(common.token_cache_max_size, common.token_cache_max_duration, tools.metrics.token_cache)
        cluster_configs = ClusterConfigs(tools.kube, settings.kubeconfigs, tokens)
        kubeconfigs = Kubeconfigs(self._config_reader.get, settings.kubeconfigs, cluster_configs.describe)
        self._clusters = Clusters(
            tools.kube, kubeconfigs.describe, self._seen, self._disturbed, self._returned, takeover, IN_FLIGHT
        )
        self._expressions = Expressions(engines)
        self._rules = RuleJudge(self._expressions.evaluate, lambda target: self._waits.observe(target.ref, target.cluster))
        self._waits = Waits(self._health_of)
        self._dampers = Dampers()
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
            self._clusters.run(),
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
            read=self._config_reader,
            settings=self._settings,
            engines=engines,
            sources=self._sources,
            find=self._find,
            chart_of=self._chart_of,
            expressions=self._expressions,
            waits=self._waits,
            clusters=self._clusters,
            claim=self._claim,
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
                self._clusters.leave(old.key)
                here = self._clusters.local
                here.owned.forget(old.key)
                here.live.keep_only(here.owned.kinds() | self._waits.kinds())
            return
        if old and _is_to_be_other(old, new):
            self._waits.supersede(new.key, str(new.key))
        if new.spec.kube_config is None:
            self._claim(self._clusters.local, new, new.status)
        if new.status.is_true("Ready") and not (old and old.status.is_true("Ready")):
            for key in dependents(new.key, self._controller.cache):
                self._enqueue(key, str(new.key))

    def _claim(self, cluster: Cluster, release: HelmRelease, status: HelmReleaseStatus) -> None:
        """What others change of it is put back at once, where that is wanted. On one cluster: where it was before is left."""
        detection = release.spec.drift_detection
        corrects = self._settings.drift_repair and detection is not None and detection.mode == "enabled"
        refs = inventory_of(status) if corrects else []
        if cluster.name != LOCAL:
            self._clusters.local.owned.forget(release.key)
        if refs != cluster.owned.refs(release.key):
            cluster.owned.assign(release.key, refs)
            cluster.live.use(refs)

    def _returned(self, key: Key) -> None:
        """Its cluster answers again."""
        self._controller.enqueue(key)

    def _seen(self, cluster: str, api_version: str, kind: str, old: LiveObject | None, new: LiveObject | None) -> None:
        """A watch's word: it may settle a wait, or be a foreign write to a release's object, which a pass then corrects."""
        some, place = new or old, self._clusters.named(cluster)
        if some is None or place is None:
            return
        ref = ObjectRef(api_version, kind, some.namespace, some.name)
        self._waits.observe(ref, cluster)
        owner = place.owned.owner(ref)
        write = foreign_write(ref, old, new) if owner else None
        if owner and write and not some.left_alone:
            pause = self._dampers.of((cluster, ref)).next_pause(asyncio.get_running_loop().time())
            logger().info("foreign write, looking for drift", object=str(ref), owner=str(owner), change=str(write), pause=pause)
            self._controller.queue.add_after(owner, pause)

    def _health_of(self, target: Target) -> Health:
        cluster = self._clusters.named(target.cluster)
        if cluster is None:
            return Health("InProgress", "its cluster is described otherwise by now")
        live = cluster.live.latest(target.ref)
        if live is None:
            gone = target.may_vanish and cluster.live.is_synced(target.ref)
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
