"""Binds kustomize-controller: watches to queue, steps to tools. Runs until cancelled."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from fleetloop.access.cluster_configs import ClusterConfigs
from fleetloop.access.clusters import Clusters
from fleetloop.access.kubeconfigs import Kubeconfigs
from fleetloop.api import names
from fleetloop.api.kinds import kind_named
from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key, content_of
from fleetloop.api.old_versions import upgraded
from fleetloop.auth import TokenCache
from fleetloop.build import (
    BuildCache,
    BuildRequest,
    Built,
    EncryptedSecret,
    build_with_files,
    digest_of,
    label_objects,
    settings_of,
)
from fleetloop.build.expressions import Expressions
from fleetloop.controllers.kustomize.configs import config_refs
from fleetloop.controllers.kustomize.decryption import DecryptionAccess
from fleetloop.controllers.kustomize.dependencies import dependents
from fleetloop.controllers.kustomize.drift import told_of_fight, waits_for_interval
from fleetloop.controllers.kustomize.failures import ArtifactFailed, ReconciliationFailed
from fleetloop.controllers.kustomize.failures import ArtifactMissing as NoArtifact
from fleetloop.controllers.kustomize.failures import ArtifactUnreachable as Unreachable
from fleetloop.controllers.kustomize.finalize import Finalizer
from fleetloop.controllers.kustomize.handover import Handover
from fleetloop.controllers.kustomize.inventories import inventory_of
from fleetloop.controllers.kustomize.read_rights import ReadRights
from fleetloop.controllers.kustomize.reconcile import KustomizationReconciler
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.source_watches import SourceWatches
from fleetloop.controllers.kustomize.sources import Source, source_key
from fleetloop.controllers.kustomize.steps import read_variables
from fleetloop.controllers.kustomize.tools import KustomizeTools
from fleetloop.engine import Engines, EngineSettings
from fleetloop.kube.kstatus import Health
from fleetloop.kube.live import LiveObject
from fleetloop.kube.managers import Takeover
from fleetloop.kube.normal_form import normalized
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.config_watches import CachedReader, ConfigWatches, Reader
from fleetloop.runtime.controller import Controller
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.events import Fact
from fleetloop.runtime.foreign_writes import FIGHT, Dampers, ForeignWrite, foreign_write
from fleetloop.runtime.health_rules import RuleJudge
from fleetloop.runtime.health_waits import HealthWaits
from fleetloop.runtime.log import logger
from fleetloop.runtime.outcome import Target
from fleetloop.runtime.process import Tools, loop_settings
from fleetloop.storage.digest import UnsupportedDigest
from fleetloop.storage.reader import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactReader,
    ArtifactTooLarge,
    ArtifactUnreachable,
    ReaderSettings,
)
from fleetloop.storage.tarball import UnsafeArchive
from fleetloop.task_group import TaskGroup

KIND = kind_named("Kustomization")
STATUS_MANAGER = "gotk-kustomize-controller"  # objects are applied as kustomize-controller; the object's own status is not


async def run(tools: Tools, settings: KustomizeSettings) -> None:
    """The whole controller."""
    with tempfile.TemporaryDirectory(prefix="artifacts-") as folder:
        async with Engines(EngineSettings(environment=settings.environment)) as engines, TaskGroup() as group:
            wired = Wiring(tools, settings, engines, Path(folder))
            for job in wired.jobs():
                group.create_task(job)


class Wiring:
    """Who wakes whom. Holds the caches that the steps read."""

    def __init__(self, tools: Tools, settings: KustomizeSettings, engines: Engines, folder: Path) -> None:
        self._tools = tools
        self._settings = settings
        self._engines = engines
        self._reader = ArtifactReader(folder, tools.session, ReaderSettings(settings.artifact_hosts))
        self._builds = BuildCache()
        self._expressions = Expressions(engines)
        self._rules = RuleJudge(self._expressions.evaluate, lambda target: self._waits.observe(target.ref, target.cluster))
        self._dampers = Dampers()
        self._cached = CachedReader(tools.kube, self._disturbed) if settings.gate("CacheSecretsAndConfigMaps") else None
        self._config_reader: Reader = self._cached or tools.kube
        common = tools.settings
        tokens = TokenCache(common.token_cache_max_size, common.token_cache_max_duration, tools.metrics.token_cache)
        self._decryption = DecryptionAccess(
            tools.kube, self._config_reader, settings, tools.place.namespace, tools.session, tokens
        )
        cluster_configs = ClusterConfigs(tools.kube, settings.kubeconfigs, tokens)
        kubeconfigs = Kubeconfigs(self._config_reader.get, settings.kubeconfigs, cluster_configs.describe)
        takeover = Takeover(names.KUSTOMIZE_CONTROLLER, settings.override_managers)
        self._clusters = Clusters(tools.kube, kubeconfigs.describe, self._seen, self._disturbed, self._enqueue, takeover)
        self._sources = SourceWatches(tools.kube, settings, self._source_revised, self._disturbed)
        self._handover = Handover(lambda: self._controller.cache, self._sources, settings, self._tree_of, self._build)
        self._finalizer = Finalizer(self._clusters, settings, self._handover)
        self._configs = self._config_watches()
        self._waits = HealthWaits(self._enqueue, self._health_of)
        self._reconciler = KustomizationReconciler(self._kustomize_tools())
        self._controller = Controller(
            KIND,
            Kustomization,
            self._reconciler,
            tools.kube,
            tools.recorder,
            tools.metrics,
            loop_settings(tools, STATUS_MANAGER),
            self._waits,
            self._kustomization_changed,
        )

    def jobs(self) -> list[Any]:
        """Coroutines that run for as long as the controller does."""
        found = [self._controller.run(after=self._sources.caches.values()), self._clusters.run(), self._rules.run()]
        found += self._sources.jobs()
        found += self._cached.jobs() if self._cached else []
        found += self._configs.jobs() if self._configs else []
        return found

    def _kustomize_tools(self) -> KustomizeTools:
        return KustomizeTools(
            clusters=self._clusters,
            rights=ReadRights(),
            settings=self._settings,
            sources_for=self._sources.for_pass,
            read=self._read,
            tree_of=self._tree_of,
            build=self._build,
            handover=self._handover,
            expressions=self._expressions,
            waits=self._waits,
            health_of=self._health_of,
            finalize=self._finalizer.finalize,
        )

    def _config_watches(self) -> ConfigWatches | None:
        if self._settings.gate("DisableConfigWatchers"):
            return None
        namespace = "" if self._tools.settings.watch_all_namespaces else self._tools.place.namespace
        selector = self._settings.watch_configs_label_selector
        return ConfigWatches(self._tools.kube, selector, self._config_changed, self._disturbed, namespace)

    def _config_changed(self, ref: ObjectRef) -> None:
        """A labelled ConfigMap or Secret is new, other or gone: whoever names it is reconciled, whatever it was waiting for."""
        for ks in self._controller.cache:
            if ref in config_refs(ks):
                self._reconciler.configured(ks.key, ref)
                self._enqueue(ks.key)

    async def _read(self, key: Key) -> Kustomization:
        """Another controller's too, which reconciles other labels or namespaces. Raises NotFound."""
        if found := self._controller.cache.get(key.namespace, key.name):
            return found
        return decoded(Kustomization, await self._tools.kube.get(ObjectRef(KIND.api_version, KIND.kind, key.namespace, key.name)))

    def _enqueue(self, key: Key) -> None:
        self._controller.enqueue(key)

    def _source_revised(self, key: Key) -> None:
        """Wakes everyone who uses the source, each by itself (SK30).

        What was attempted last does not count: a pass may be at work with what came in between.
        """
        for ks in self._controller.cache:
            if source_key(ks) == key:
                self._enqueue(ks.key)

    def _kustomization_changed(self, old: Kustomization | None, new: Kustomization | None) -> None:
        """Becoming ready wakes the dependents; going away forgets what was owned."""
        if new is None:
            if old is not None:
                self._reconciler.forget(old.key)
                self._finalizer.forget(old.key)
                self._clusters.leave(old.key)
                self._clusters.local.live.keep_only(self._kinds_in_use())
            return
        if old is None and new.spec.kube_config is None:
            self._clusters.local.owned.assign(new.key, inventory_of(new.status))
        ready = (new.status.is_true("Ready"), new.status.last_applied_revision)
        if old is None or ready != (old.status.is_true("Ready"), old.status.last_applied_revision):
            for key in (*dependents(new.key, self._controller.cache), *self._handover.waiting_for(new.key)):
                self._enqueue(key)

    def _kinds_in_use(self) -> set[tuple[str, str]]:
        here = [ks for ks in self._controller.cache if ks.spec.kube_config is None]
        checks = {(c.api_version or "apps/v1", c.kind) for ks in here for c in ks.spec.health_checks}
        return self._clusters.local.owned.kinds() | checks

    def _seen(self, cluster: str, api_version: str, kind: str, old: LiveObject | None, new: LiveObject | None) -> None:
        """A watch's word about an object of a kind in use: it may settle a wait, or be a foreign write to repair."""
        some, place = new or old, self._clusters.named(cluster)
        if some is None or place is None:
            return
        ref = ObjectRef(api_version, kind, some.namespace, some.name)
        self._waits.observe(ref, cluster)
        owner = place.owned.owner(ref)
        if owner and new and old is None and self._reconciler.first_seen(owner, ref, new):
            self._enqueue(owner)
        if owner and (write := foreign_write(ref, old, new)):
            ks = self._controller.cache.get(owner.namespace, owner.name)
            if ks and self._settings.drift_repair and not waits_for_interval(ks, old, new):
                self._repair(ks, cluster, write)

    def _repair(self, ks: Kustomization, cluster: str, write: ForeignWrite) -> None:
        damper = self._dampers.of((cluster, write.ref))
        pause = damper.next_pause(asyncio.get_running_loop().time())
        logger().info("foreign write, repairing", object=str(write.ref), owner=str(ks.key), change=str(write), pause=pause)
        if damper.writes == FIGHT:
            self._tools.recorder.record(ks, Fact("Warning", "DriftFight", told_of_fight(write), {}))
        self._reconciler.disturb(ks.key)
        self._controller.queue.add_after(ks.key, pause)

    def _health_of(self, target: Target) -> Health:
        cluster = self._clusters.named(target.cluster)
        if cluster is None:
            return Health("InProgress", "its cluster is described otherwise by now")
        live = cluster.live.latest(target.ref)
        if live is None:
            if not cluster.live.is_synced(target.ref):
                return Health("InProgress", "not seen yet")
            return Health("Current", "done and removed") if target.may_vanish else Health("NotFound", "resource not found")
        if live.version < target.version:
            return Health("InProgress", "an older version was seen")
        if target.rules:
            return self._rules.health(target, live)
        return live.health

    def _disturbed(self, kind: str, error: Exception) -> None:
        logger().debug("watch interrupted, opening it again", kind=kind, error=str(error) or type(error).__name__)

    @asynccontextmanager
    async def _tree_of(self, source: Source, wait: float) -> AsyncIterator[Path]:
        opened = AsyncExitStack()
        try:
            tree = await opened.enter_async_context(self._reader.open(source.artifact.url, source.artifact.digest))
        except ArtifactMissing as error:
            raise NoArtifact(f"Source is not ready, artifact not found, retrying in {wait:g}s", after=wait) from error
        except ArtifactUnreachable as error:
            raise Unreachable(str(error)) from error
        except (ArtifactCorrupt, ArtifactTooLarge, UnsafeArchive, UnsupportedDigest) as error:
            raise ArtifactFailed(str(error)) from error
        async with opened:
            yield tree

    async def _build(self, tree: Path, source: Source, ks: Kustomization, timeout: float) -> Built:
        post_build, common = ks.spec.post_build, ks.spec.common_metadata
        variables, missing = await read_variables(ks, self._config_reader)
        request = BuildRequest(
            path=ks.spec.path,
            settings=settings_of(content_of(ks.spec)),
            decryption_keys=await self._decryption.keys(ks),
            log_in=self._decryption.log_in(ks),
            variables=variables,
            missing_variables=missing,
            substitute_always=post_build is not None and post_build.substitute_strategy == "Always",
            strict=self._settings.gate("StrictPostBuildSubstitutions"),
            allow_remote_bases=not self._settings.no_remote_bases,
            timeout=timeout,
            source=source.artifact.digest,
            owner=ks.namespace,
        )
        try:
            built = await build_with_files(tree, request, self._engines, self._builds)
        except EncryptedSecret as error:
            raise ReconciliationFailed(str(error)) from error
        digest = await digest_of(built, request, self._engines)
        labelled = label_objects(
            [normalized(upgraded(manifest)) for manifest in built.objects],
            ks.name,
            ks.namespace,
            common.labels if common else None,
            common.annotations if common else None,
        )
        return Built(labelled, built.files, digest)
