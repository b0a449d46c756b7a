"""The work queue: which objects wait for a pass, and in which order. Knows nothing of back-off or of what a pass does."""

import asyncio
import itertools
from typing import Protocol

from fleetloop.api.meta import Key

SHORTEST = 0.001  # seconds; uvloop makes no timer of less
REMEMBERED = 1000  # namespaces; those that have had their turn are forgotten


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

    Of one priority, namespaces take turns: a thousand keys of one do not keep another's single key waiting.
    One event loop owns it, so no locks. A key added while active becomes ready afterwards.
    """

    def __init__(self, observer: QueueObserver | None = None) -> None:
        self._observer = observer or _Silent()
        self._order = itertools.count()
        self._heap: asyncio.PriorityQueue[tuple[int, int, int, Key]] = asyncio.PriorityQueue()  # priority, turn, order
        self._turn = 0  # of the key taken last
        self._turns: dict[str, int] = {}  # namespace -> turn of its last key
        self._barred: dict[str, list[tuple[int, int, int, Key]]] = {}  # namespace -> entries that wait for `admit`
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
        while True:
            entry = priority, turn, _, key = await self._heap.get()
            if self._wanted.get(key) != priority or key in self._active:  # superseded entry
                continue
            if key.namespace not in self._barred:
                break
            self._barred[key.namespace].append(entry)
        self._turn = max(self._turn, turn)
        del self._wanted[key]
        self._active.add(key)
        self._observer.taken(key)
        return key

    def done(self, key: Key) -> None:
        self._active.discard(key)
        self._observer.finished(key)
        self._offer(key)

    def bar(self, namespace: str) -> None:
        """Its keys are kept and not given, until `admit`."""
        self._barred.setdefault(namespace, [])

    def admit(self, namespace: str) -> None:
        for entry in self._barred.pop(namespace, []):
            self._heap.put_nowait(entry)

    def _offer(self, key: Key) -> None:
        if key in self._wanted and key not in self._active:
            turn = max(self._turn, self._turns.get(key.namespace, 0)) + 1
            self._turns[key.namespace] = turn
            self._heap.put_nowait((self._wanted[key], turn, next(self._order), key))
            if len(self._turns) > REMEMBERED:
                self._turns = {name: turn for name, turn in self._turns.items() if turn > self._turn}
