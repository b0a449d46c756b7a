"""Binds source-controller: store, server, Git, and the controller of each kind. Runs until cancelled."""

import asyncio
import dataclasses
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fleetloop import git
from fleetloop.access.git_access import GitAccess
from fleetloop.access.identities import Identities
from fleetloop.access.registry_logins import RegistryLogins
from fleetloop.api import names
from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Key, Object
from fleetloop.api.names import SOURCE_CONTROLLER
from fleetloop.api.source import Bucket, GitRepository, HelmChart, HelmRepository, OCIRepository
from fleetloop.auth import TokenCache
from fleetloop.controllers.source.artifact import Storage
from fleetloop.controllers.source.bucket import BucketReconciler
from fleetloop.controllers.source.bucket_access import BucketAccess
from fleetloop.controllers.source.chart_fetch import Bounds, ChartFetch
from fleetloop.controllers.source.git_checkout import GitCheckout
from fleetloop.controllers.source.git_repository import GitRepositoryReconciler
from fleetloop.controllers.source.helm_chart import HelmChartReconciler
from fleetloop.controllers.source.helm_repository import HelmRepositoryReconciler, is_static
from fleetloop.controllers.source.index_cache import IndexCache
from fleetloop.controllers.source.oci_access import OciAccess
from fleetloop.controllers.source.oci_repository import OciRepositoryReconciler
from fleetloop.controllers.source.settings import SourceSettings
from fleetloop.controllers.source.signatures import Signatures
from fleetloop.engine import Engines, EngineSettings, Family
from fleetloop.removal import remove_tree
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.controller import Controller, Reconciler
from fleetloop.runtime.process import Tools, loop_settings
from fleetloop.storage.server import artifact_server
from fleetloop.storage.store import ArtifactStore, Retention
from fleetloop.task_group import TaskGroup

T = TypeVar("T", bound=Object)
Changed = Callable[[Object | None, Object | None], None]
_SELECT_TIMEOUT = 10.0  # seconds


async def run(tools: Tools, settings: SourceSettings) -> None:
    """The whole controller. Only a leader runs this: artifacts are served by whoever writes them."""
    store = ArtifactStore(settings.storage_path, settings.digest_algorithm)
    await asyncio.to_thread(store.free, utc_now().timestamp())
    temp = await asyncio.to_thread(_fresh_temp, store.root)
    host, port = settings.serve_at
    engine_settings = EngineSettings(environment=settings.environment)
    async with artifact_server(store.root, host, port), Engines(engine_settings) as engines, TaskGroup() as group:
        storage = Storage(store, settings.advertised, Retention(settings.retention_ttl, settings.retention_records))
        parts = _parts(tools, settings, storage, engines, temp)
        group.create_task(parts.indexes.purge_every(settings.helm_cache_purge_interval))
        controllers = _controllers(parts)
        caches = [controller.cache for controller in controllers]
        for controller in controllers:
            group.create_task(controller.run(after=caches))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the controllers of all kinds are built from."""

    tools: Tools
    settings: SourceSettings
    storage: Storage
    engines: Engines
    temp: Path
    identities: Identities
    tokens: TokenCache
    indexes: IndexCache

    @property
    def registries(self) -> OciAccess:
        return OciAccess(self.tools.kube, RegistryLogins(self.identities, self.tokens))

    @property
    def signatures(self) -> Signatures:
        return Signatures(self.tools.kube, self.engines)

    async def select_versions(self, wanted: str, versions: Sequence[str], parse: str = "dotted") -> Sequence[str]:
        """Those with three dotted parts, as Git, OCI repositories and indexes want them, unless `parse` says otherwise."""
        arguments: dict[str, Any] = {"range": wanted, "versions": list(versions), "parse": parse}
        found = await self.engines.call_surely(Family.BUILD, "semver.select", _SELECT_TIMEOUT, **arguments)
        return [str(version) for version in found["matches"]]

    def controller(
        self,
        struct: type[T],
        reconciler: Reconciler[T],
        also: Callable[[T | None, T | None], None] | None = None,
        is_static: Callable[[T], bool] | None = None,
    ) -> Controller[T]:
        tools, loop = self.tools, loop_settings(self.tools, SOURCE_CONTROLLER)
        kind = kind_named(struct.__name__)
        shared = (tools.kube, tools.recorder, tools.metrics, loop)
        return Controller(kind, struct, reconciler, *shared, also=also, is_static=is_static)


def _parts(tools: Tools, settings: SourceSettings, storage: Storage, engines: Engines, temp: Path) -> _Parts:
    common = settings.common
    identities = Identities(tools.kube, common.gates[names.WORKLOAD_IDENTITY_GATE], common.default_service_account)
    tokens = TokenCache(settings.token_cache_size, settings.token_cache_duration, tools.metrics.token_cache)
    indexes = IndexCache(settings.helm_cache_max_size, settings.helm_cache_ttl, tools.metrics.registry)
    return _Parts(tools, settings, storage, engines, temp, identities, tokens, indexes)


def _controllers(parts: _Parts) -> list[Controller[Any]]:
    """Of all kinds. A chart is woken by its source."""
    charts = ChartWaker()
    git, repositories = _git_repositories(parts, charts.source_changed), _helm_repositories(parts, charts.source_changed)
    buckets = _buckets(parts, charts.source_changed)
    sources: dict[str, Controller[Any]] = {"GitRepository": git, "HelmRepository": repositories, "Bucket": buckets}
    charts.controller = _helm_charts(parts, sources, repositories)
    return [git, _oci_repositories(parts), repositories, buckets, charts.controller]


def _git_repositories(parts: _Parts, changed: Changed) -> Controller[GitRepository]:
    tools, settings = parts.tools, parts.settings
    program = dataclasses.replace(git.Git.inheriting(settings.environment), ssh=settings.ssh, temp=parts.temp)
    checkout = GitCheckout(GitAccess(tools.kube, parts.identities, parts.tokens, utc_now), program, parts.select_versions)
    shared = (parts.storage, utc_now, tools.kube)
    reconciler = GitRepositoryReconciler(*shared, checkout, settings.requeue_dependency, parts.temp)
    return parts.controller(GitRepository, reconciler, changed)


def _oci_repositories(parts: _Parts) -> Controller[OCIRepository]:
    shared = (parts.storage, utc_now, parts.tools.session)
    reconciler = OciRepositoryReconciler(*shared, parts.registries, parts.signatures, parts.select_versions, parts.temp)
    return parts.controller(OCIRepository, reconciler)


def _buckets(parts: _Parts, changed: Changed) -> Controller[Bucket]:
    access = BucketAccess(parts.tools.kube, parts.identities, parts.tokens)
    return parts.controller(Bucket, BucketReconciler(parts.storage, utc_now, access, parts.temp), changed)


def _helm_repositories(parts: _Parts, changed: Changed) -> Controller[HelmRepository]:
    tools = parts.tools
    shared = (parts.storage, utc_now, tools.kube, tools.session, parts.engines)
    reconciler = HelmRepositoryReconciler(*shared, parts.settings.helm_index_max_size, parts.temp)

    def seen(old: HelmRepository | None, new: HelmRepository | None) -> None:
        if new is None and old is not None:
            parts.indexes.forget(old.key)
        changed(old, new)

    return parts.controller(HelmRepository, reconciler, seen, is_static)


def _helm_charts(
    parts: _Parts, sources: Mapping[str, Controller[Any]], repositories: Controller[HelmRepository]
) -> Controller[HelmChart]:
    tools = parts.tools

    def find(key: Key) -> Object | None:
        controller = sources.get(key.kind)
        found: Object | None = controller.cache.get(key.namespace, key.name) if controller else None
        return found

    settings = parts.settings
    fetch = ChartFetch(
        kube=tools.kube,
        session=tools.session,
        storage=parts.storage,
        access=parts.registries,
        signatures=parts.signatures,
        engines=parts.engines,
        select=parts.select_versions,
        repositories=lambda: repositories.cache,
        cache=parts.indexes,
        bounds=Bounds(settings.helm_index_max_size, settings.helm_chart_max_size, settings.helm_chart_file_max_size),
    )
    return parts.controller(HelmChart, HelmChartReconciler(parts.storage, utc_now, find, fetch, parts.engines, parts.temp))


class ChartWaker:
    """Wakes the charts of a source whose artifact is another one now."""

    controller: Controller[HelmChart] | None = None

    def source_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or self.controller is None:
            return
        before = old.status.artifact if old else None  # type: ignore[attr-defined]  # every source's status has one
        now = new.status.artifact  # type: ignore[attr-defined]
        if now is None or (before is not None and before.revision == now.revision):
            return
        for chart in self.controller.cache:
            ref = chart.spec.source_ref
            if (ref.kind, chart.namespace, ref.name) == (new.kind, new.namespace, new.name):
                self.controller.enqueue(chart.key)


def _fresh_temp(store: Path) -> Path:
    """A private folder that the next start of the same controller empties: a killed one leaves credentials behind."""
    name = hashlib.sha256(str(store).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir(), f"source-controller-{name}")
    remove_tree(folder)
    folder.mkdir(mode=0o700)
    return folder
