"""How the loops fare, in the families of controller-runtime: passes, workers and the queue, per kind."""

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from fleetloop.api.meta import Key
from fleetloop.runtime.outcome import PassEnd

_RESULTS = ("error", "requeue", "requeue_after", "success")
_PASS_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5),
    *(1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
_QUEUE_BUCKETS = [10.0**power for power in range(-8, 4)]  # 10 ns to 1000 s


class LoopFamilies:
    """Registered once; each kind has its series in them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *more: str) -> Counter:
            return Counter(
                f"controller_runtime_{name}", f"Total number of {text} per controller", ("controller", *more), registry=registry
            )

        self.passes = counter("reconcile", "reconciliations", "result")
        self.errors = counter("reconcile_errors", "reconciliation errors")
        self.terminal_errors = counter("terminal_reconcile_errors", "terminal reconciliation errors")
        self.panics = counter("reconcile_panics", "reconciliation panics")
        self.timeouts = counter("reconcile_timeouts", "reconciliation timeouts")
        text = "Length of time per reconciliation per controller"
        name = "controller_runtime_reconcile_time_seconds"
        self.pass_time = Histogram(name, text, ("controller",), buckets=_PASS_BUCKETS, registry=registry)
        text = "Maximum number of concurrent reconciles per controller"
        self.workers = Gauge("controller_runtime_max_concurrent_reconciles", text, ("controller",), registry=registry)
        text = "Number of currently used workers per controller"
        self.active_workers = Gauge("controller_runtime_active_workers", text, ("controller",), registry=registry)
        self._register_queue(registry)

    def _register_queue(self, registry: CollectorRegistry) -> None:
        labels = ("name", "controller")

        def gauge(name: str, text: str, *more: str) -> Gauge:
            return Gauge(f"workqueue_{name}", text, (*labels, *more), registry=registry)

        self.depth = gauge("depth", "Current depth of workqueue by workqueue and priority", "priority")
        self.unfinished = gauge("unfinished_work_seconds", "Seconds of work that is in progress, of all items together.")
        self.longest = gauge("longest_running_processor_seconds", "Seconds that the longest work in progress has taken.")
        self.adds = Counter("workqueue_adds", "Total number of adds handled by workqueue", labels, registry=registry)
        text = "Total number of items added to the workqueue with a delay"
        self.retries = Counter("workqueue_retries", text, labels, registry=registry)
        text = "How long in seconds an item stays in workqueue before being requested"
        self.queued = Histogram("workqueue_queue_duration_seconds", text, labels, buckets=_QUEUE_BUCKETS, registry=registry)
        text = "How long in seconds processing an item from workqueue takes."
        self.worked = Histogram("workqueue_work_duration_seconds", text, labels, buckets=_QUEUE_BUCKETS, registry=registry)


class LoopMetrics:
    """What one kind's loop and its queue tell."""

    def __init__(self, families: LoopFamilies, controller: str, workers: int) -> None:
        self._waiting: dict[Key, float] = {}  # since when
        self._working: dict[Key, float] = {}
        both = (controller, controller)
        self._passes = {result: families.passes.labels(controller, result) for result in _RESULTS}
        self._errors = families.errors.labels(controller)
        self._terminal_errors = families.terminal_errors.labels(controller)
        self._panics = families.panics.labels(controller)
        families.timeouts.labels(controller)
        self._pass_time = families.pass_time.labels(controller)
        self._adds, self._retries = families.adds.labels(*both), families.retries.labels(*both)
        self._queued, self._worked = families.queued.labels(*both), families.worked.labels(*both)
        families.workers.labels(controller).set(workers)
        families.active_workers.labels(controller).set_function(lambda: len(self._working))
        families.depth.labels(*both, "0").set_function(lambda: len(self._waiting))
        families.unfinished.labels(*both).set_function(lambda: sum(self._times_at_work()))
        families.longest.labels(*both).set_function(lambda: max(self._times_at_work(), default=0.0))

    def added(self, key: Key) -> None:
        self._adds.inc()
        self._waiting.setdefault(key, time.monotonic())

    def delayed(self) -> None:
        self._retries.inc()

    def taken(self, key: Key) -> None:
        now = time.monotonic()
        self._queued.observe(now - self._waiting.pop(key, now))
        self._working[key] = now

    def finished(self, key: Key) -> None:
        now = time.monotonic()
        self._worked.observe(now - self._working.pop(key, now))

    def passed(self, end: PassEnd, seconds: float) -> None:
        self._pass_time.observe(seconds)
        self._passes[end if end in self._passes else "error"].inc()
        if end not in {"success", "requeue_after"}:
            self._errors.inc()
        if end == "terminal_error":
            self._terminal_errors.inc()
        if end == "bug":
            self._panics.inc()

    def _times_at_work(self) -> Iterable[float]:
        """A copy first: the registry is read in another thread than the loop's."""
        now = time.monotonic()
        return [now - since for since in list(self._working.values())]
