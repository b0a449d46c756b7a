"""The metric families that dashboards of Flux read. Flux: helm-notification-image.md 1.6."""

from collections.abc import Callable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector, ProcessCollector

from fleetloop.api.meta import Key
from fleetloop.runtime.loop_metrics import LoopFamilies, LoopMetrics

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
    """All families of a process. Those of the loops have the names and labels of controller-runtime."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.token_cache = TokenCacheMetrics(registry)
        self._duration = Histogram(
            "gotk_reconcile_duration_seconds",
            "The duration in seconds of a GitOps Toolkit resource reconciliation.",
            ("kind", "name", "namespace"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self._loops = LoopFamilies(registry)
        requests = "Number of HTTP requests, partitioned by status code, method, and host."
        self._requests = Counter("rest_client_requests", requests, ("code", "method", "host"), registry=registry)
        leader = "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master."
        self._leader = Gauge("leader_election_master_status", leader, ("name",), registry=registry)
        known = "Resource version up to which the objects of a kind are known; of several watches that of the slowest."
        self._known = Gauge("fleetloop_watch_resource_version", known, ("kind",), registry=registry)
        self._watches: dict[str, list[Callable[[], int]]] = {}
        for name, counted in (("read_certificate", "certificate reads"), ("read_certificate_errors", "certificate read errors")):
            Counter(
                f"certwatcher_{name}", f"Total number of {counted}", registry=registry
            )  # nothing is served over TLS: always 0

    def loop(self, controller: str, workers: int) -> LoopMetrics:
        """For the loop of one kind; once for each."""
        return LoopMetrics(self._loops, controller, workers)

    def watches(self, kind: str, version: Callable[[], int]) -> None:
        """`version`: up to which resource version one more watch knows the objects of a kind."""
        versions = self._watches.setdefault(kind, [])
        versions.append(version)
        self._known.labels(kind).set_function(lambda: min(each() for each in versions))

    def reconciled(self, key: Key, seconds: float) -> None:
        self._duration.labels(key.kind, key.name, key.namespace).observe(seconds)

    def requested(self, method: str, host: str, code: str) -> None:
        """`code`: the status of the answer, or `<error>` when none came."""
        self._requests.labels(code, method, host).inc()

    def leads(self, lease: str, held: bool) -> None:
        self._leader.labels(lease).set(held)

    def forget(self, key: Key) -> None:
        if (key.kind, key.name, key.namespace) in self._duration._metrics:
            self._duration.remove(key.kind, key.name, key.namespace)
        self.token_cache.forget(key)
