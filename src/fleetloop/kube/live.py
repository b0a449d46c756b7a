"""What is known of applied objects without asking: a watch for each kind in use keeps a verdict and a version, not the object.

Feeds health waits and drift repair: every arrival is told to the listener with who wrote it.
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fleetloop.kube.cache import Cache
from fleetloop.kube.client import Kube
from fleetloop.kube.live_object import LiveObject, Reading
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.task_group import TaskGroup

__all__ = ["Disturbed", "LiveObject", "LiveObjects", "Reading", "Seen"]

Seen = Callable[[str, str, LiveObject | None, LiveObject | None], None]  # api_version, kind, old, new
Disturbed = Callable[[str, str, Exception], None]  # api_version, kind: its watch broke and is opened again


class LiveObjects:
    """Owns one cache a kind. `run` holds their tasks; kinds are added when first used and dropped by `keep_only`.

    `namespace`: of one namespace alone."""

    def __init__(self, kube: Kube, seen: Seen, disturbed: Disturbed, reading: Reading, namespace: str = "") -> None:
        self._kube = kube
        self._namespace = namespace
        self._seen = seen
        self._disturbed = disturbed
        self._caches: dict[tuple[str, str], Cache[LiveObject]] = {}
        self._reading = reading
        self._whole: set[tuple[str, str]] = set()  # kinds whose content is kept
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._group: TaskGroup | None = None

    async def run(self) -> None:
        """Watches until cancelled."""
        async with TaskGroup() as self._group:
            for key, cache in self._caches.items():
                self._start(key, cache)
            await asyncio.get_running_loop().create_future()

    def use(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Starts watching these (api_version, kind)."""
        for key in kinds:
            if key in self._caches:
                continue
            decode = self._reading.whole if key in self._whole else self._reading.plain
            listener = _Listener(*key, self._seen, self._disturbed)
            cache: Cache[LiveObject] = Cache(self._kube, *key, decode, listener, namespace=self._namespace)
            self._caches[key] = cache
            self._start(key, cache)

    def keep_content(self, kinds: Iterable[tuple[str, str]]) -> None:
        """As `use`, and these keep their objects whole from now on: for verdicts that are reached elsewhere."""
        kinds = set(kinds)
        for key in kinds - self._whole:
            self.drop(key)
        self._whole |= kinds
        self.use(kinds)

    def read_again(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Those of these kinds that are in use."""
        for key in set(kinds) & self._caches.keys():
            self.drop(key)
            self.use([key])

    def _start(self, key: tuple[str, str], cache: Cache[LiveObject]) -> None:
        """In a context of its own: a watch outlives the pass that asked for it, and must not log in its name."""
        if self._group:
            self._tasks[key] = self._group.create_task(cache.run(), context=contextvars.Context())

    def keep_only(self, kinds: set[tuple[str, str]]) -> None:
        for key in set(self._caches) - kinds:
            self.drop(key)
        self._whole &= kinds

    def drop(self, key: tuple[str, str]) -> None:
        """Ends the watch of one kind."""
        self._caches.pop(key, None)
        if task := self._tasks.pop(key, None):
            task.cancel()

    def find(self, ref: ObjectRef) -> LiveObject | None:
        cache = self._caches.get((ref.api_version, ref.kind))
        return cache.get(ref.namespace, ref.name) if cache else None

    def is_synced(self, ref: ObjectRef) -> bool:
        cache = self._caches.get((ref.api_version, ref.kind))
        return bool(cache and cache.synced.is_set())


@dataclass(frozen=True, slots=True)
class _Listener:
    api_version: str
    kind: str
    seen: Seen
    tell_disturbed: Disturbed

    def changed(self, old: LiveObject | None, new: LiveObject | None) -> None:
        self.seen(self.api_version, self.kind, old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        self.tell_disturbed(self.api_version, self.kind, error)

    def disturbed(self, error: Exception) -> None:
        self.tell_disturbed(self.api_version, self.kind, error)
