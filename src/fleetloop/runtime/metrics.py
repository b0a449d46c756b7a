"""The metric families that dashboards of Flux read. Flux: helm-notification-image.md 1.6."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fleetloop.api.meta import Key

_LONGEST = 1800.0
_BUCKETS = [0.01 * (_LONGEST / 0.01) ** (step / 9) for step in range(10)]  # ten exponential steps, 10 ms to 30 min


class CacheSubject(Protocol):
    """For whom and what for a token was wanted."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def operation(self) -> str: ...


class TokenCacheMetrics:
    """What a token cache tells of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = ("event_type", "kind", "name", "namespace", "operation")
        self._events = Counter("gotk_token_cache_events", "Total number of cache retrieval events.", labels, registry=registry)
        requests = "Total number of cache requests partitioned by success or failure."
        self._requests = Counter("gotk_token_cache_requests", requests, ("status",), registry=registry)
        self._evictions = Counter("gotk_token_cache_evictions", "Total number of cache evictions.", registry=registry)
        self._items = Gauge("gotk_token_cached_items", "Total number of items in the cache.", registry=registry)

    def requested(self, subject: CacheSubject, hit: bool) -> None:
        event = "cache_hit" if hit else "cache_miss"
        self._events.labels(event, subject.kind, subject.name, subject.namespace, subject.operation).inc()

    def fetched(self, success: bool) -> None:
        self._requests.labels("success" if success else "failure").inc()

    def evicted(self) -> None:
        self._evictions.inc()

    def holds(self, items: int) -> None:
        self._items.set(items)

    def forget(self, key: Key) -> None:
        wanted = (key.kind, key.name, key.namespace)
        for labels in [found for found in self._events._metrics if found[1:4] == wanted]:
            self._events.remove(*labels)


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.token_cache = TokenCacheMetrics(self.registry)
        self._duration = Histogram(
            "gotk_reconcile_duration_seconds",
            "The duration in seconds of a GitOps Toolkit resource reconciliation.",
            ("kind", "name", "namespace"),
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def reconciled(self, key: Key, seconds: float) -> None:
        self._duration.labels(key.kind, key.name, key.namespace).observe(seconds)

    def forget(self, key: Key) -> None:
        if (key.kind, key.name, key.namespace) in self._duration._metrics:
            self._duration.remove(key.kind, key.name, key.namespace)
        self.token_cache.forget(key)
