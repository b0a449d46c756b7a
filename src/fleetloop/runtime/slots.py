"""The workers of a controller: places for passes. A pass gives its place back when it ends, lends it while it awaits the world,
and loses it when it takes long, so that slow objects of one tenant do not hold up everybody else's.

Who lost its place goes on, in overtime; a namespace with many such passes gets no further place until one of them ends.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

PATIENCE = 5.0  # seconds
OVERTIME = 4  # times the workers: passes in overtime at most, since each holds memory


class Slots:
    """`bar` and `admit` are told of namespaces that get no place, and get places again. One event loop owns it."""

    def __init__(
        self, workers: int, bar: Callable[[str], None], admit: Callable[[str], None], patience: float = PATIENCE
    ) -> None:
        self._places = asyncio.Semaphore(workers)
        self._workers, self._patience = workers, patience
        self._bar, self._admit = bar, admit
        self._overtime: Counter[str] = Counter()  # namespace -> passes

    async def take(self) -> None:
        await self._places.acquire()

    @asynccontextmanager
    async def used_by(self, namespace: str) -> AsyncIterator["Slot"]:
        """The place just taken, for one pass; it is free again afterwards or earlier."""
        slot = Slot(self, namespace)
        timer = asyncio.get_running_loop().call_later(self._patience, slot.lose)
        try:
            yield slot
        finally:
            timer.cancel()
            slot.end()

    def _may_lose(self, namespace: str) -> bool:
        return self._overtime[namespace] < self._workers and self._overtime.total() < self._workers * OVERTIME

    def _began_overtime(self, namespace: str) -> None:
        self._overtime[namespace] += 1
        if self._overtime[namespace] == self._workers:
            self._bar(namespace)

    def _ended_overtime(self, namespace: str) -> None:
        if self._overtime[namespace] == self._workers:
            self._admit(namespace)
        self._overtime -= Counter([namespace])  # without those that have none


class Slot:
    """One pass's place."""

    def __init__(self, slots: Slots, namespace: str) -> None:
        self._slots, self._namespace = slots, namespace
        self._held, self._in_overtime = True, False

    def lose(self) -> None:
        if not self._in_overtime and self._slots._may_lose(self._namespace):
            self._in_overtime = True
            self._slots._began_overtime(self._namespace)
            self._give_back()

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """The world is awaited: the place is another pass's meanwhile. The object itself stays ours."""
        self._give_back()
        try:
            yield
        finally:
            if not self._in_overtime:
                await self._slots.take()
                self._held = True

    def end(self) -> None:
        self._give_back()
        if self._in_overtime:
            self._slots._ended_overtime(self._namespace)

    def _give_back(self) -> None:
        if self._held:
            self._held = False
            self._slots._places.release()
