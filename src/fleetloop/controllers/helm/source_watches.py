"""Sources as the watches told them last, and when one has something new. Flux: helm-notification-image.md 2.15."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fleetloop.api.kinds import kind_named
from fleetloop.api.meta import Artifact, Key, Object
from fleetloop.kube.cache import Cache
from fleetloop.kube.client import Kube
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.decode import decoded

KINDS = ("HelmChart", "OCIRepository")

Disturbed = Callable[[str, Exception], None]
Revised = Callable[[Key, bool], None]  # the source; whether its artifact is another one


class SourceWatches:
    """`revised` hears of each source with a new artifact, with one where there was none, or that is usable only now."""

    def __init__(self, kube: Kube, revised: Revised, disturbed: Disturbed, *, external_artifacts: bool) -> None:
        self._kube, self._revised, self._disturbed = kube, revised, disturbed
        kinds = (*KINDS, *(["ExternalArtifact"] if external_artifacts else []))
        self.caches = {kind: self._cache(kind) for kind in kinds}

    def jobs(self) -> list[Coroutine[Any, Any, None]]:
        return [cache.run() for cache in self.caches.values()]

    def find(self, key: Key) -> Object | None:
        """As last seen."""
        cache = self.caches.get(key.kind)
        return cache.get(key.namespace, key.name) if cache else None

    def _cache(self, name: str) -> Cache[Object]:
        kind = kind_named(name)

        def decode(manifest: Manifest) -> Object:
            return decoded(kind.struct, manifest)

        return Cache(self._kube, kind.api_version, kind.kind, decode, _Listener(name, self._revised, self._disturbed))


@dataclass(frozen=True, slots=True)
class _Listener:
    kind: str
    revised: Revised
    tell_disturbed: Disturbed

    def changed(self, old: Object | None, new: Object | None) -> None:
        artifact, before = _artifact_of(new), _artifact_of(old)
        if new is None or artifact is None:
            return
        is_other = before is None or (before.revision, before.digest) != (artifact.revision, artifact.digest)
        if is_other or _is_usable(new) != (old is not None and _is_usable(old)):
            self.revised(new.key, is_other)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        self.tell_disturbed(self.kind, error)

    def disturbed(self, error: Exception) -> None:
        self.tell_disturbed(self.kind, error)


def _artifact_of(source: Object | None) -> Artifact | None:
    return source.status.artifact if source else None  # type: ignore[attr-defined]  # every source kind has one


def _is_usable(source: Object) -> bool:
    status: Any = source.status  # type: ignore[attr-defined]  # every source kind has one
    return status.observed_generation == source.metadata.generation and not status.is_true("Stalled")
