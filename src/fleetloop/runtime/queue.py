"""The work queue: which objects wait for a pass, and in which order. Knows nothing of back-off or of what a pass does."""

import asyncio
import itertools
from typing import Protocol

from fleetloop.api.meta import Key

SHORTEST = 0.001  # seconds; uvloop makes no timer of less


class QueueObserver(Protocol):
    """Hears what goes through a queue; the metrics do."""

    def added(self, key: Key) -> None: ...
    def delayed(self) -> None: ...
    def taken(self, key: Key) -> None: ...
    def finished(self, key: Key) -> None: ...


class _Silent:
    def added(self, key: Key) -> None: ...
    def delayed(self) -> None: ...
    def taken(self, key: Key) -> None: ...
    def finished(self, key: Key) -> None: ...


class WorkQueue:
    """Keys to reconcile: each queued once, never with two workers; lower priority and earlier delay win.

    One event loop owns it, so no locks. A key added while active becomes ready afterwards.
    """

    def __init__(self, observer: QueueObserver | None = None) -> None:
        self._observer = observer or _Silent()
        self._order = itertools.count()
        self._heap: asyncio.PriorityQueue[tuple[int, int, Key]] = asyncio.PriorityQueue()
        self._wanted: dict[Key, int] = {}  # key -> priority
        self._active: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}

    def __len__(self) -> int:
        return len(self._wanted)

    def add(self, key: Key, priority: int = 0) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
        if priority < self._wanted.get(key, priority + 1):
            if key not in self._wanted:
                self._observer.added(key)
            self._wanted[key] = priority
            self._offer(key)

    def add_after(self, key: Key, seconds: float, priority: int = 0) -> None:
        """Not before `seconds` from now, unless it is added or due earlier anyway."""
        seconds, loop, timer = max(seconds, SHORTEST), asyncio.get_running_loop(), self._timers.get(key)
        if key not in self._wanted and (timer is None or loop.time() + seconds < timer.when()):
            if timer:
                timer.cancel()
            self._observer.delayed()
            self._timers[key] = loop.call_later(seconds, self.add, key, priority)

    def forget(self, key: Key) -> None:
        """The object is gone: no timer shall wake it."""
        if timer := self._timers.pop(key, None):
            timer.cancel()

    async def next(self) -> Key:
        """The key to work on now; nobody else gets it before it is `done`."""
        priority, _, key = await self._heap.get()
        while self._wanted.get(key) != priority or key in self._active:  # superseded entry
            priority, _, key = await self._heap.get()
        del self._wanted[key]
        self._active.add(key)
        self._observer.taken(key)
        return key

    def done(self, key: Key) -> None:
        self._active.discard(key)
        self._observer.finished(key)
        self._offer(key)

    def _offer(self, key: Key) -> None:
        if key in self._wanted and key not in self._active:
            self._heap.put_nowait((self._wanted[key], next(self._order), key))
