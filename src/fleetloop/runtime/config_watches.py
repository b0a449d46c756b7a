"""ConfigMaps and Secrets that objects of ours name: read with the controller's identity, and watched, so that a change wakes who
uses them. Flux: source-kustomize.md 8.12.

Watches bring metadata of labelled objects only; contents are kept in memory under the gate CacheSecretsAndConfigMaps alone.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from fleetloop.kube.cache import Cache
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import NotFound
from fleetloop.kube.objects import Manifest, ObjectRef, version_of

KINDS = ("ConfigMap", "Secret")

Disturbed = Callable[[str, Exception], None]


class Reader(Protocol):
    async def get(self, ref: ObjectRef) -> Manifest:
        """Raises NotFound."""


class CachedReader:
    """Both kinds, whole, in memory."""

    def __init__(self, kube: Kube, disturbed: Disturbed) -> None:
        self._kube = kube
        self._caches = {kind: Cache(kube, "v1", kind, _as_it_is, _Silent(kind, disturbed)) for kind in KINDS}

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        return [cache.run() for cache in self._caches.values()]

    async def synced(self) -> None:
        """All there is has been read."""
        for cache in self._caches.values():
            await cache.synced.wait()

    async def get(self, ref: ObjectRef) -> Manifest:
        cache = self._caches[ref.kind]
        if not cache.synced.is_set():
            return await self._kube.get(ref)
        found = cache.get(ref.namespace, ref.name)
        if found is None:
            raise NotFound(404, "NotFound", f'{ref.kind.lower()}s "{ref.name}" not found')
        return found


class ConfigWatches:
    """`changed` hears of each labelled object that appeared, changed or went."""

    def __init__(
        self, kube: Kube, label_selector: str, changed: Callable[[ObjectRef], None], disturbed: Disturbed, namespace: str = ""
    ) -> None:
        metadata = kube.metadata_only()
        self._caches = [
            Cache(
                metadata,
                "v1",
                kind,
                _seen,
                _Told(kind, changed, disturbed),
                namespace=namespace,
                label_selector=label_selector,
            )
            for kind in KINDS
        ]

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        return [cache.run() for cache in self._caches]


@dataclass(frozen=True, slots=True)
class _Seen:
    namespace: str
    name: str
    version: int


def _seen(manifest: Manifest) -> _Seen:
    metadata = manifest["metadata"]
    return _Seen(metadata["namespace"], metadata["name"], version_of(manifest))


def _as_it_is(manifest: Manifest) -> Manifest:
    return manifest


@dataclass(frozen=True, slots=True)
class _Silent:
    kind: str
    tell_disturbed: Disturbed

    def changed(self, old: Manifest | None, new: Manifest | None) -> None:
        """Who reads finds it."""

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        self.tell_disturbed(self.kind, error)

    def disturbed(self, error: Exception) -> None:
        self.tell_disturbed(self.kind, error)


@dataclass(frozen=True, slots=True)
class _Told:
    kind: str
    tell_changed: Callable[[ObjectRef], None]
    tell_disturbed: Disturbed

    def changed(self, old: _Seen | None, new: _Seen | None) -> None:
        some = new or old
        if some and old != new:
            self.tell_changed(ObjectRef("v1", self.kind, some.namespace, some.name))

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        self.tell_disturbed(self.kind, error)

    def disturbed(self, error: Exception) -> None:
        self.tell_disturbed(self.kind, error)
