"""What one owner of calls may use of the common engine, so that a tenant's endless builds cost itself and not the others.

An owner is whoever calls are made for: a namespace. "" is nobody in particular, without bounds.
"""

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

SHARE = 4  # calls of an owner at a time in a common process; programs.PARALLEL leaves others some
APART = 600.0  # seconds that an owner's calls run alone after one of them ended badly


class Shares:
    """One event loop owns it."""

    def __init__(self, share: int = SHARE, apart: float = APART, now: Callable[[], float] = time.monotonic) -> None:
        self._share, self._apart, self._now = share, apart, now
        self._common: weakref.WeakValueDictionary[str, asyncio.Semaphore] = weakref.WeakValueDictionary()
        self._alone: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._blamed: dict[str, float] = {}  # until when

    @asynccontextmanager
    async def common(self, owner: str) -> AsyncIterator[None]:
        """A place in the common process, awaited."""
        if not owner:
            yield
            return
        slots = self._common.setdefault(owner, asyncio.Semaphore(self._share))
        async with slots:
            yield

    @asynccontextmanager
    async def alone(self, owner: str) -> AsyncIterator[None]:
        """An owner has one process of its own at a time."""
        if not owner:
            yield
            return
        lock = self._alone.setdefault(owner, asyncio.Lock())
        async with lock:
            yield

    def blame(self, owner: str) -> None:
        """A call of the owner took all its time, or ended its process."""
        now = self._now()
        self._blamed = {name: until for name, until in self._blamed.items() if until > now}
        if owner:
            self._blamed[owner] = now + self._apart

    def is_apart(self, owner: str) -> bool:
        return self._blamed.get(owner, float("-inf")) > self._now()
