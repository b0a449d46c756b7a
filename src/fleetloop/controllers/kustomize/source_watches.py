"""Sources as the watches told them last, and when one has something new. Flux: source-kustomize.md 8.12."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fleetloop.api.kinds import kind_named
from fleetloop.api.kustomize import Kustomization
from fleetloop.api.meta import Artifact, Key, Object
from fleetloop.controllers.kustomize.settings import KustomizeSettings
from fleetloop.controllers.kustomize.sources import FetchedSource, Sources, source_key
from fleetloop.kube.cache import Cache
from fleetloop.kube.client import Kube
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.runtime.decode import decoded

KINDS = ("GitRepository", "OCIRepository", "Bucket")

Disturbed = Callable[[str, Exception], None]


class SourceWatches:
    """`revised` hears of each source with a new revision, or with an artifact where there was none (SK30)."""

    def __init__(self, kube: Kube, settings: KustomizeSettings, revised: Callable[[Key], None], disturbed: Disturbed) -> None:
        self._kube = kube
        self._settings = settings
        self._revised = revised
        self._disturbed = disturbed
        kinds = (*KINDS, *(["ExternalArtifact"] if settings.gate("ExternalArtifact") else []))
        self.caches = {kind: self._cache(kind) for kind in kinds}

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        return [cache.run() for cache in self.caches.values()]

    def find(self, key: Key) -> Object | None:
        """As last seen."""
        return self.caches[key.kind].get(key.namespace, key.name)

    async def for_pass(self, ks: Kustomization) -> Sources:
        """What the watches told; under the gate DirectSourceFetch, what the API server says at this moment."""
        if not self._settings.gate("DirectSourceFetch"):
            return self
        key = source_key(ks)
        kind = kind_named(key.kind)
        found = await self._kube.find(ObjectRef(kind.api_version, kind.kind, key.namespace, key.name))
        return FetchedSource(decoded(kind.struct, found) if found else None)

    def _cache(self, name: str) -> Cache[Object]:
        kind = kind_named(name)

        def decode(manifest: Manifest) -> Object:
            return decoded(kind.struct, manifest)

        return Cache(self._kube, kind.api_version, kind.kind, decode, _Listener(name, self._revised, self._disturbed))


@dataclass(frozen=True, slots=True)
class _Listener:
    kind: str
    revised: Callable[[Key], None]
    tell_disturbed: Disturbed

    def changed(self, old: Object | None, new: Object | None) -> None:
        artifact, before = artifact_of(new), artifact_of(old)
        is_same = artifact and before and (before.revision, before.digest) == (artifact.revision, artifact.digest)
        if new and artifact and not is_same:
            self.revised(new.key)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        self.tell_disturbed(self.kind, error)

    def disturbed(self, error: Exception) -> None:
        self.tell_disturbed(self.kind, error)


def artifact_of(source: Object | None) -> Artifact | None:
    return source.status.artifact if source else None  # type: ignore[attr-defined]  # every source kind has one
