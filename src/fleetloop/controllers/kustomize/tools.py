"""What a Kustomization's pass works with, bound once in `wiring`."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Key
from fleetloop.controllers.kustomize.expressions import Expressions
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.sources import Source, Sources
from fleetloop.kube.client import Kube
from fleetloop.kube.kstatus import Health
from fleetloop.kube.live import LiveObjects
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime.controller import Report
from fleetloop.runtime.health_waits import HealthWaits
from fleetloop.runtime.outcome import Target

Build = Callable[[Path, Source, Kustomization, float], Awaitable[list[Manifest]]]  # seconds at most; raises BuildError, Failure
TreeOf = Callable[[Source, float], AbstractAsyncContextManager[Path]]  # raises ArtifactMissing, ArtifactFailed


@dataclass(slots=True)
class Owned:
    """Which Kustomization applied which object: a foreign write is told to its owner."""

    _owner: dict[tuple[str, str, str, str], Key] = field(default_factory=dict)
    _refs: dict[Key, list[ObjectRef]] = field(default_factory=dict)

    def assign(self, key: Key, refs: list[ObjectRef]) -> None:
        self.forget(key)
        self._refs[key] = refs
        self._owner |= {ref.identity: key for ref in refs}

    def forget(self, key: Key) -> None:
        for ref in self._refs.pop(key, ()):
            if self._owner.get(ref.identity) == key:
                del self._owner[ref.identity]

    def owner(self, ref: ObjectRef) -> Key | None:
        return self._owner.get(ref.identity)

    def kinds(self) -> set[tuple[str, str]]:
        return {(ref.api_version, ref.kind) for refs in self._refs.values() for ref in refs}


@dataclass(frozen=True, slots=True)
class KustomizeTools:
    kube: Kube
    settings: KustomizeSettings
    sources: Sources
    find: Callable[[Key], Kustomization | None]
    tree_of: TreeOf
    build: Build
    expressions: Expressions
    live: LiveObjects
    waits: HealthWaits
    health_of: Callable[[Target], Health]
    owned: Owned
    finalize: Callable[[Kustomization, Report], Awaitable[None]]
