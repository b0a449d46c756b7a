"""Binds source-controller: store, server, Git, and the controller of each kind. Runs until cancelled."""

import asyncio
import dataclasses
import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from fleetloop import git
from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Object
from fleetloop.api.names import SOURCE_CONTROLLER
from fleetloop.api.source import GitRepository, OCIRepository
from fleetloop.auth import TokenCache
from fleetloop.controllers.source.artifact import Retention, Storage
from fleetloop.controllers.source.git_access import GitAccess
from fleetloop.controllers.source.git_checkout import GitCheckout
from fleetloop.controllers.source.git_repository import GitRepositoryReconciler
from fleetloop.controllers.source.identities import GATE, Identities
from fleetloop.controllers.source.oci_access import OciAccess
from fleetloop.controllers.source.oci_repository import OciRepositoryReconciler
from fleetloop.controllers.source.registry_logins import RegistryLogins
from fleetloop.controllers.source.settings import SourceSettings
from fleetloop.engine import Engines, Family
from fleetloop.runtime.clock import utc_now
from fleetloop.runtime.controller import Controller, Reconciler
from fleetloop.runtime.process import Tools, loop_settings
from fleetloop.storage.server import artifact_server
from fleetloop.storage.store import ArtifactStore

T = TypeVar("T", bound=Object)
_SELECT_TIMEOUT = 10.0  # seconds


async def run(tools: Tools, settings: SourceSettings) -> None:
    """The whole controller. Only a leader runs this: artifacts are served by whoever writes them."""
    store = ArtifactStore(settings.storage_path, settings.digest_algorithm)
    await asyncio.to_thread(store.free, utc_now().timestamp())
    temp = await asyncio.to_thread(_fresh_temp, store.root)
    host, port = settings.serve_at
    async with artifact_server(store.root, host, port), Engines() as engines, asyncio.TaskGroup() as group:
        storage = Storage(store, settings.advertised, Retention(settings.retention_ttl, settings.retention_records))
        parts = _Parts(tools, settings, storage, engines, temp)
        for controller in (_git_repositories(parts), _oci_repositories(parts)):
            group.create_task(controller.run())


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the controllers of all kinds are built from."""

    tools: Tools
    settings: SourceSettings
    storage: Storage
    engines: Engines
    temp: Path

    async def select_versions(self, wanted: str, versions: Sequence[str]) -> Sequence[str]:
        """Tags with three dotted parts, as Git and OCI repositories want them."""
        arguments: dict[str, Any] = {"range": wanted, "versions": list(versions), "parse": "dotted"}
        found = await self.engines.call_surely(Family.BUILD, "semver.select", _SELECT_TIMEOUT, **arguments)
        return [str(version) for version in found["matches"]]

    def controller(self, struct: type[T], reconciler: Reconciler[T]) -> Controller[T]:
        tools, loop = self.tools, loop_settings(self.tools, SOURCE_CONTROLLER)
        return Controller(kind_named(struct.__name__), struct, reconciler, tools.kube, tools.recorder, tools.metrics, loop)


def _git_repositories(parts: _Parts) -> Controller[GitRepository]:
    tools, settings = parts.tools, parts.settings
    program = dataclasses.replace(git.Git.inheriting(settings.environment), ssh=settings.ssh, temp=parts.temp)
    reconciler = GitRepositoryReconciler(
        kube=tools.kube,
        storage=parts.storage,
        checkout=GitCheckout(_git_access(tools, settings), program, parts.select_versions),
        requeue_dependency=settings.requeue_dependency,
        now=utc_now,
        temp=parts.temp,
    )
    return parts.controller(GitRepository, reconciler)


def _oci_repositories(parts: _Parts) -> Controller[OCIRepository]:
    tools = parts.tools
    access = OciAccess(tools.kube, RegistryLogins())
    reconciler = OciRepositoryReconciler(parts.storage, utc_now, tools.session, access, parts.select_versions, parts.temp)
    return parts.controller(OCIRepository, reconciler)


def _git_access(tools: Tools, settings: SourceSettings) -> GitAccess:
    common = settings.common
    identities = Identities(tools.kube, common.gates[GATE], common.default_service_account)
    tokens = TokenCache(settings.token_cache_size, settings.token_cache_duration, tools.metrics.token_cache)
    return GitAccess(tools.kube, identities, tokens, utc_now)


def _fresh_temp(store: Path) -> Path:
    """A private folder that the next start of the same controller empties: a killed one leaves credentials behind."""
    name = hashlib.sha256(str(store).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir(), f"source-controller-{name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    return folder
