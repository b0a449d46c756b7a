"""Tokens kept for most of their lifetime, so that a pass does not ask a cloud each time.

Flux: helm-notification-image.md 1.3 and 1.6. A cache belongs to one event loop.
"""

import asyncio
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, cast

LONGEST = 3600.0  # seconds a token is kept, whatever was wished
_USED = 0.8  # of a token's lifetime


class Expiring(Protocol):
    @property
    def expires_at(self) -> float:
        """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Token:
    """`expires_at`: seconds since 1970."""

    value: str = field(repr=False)
    expires_at: float


@dataclass(frozen=True, slots=True)
class Subject:
    """For whom and what for a token is wanted: labels of the metrics."""

    kind: str
    name: str
    namespace: str
    operation: str


NOBODY = Subject("", "", "", "")


class CacheObserver(Protocol):
    """Hears what a cache does; the metrics of `runtime` do."""

    def requested(self, subject: Subject, hit: bool) -> None: ...

    def fetched(self, success: bool) -> None: ...

    def evicted(self) -> None: ...

    def holds(self, items: int) -> None: ...


class _Silent:
    def requested(self, subject: Subject, hit: bool) -> None: ...

    def fetched(self, success: bool) -> None: ...

    def evicted(self) -> None: ...

    def holds(self, items: int) -> None: ...


T = TypeVar("T", bound=Expiring)


class TokenCache:
    """The last `max_size` used tokens, each for 80 % of its lifetime and at most `max_duration` seconds; 0 keeps none."""

    def __init__(
        self,
        max_size: int,
        max_duration: float,
        observer: CacheObserver | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._max_size, self._max_duration = max_size, min(max_duration, LONGEST)
        self._observer: CacheObserver = observer or _Silent()
        self._now = now
        self._kept: OrderedDict[Hashable, tuple[float, Expiring]] = OrderedDict()  # until when, what
        self._locks: weakref.WeakValueDictionary[Hashable, asyncio.Lock] = weakref.WeakValueDictionary()

    async def get(self, key: Hashable, fetch: Callable[[], Awaitable[T]], subject: Subject = NOBODY) -> T:
        """What `fetch` gave last for this key, or gives now. `key` holds every input of `fetch`, secrets as digests.

        Of several who want the same at once, one fetches and the others wait. Raises what `fetch` raises.
        """
        if self._max_size <= 0:
            return await self._fetch(fetch)
        lock = self._locks.setdefault(key, asyncio.Lock())
        async with lock:
            kept = self._fresh(key)
            self._observer.requested(subject, hit=kept is not None)
            if kept is not None:
                return cast(T, kept)
            started = self._now()
            token = await self._fetch(fetch)
            self._keep(key, started, token)
            return token

    def _fresh(self, key: Hashable) -> Expiring | None:
        until, token = self._kept.get(key, (0.0, None))
        if token is None or until <= self._now():
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return token

    async def _fetch(self, fetch: Callable[[], Awaitable[T]]) -> T:
        done = False
        try:
            token = await fetch()
            done = True
        finally:
            self._observer.fetched(done)
        return token

    def _keep(self, key: Hashable, started: float, token: Expiring) -> None:
        lifetime = min((token.expires_at - started) * _USED, self._max_duration)
        if lifetime > 0:
            self._kept[key] = (started + lifetime, token)
            if len(self._kept) > self._max_size:
                self._kept.popitem(last=False)
                self._observer.evicted()
        self._observer.holds(len(self._kept))
