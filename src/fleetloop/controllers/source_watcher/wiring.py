"""Binds source-watcher: a source with another artifact wakes the generators that use it. Runs until cancelled."""

import asyncio
import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path

from fleetloop.api.kinds import Kind, kind_named
from fleetloop.api.meta import Artifact, Key, Object
from fleetloop.api.source_extensions import ArtifactGenerator
from fleetloop.controllers.source_watcher.reconcile import MANAGER, GeneratorReconciler
from fleetloop.controllers.source_watcher.settings import WatcherSettings
from fleetloop.kube.cache import Cache
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.controller import Controller
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.log import logger
from fleetloop.runtime.process import Tools, loop_settings
from fleetloop.storage.reader import ArtifactReader
from fleetloop.storage.server import artifact_server
from fleetloop.storage.store import ArtifactStore
from fleetloop.task_group import TaskGroup

SOURCE_KINDS = ("Bucket", "GitRepository", "OCIRepository", "HelmChart", "ExternalArtifact")
FINALIZER = "source.extensions.fluxcd.io/finalizer"


async def run(tools: Tools, settings: WatcherSettings) -> None:
    """The whole controller. Only a leader runs this: artifacts are served by whoever writes them."""
    store = ArtifactStore(settings.storage_path, settings.digest_algorithm)
    await asyncio.to_thread(store.free, utc_now().timestamp())
    host, port = settings.serve_at
    with tempfile.TemporaryDirectory(prefix="artifacts-") as folder:
        async with artifact_server(store.root, host, port), TaskGroup() as group:
            wired = _Wiring(tools, settings, store, Path(folder))
            group.create_task(wired.controller.run(after=wired.sources.values()))
            for cache in wired.sources.values():
                group.create_task(cache.run())


class _Wiring:
    def __init__(self, tools: Tools, settings: WatcherSettings, store: ArtifactStore, folder: Path) -> None:
        self._tools = tools
        self.sources = {kind: self._cache(kind_named(kind)) for kind in SOURCE_KINDS}
        reconciler = GeneratorReconciler(
            kube=tools.kube,
            store=store,
            reader=ArtifactReader(folder, tools.session),
            find=lambda key: self.sources[key.kind].get(key.namespace, key.name),
            advertised=settings.advertised,
            no_cross_namespace=settings.common.no_cross_namespace_refs,
            requeue=settings.requeue_dependency,
            timeout=settings.reconciliation_timeout,
            retention=settings.retention,
            now=utc_now,
        )
        loop = dataclasses.replace(loop_settings(tools, MANAGER), finalizer=FINALIZER)
        kind = kind_named("ArtifactGenerator")
        shared = (tools.kube, tools.recorder, tools.metrics, loop)
        self.controller: Controller[ArtifactGenerator] = Controller(kind, ArtifactGenerator, reconciler, *shared)

    def _cache(self, kind: Kind) -> Cache[Object]:
        decode: Callable[[Manifest], Object] = lambda manifest: decoded(kind.struct, manifest)  # noqa: E731
        return Cache(self._tools.kube, kind.api_version, kind.kind, decode, _Listener(self._source_changed))

    def _source_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or _artifact_of(new) is None or _artifact_of(new) == _artifact_of(old):
            return
        for generator in self.controller.cache:
            keys = {Key(s.kind, s.namespace or generator.namespace, s.name) for s in generator.spec.sources}
            if new.key in keys:
                self.controller.enqueue(generator.key)


class _Listener:
    """A source kind's watch, told to the wiring."""

    def __init__(self, changed: Callable[[Object | None, Object | None], None]) -> None:
        self._changed = changed

    def changed(self, old: Object | None, new: Object | None) -> None:
        self._changed(old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        logger().error("object cannot be read", kind=manifest.get("kind"), name=manifest["metadata"]["name"], error=str(error))

    def disturbed(self, error: Exception) -> None:
        logger().debug("watch interrupted, opening it again", error=str(error) or type(error).__name__)


def _artifact_of(source: Object | None) -> Artifact | None:
    return source.status.artifact if source else None  # type: ignore[attr-defined]  # every source kind has one
