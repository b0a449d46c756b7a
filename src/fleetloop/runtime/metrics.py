"""The metric families that dashboards of Flux read. Flux: helm-notification-image.md 1.6."""

from prometheus_client import CollectorRegistry, Histogram

from fleetloop.api.meta import Key

_LONGEST = 1800.0
_BUCKETS = [0.01 * (_LONGEST / 0.01) ** (step / 9) for step in range(10)]  # ten exponential steps, 10 ms to 30 min


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
