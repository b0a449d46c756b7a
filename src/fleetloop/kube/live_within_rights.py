"""What is known of applied objects, for an identity that may not watch everything.

A ladder for each kind: one watch of the whole cluster; where that is forbidden, one a namespace in use; where that is forbidden
too, objects that are waited for are read again and again. Rights may come later, so every ten minutes it is climbed again.
"""

import asyncio
import contextvars
from collections.abc import Iterable, Mapping

from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Forbidden, NotFound, Unreachable
from fleetloop.kube.live import Disturbed, LiveObject, LiveObjects, Reading, Seen
from fleetloop.kube.objects import ObjectRef
from fleetloop.kube.pointers import Pointer
from fleetloop.task_group import TaskGroup

Kind = tuple[str, str]  # api_version, kind
POLL = 5.0  # seconds
CLIMB_AGAIN = 600.0  # seconds
READS = 4  # at a time


class LiveWithinRights:
    """As `LiveObjects`, which it is made of; `kube` is the identity that watches."""

    def __init__(self, kube: Kube, seen: Seen, disturbed: Disturbed, reading: Reading) -> None:
        self._reading = reading
        self._kube = kube
        self._seen = seen
        self._disturbed = disturbed
        self._wide = LiveObjects(kube, seen, self._wide_disturbed, reading)
        self._narrow: dict[str, LiveObjects] = {}
        self._namespaces: dict[Kind, set[str]] = {}
        self._narrowed: dict[Kind, float] = {}  # when the wide watch was refused
        self._unwatched: dict[tuple[Kind, str], float] = {}  # when the namespace's was, too
        self._whole: set[Kind] = set()
        self._awaited: dict[ObjectRef, float] = {}  # until when
        self._read: dict[ObjectRef, LiveObject | None] = {}
        self._has_polls = asyncio.Event()
        self._group: TaskGroup | None = None

    async def run(self) -> None:
        """Watches until cancelled."""
        async with TaskGroup() as self._group:
            self._group.create_task(self._wide.run())
            for live in self._narrow.values():
                self._group.create_task(live.run())
            self._group.create_task(self._poll())

    def use(self, refs: Iterable[ObjectRef], patience: float = 0.0) -> None:
        """Starts watching what holds these. With `patience`, seconds, they are read by and by where watching is refused."""
        now = asyncio.get_running_loop().time()
        self._climb_again(now)
        if patience:
            self._awaited = {ref: until for ref, until in self._awaited.items() if until > now}
        for ref in refs:
            if patience:
                self._awaited[ref] = now + patience
            kind = (ref.api_version, ref.kind)
            self._namespaces.setdefault(kind, set()).add(ref.namespace)
            self._watch(kind, ref.namespace)

    def keep_content(self, kinds: Iterable[Kind]) -> None:
        """These keep their objects whole from now on. They are in use already."""
        for kind in kinds:
            self._whole.add(kind)
            for namespace in self._namespaces.get(kind, ()):
                self._watch(kind, namespace)

    def keep_only(self, kinds: set[Kind]) -> None:
        self._wide.keep_only(kinds)
        for live in self._narrow.values():
            live.keep_only(kinds)
        self._namespaces = {kind: found for kind, found in self._namespaces.items() if kind in kinds}
        self._whole &= kinds

    def ignore(self, places: Mapping[ObjectRef, tuple[Pointer, ...]]) -> None:
        """Changes of these places of these objects count for nothing from now on."""
        kinds = self._reading.ignore(places)
        for live in (self._wide, *self._narrow.values()):
            live.read_again(kinds)

    def find(self, ref: ObjectRef) -> LiveObject | None:
        """By a watch, so that a change would have been told."""
        return self._place(ref).find(ref)

    def latest(self, ref: ObjectRef) -> LiveObject | None:
        """By a watch, or as it was when last read."""
        return self._place(ref).find(ref) or self._read.get(ref)

    def is_synced(self, ref: ObjectRef) -> bool:
        """Whether not being found means that it is not there."""
        return self._place(ref).is_synced(ref) or ref in self._read

    def _place(self, ref: ObjectRef) -> LiveObjects:
        kind = (ref.api_version, ref.kind)
        return self._narrow.get(ref.namespace, self._wide) if kind in self._narrowed else self._wide

    def _watch(self, kind: Kind, namespace: str) -> None:
        if kind in self._narrowed and not self._is_watched_in(kind, namespace):
            self._has_polls.set()
            return
        live = self._narrow_in(namespace) if kind in self._narrowed else self._wide
        if kind in self._whole:
            live.keep_content([kind])
        else:
            live.use([kind])

    def _is_watched_in(self, kind: Kind, namespace: str) -> bool:
        return bool(namespace) and (kind, namespace) not in self._unwatched

    def _narrow_in(self, namespace: str) -> LiveObjects:
        if namespace not in self._narrow:
            disturbed: Disturbed = lambda api, kind, error: self._narrow_disturbed((api, kind), namespace, error)  # noqa: E731
            live = self._narrow[namespace] = LiveObjects(self._kube, self._seen, disturbed, self._reading, namespace)
            if self._group:
                self._group.create_task(live.run(), context=contextvars.Context())
        return self._narrow[namespace]

    def _wide_disturbed(self, api_version: str, kind: str, error: Exception) -> None:
        self._disturbed(api_version, kind, error)
        key = (api_version, kind)
        if isinstance(error, Forbidden) and key not in self._narrowed:
            self._narrowed[key] = asyncio.get_running_loop().time()
            self._wide.drop(key)
            for namespace in self._namespaces.get(key, ()):
                self._watch(key, namespace)

    def _narrow_disturbed(self, kind: Kind, namespace: str, error: Exception) -> None:
        self._disturbed(*kind, error)
        if isinstance(error, Forbidden):
            self._unwatched[(kind, namespace)] = asyncio.get_running_loop().time()
            self._narrow[namespace].drop(kind)
            self._has_polls.set()

    def _climb_again(self, now: float) -> None:
        for kind in [kind for kind, since in self._narrowed.items() if now - since > CLIMB_AGAIN]:
            del self._narrowed[kind]
            self._unwatched = {place: since for place, since in self._unwatched.items() if place[0] != kind}
            for live in self._narrow.values():
                live.drop(kind)

    async def _poll(self) -> None:
        """Reads what is awaited and cannot be watched, until its time is over."""
        slots = asyncio.Semaphore(READS)
        while True:
            await self._has_polls.wait()
            now = asyncio.get_running_loop().time()
            refs = [ref for ref, until in self._awaited.items() if until > now and self._is_polled(ref)]
            self._read = {ref: live for ref, live in self._read.items() if ref in refs}
            if not refs:
                self._has_polls.clear()
                continue
            async with TaskGroup() as group:
                for ref in refs:
                    group.create_task(self._read_once(ref, slots))
            await asyncio.sleep(POLL)  # the server tells this identity nothing by itself

    def _is_polled(self, ref: ObjectRef) -> bool:
        kind = (ref.api_version, ref.kind)
        return kind in self._narrowed and not self._is_watched_in(kind, ref.namespace)

    async def _read_once(self, ref: ObjectRef, slots: asyncio.Semaphore) -> None:
        decode = self._reading.whole if (ref.api_version, ref.kind) in self._whole else self._reading.plain
        new: LiveObject | None = None
        async with slots:
            try:
                new = decode(await self._kube.get(ref))
            except NotFound:
                pass
            except (ApiError, Unreachable, ValueError) as error:
                self._disturbed(ref.api_version, ref.kind, error)
                return
        old, self._read[ref] = self._read.get(ref), new
        if old != new:
            self._seen(ref.api_version, ref.kind, old, new)
