"""Indexes of chart repositories in memory, where the operator asks for it (`--helm-cache-*`). Flux: source-kustomize.md 5.2."""

import asyncio
import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from fleetloop.api.meta import Key
from fleetloop.helm_index import Index


class IndexCache:
    """By artifact path. An index goes `ttl` seconds after its last use; a full cache takes no new ones. `most` 0: no cache."""

    def __init__(self, most: int, ttl: float, registry: CollectorRegistry, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._ttl, self._now = most, ttl, now
        self._kept: dict[str, tuple[float, Index]] = {}  # until when, what
        labels = ("event_type", "name", "namespace")
        self._events = Counter("gotk_cache_events", "Total number of cache retrieval events.", labels, registry=registry)

    def get(self, path: str, repository: Key) -> Index | None:
        """`repository`: whose index it is, for the metrics."""
        if not self._most:
            return None
        self.purge()
        found = self._kept.get(path)
        self._events.labels("cache_hit" if found else "cache_miss", repository.name, repository.namespace).inc()
        if found is None:
            return None
        self._kept[path] = (self._now() + self._ttl, found[1])
        return found[1]

    def keep(self, path: str, index: Index) -> bool:
        """False when it is full."""
        self.purge()
        if not self._most or path in self._kept:
            return True
        if len(self._kept) >= self._most:
            return False
        self._kept[path] = (self._now() + self._ttl, index)
        return True

    def purge(self) -> None:
        now = self._now()
        self._kept = {path: kept for path, kept in self._kept.items() if kept[0] > now}

    def forget(self, repository: Key) -> None:
        """A deleted object's metrics."""
        wanted = (repository.name, repository.namespace)
        for labels in [found for found in self._events._metrics if found[1:] == wanted]:
            self._events.remove(*labels)

    async def purge_every(self, seconds: float) -> None:
        """Runs until cancelled: memory is given back also when nobody asks."""
        while self._most:
            await asyncio.sleep(seconds)
            self.purge()
