"""The controller loop: keeps objects of one kind moving. It decides when a pass runs and what follows it, never what a pass does.

Level-based: a pass derives everything from state. A worker is held while work is done, never while the world is awaited.
Flux: helm-notification-image.md 1.4.
"""

import copy
import datetime
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from fleetloop.api import names
from fleetloop.api.durations import InvalidDuration
from fleetloop.api.kinds import Kind
from fleetloop.api.meta import Key, Object, Status, content_of
from fleetloop.kube.cache import Cache
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, NotFound, Unreachable
from fleetloop.kube.objects import Manifest
from fleetloop.runtime.clock import backoff, utc_now, with_jitter
from fleetloop.runtime.conditions import merged
from fleetloop.runtime.decode import decoded
from fleetloop.runtime.events import Fact, Recorder
from fleetloop.runtime.health_waits import HealthWaits
from fleetloop.runtime.log import bound_contextvars, logger
from fleetloop.runtime.metrics import Metrics
from fleetloop.runtime.outcome import BadSpec, Done, Failure, Outcome, PassEnd, Retry, Severity, Waiting, pass_end
from fleetloop.runtime.queue import WorkQueue
from fleetloop.runtime.slots import Slot, Slots
from fleetloop.runtime.status import ref_of_object, save_status
from fleetloop.task_group import TaskGroup

EVENT_LIFETIME = 3300.0  # seconds: the API server forgets an event after an hour
SHORT_WAIT = 2.0  # seconds; most waits end before anybody could have read of them

T = TypeVar("T", bound=Object)
T_contra = TypeVar("T_contra", bound=Object, contravariant=True)


class Reconciler(Protocol[T_contra]):
    """What a kind's pass does. The loop has dealt with absence, deletion's start, finalizer and suspension before it calls."""

    owned_conditions: frozenset[str]

    async def reconcile(self, obj: T_contra, draft: Status, report: "Report") -> Outcome:
        """Steps write facts into `draft`, which is saved even when one raises Failure."""

    async def finalize(self, obj: T_contra, report: "Report") -> None:
        """Undoes what the object did; the finalizer goes when this returns. Raises Failure to be tried again."""

    def settle(self, obj: T_contra, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        """Writes Ready, Reconciling and Stalled into `draft`."""

    def suspended(self, obj: T_contra, draft: Status) -> None:
        """What a suspended pass stamps besides lastHandledReconcileAt."""


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Seconds; `manager` writes status and finalizers."""

    workers: int
    manager: str
    first_retry: float = 0.75
    longest_retry: float = 900.0
    jitter_percentage: int = 5
    namespace: str = ""
    label_selector: str = ""
    finalizer: str = names.FINALIZER


class Report:
    """A pass's mouth: progress that others may see while it runs, events, and that it only waits."""

    def __init__(self, save: Callable[[], Awaitable[None]], emit: Callable[[Fact], None], slot: Slot) -> None:
        self._save = save
        self._emit = emit
        self._slot = slot

    def away(self) -> AbstractAsyncContextManager[None]:
        """The world is awaited: the worker's slot is another pass's meanwhile. The object itself stays ours."""
        return self._slot.away()

    async def progress(self) -> None:
        """Saves the draft as it is now. Each is a request: only for what lasts and for what is new."""
        await self._save()

    def event(self, severity: Severity, reason: str, message: str, metadata: Mapping[str, str] | None = None) -> None:
        self._emit(Fact(severity, reason, message, metadata or {}))

    def repeat(self, reason: str, message: str, metadata: Mapping[str, str]) -> None:
        """Receivers hear it again; the API server, which has it, does not."""
        self._emit(Fact("Normal", reason, message, metadata, stored=False))


class Controller(Generic[T]):
    """Runs one kind. `cache` is what the pass reads; other kinds' watches call `enqueue`."""

    def __init__(
        self,
        kind: Kind,
        struct: type[T],
        reconciler: Reconciler[T],
        kube: Kube,
        recorder: Recorder,
        metrics: Metrics,
        settings: LoopSettings,
        waits: HealthWaits | None = None,
        also: Callable[[T | None, T | None], None] | None = None,
        is_static: Callable[[T], bool] | None = None,
    ) -> None:
        """`also` hears every change of the kind, after the loop itself. `is_static`: objects that others only read; what was done
        about one before is undone, once."""
        self.kind = kind
        self._loop_metrics = metrics.loop(kind.singular, settings.workers)
        self.queue = WorkQueue(self._loop_metrics)
        self._struct = struct
        self._reconciler = reconciler
        self._kube = kube.managing_as(settings.manager)
        self._recorder = recorder
        self._metrics = metrics
        self._settings = settings
        self._waits = waits
        self._also = also
        self._is_static = is_static
        self._failures: dict[Key, int] = {}
        self._event_stored: dict[Key, float] = {}
        self._slots = Slots(settings.workers, self.queue.bar, self.queue.admit)
        self._unsaved: dict[Key, Status] = {}  # of passes that have begun to wait, until a save succeeds
        self.cache: Cache[T] = Cache(
            kube,
            kind.api_version,
            kind.kind,
            lambda manifest: decoded(struct, manifest),
            self,
            namespace=settings.namespace,
            label_selector=settings.label_selector,
        )
        metrics.watches(kind.kind, lambda: self.cache.version)

    async def run(self, after: Iterable[Cache[Any]] = ()) -> None:
        """Until cancelled. `after`: kinds that the passes read; none begins before they were listed, or what is only not seen yet
        would be told as not found."""
        async with TaskGroup() as group:
            group.create_task(self.cache.run())
            for cache in after:
                await cache.synced.wait()
            while True:
                await self._slots.take()
                group.create_task(self._work(await self.queue.next()))

    def enqueue(self, key: Key) -> None:
        self.queue.add(key)

    def changed(self, old: T | None, new: T | None) -> None:
        """The watch's word: a pass follows a new generation, a new request, a deletion, an appearance."""
        if old and new and old.metadata.uid != new.metadata.uid:  # a watch that was interrupted missed the end of the old one
            self.changed(old, None)
            self.changed(None, new)
            return
        if new is None:
            if old is not None:
                self._forget(old.key)
        elif old is None or _wakes(old, new):
            self._failures.pop(new.key, None)
            self.queue.add(new.key)
        if self._also:
            self._also(old, new)

    def undecodable(self, manifest: Manifest, error: ValueError) -> None:
        metadata = manifest["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace")
        logger().error("object cannot be read", kind=self.kind.kind, name=name, namespace=namespace, error=str(error))

    def disturbed(self, error: Exception) -> None:
        logger().info("watch interrupted, opening it again", kind=self.kind.kind, error=str(error) or type(error).__name__)

    async def _work(self, key: Key) -> None:
        """One pass; the slot was taken for it."""
        try:
            async with self._slots.used_by(key.namespace) as slot:
                if obj := self.cache.get(key.namespace, key.name):
                    with bound_contextvars(**self._log_keys(key)):
                        started = time.monotonic()
                        end = await self._guarded_pass(obj, slot)
                        self._measure(key, end, time.monotonic() - started)
        finally:
            self.queue.done(key)

    def _measure(self, key: Key, end: PassEnd, seconds: float) -> None:
        self._loop_metrics.passed(end, seconds)
        if self.cache.get(key.namespace, key.name):  # else its series are gone and must stay so
            self._metrics.reconciled(key, seconds)

    def _log_keys(self, key: Key) -> dict[str, object]:
        return {
            "controller": self.kind.singular,
            "controllerGroup": self.kind.group,
            "controllerKind": key.kind,
            key.kind: {"name": key.name, "namespace": key.namespace},
            "namespace": key.namespace,
            "name": key.name,
            "reconcileID": str(uuid.uuid4()),
        }

    async def _guarded_pass(self, obj: T, slot: Slot) -> PassEnd:
        """The one place that catches everything: a bug, or an API server that is away, becomes back-off."""
        try:
            return await self._pass(obj, slot)
        except NotFound as error:
            if not self.cache.get(obj.namespace, obj.name):
                return "success"
            logger().debug("not found", error=str(error))  # gone only when the watch says so
            self._back_off(obj.key)
        except (ApiError, Unreachable) as error:
            logger().error("Reconciler error", error=str(error))
            self._back_off(obj.key)
        except Exception:
            logger().exception("pass ended by a bug")
            self._back_off(obj.key)
            return "bug"
        return "error"

    async def _pass(self, obj: T, slot: Slot) -> PassEnd:
        unsaved = self._unsaved.get(obj.key)
        draft: Status = copy.copy(obj.status)  # type: ignore[attr-defined]  # every kind with a loop has a status
        if unsaved:
            unsaved.conditions = merged(draft, unsaved, self._reconciler.owned_conditions)
            draft = unsaved
        requested = obj.metadata.annotations.get(names.REQUESTED_AT, "")
        report = Report(lambda: self._save(obj, draft), lambda fact: self._recorder.record(obj, fact), slot)
        if obj.metadata.deletion_timestamp:
            return await self._finalize(obj, report)
        if self._is_static and self._is_static(obj):
            await self._leave(obj, report)
            return "success"
        if self._settings.finalizer and self._settings.finalizer not in obj.metadata.finalizers:
            obj = await self._add_finalizer(obj)
        if obj.is_suspended:
            self._reconciler.suspended(obj, draft)
            draft.last_handled_reconcile_at = requested or draft.last_handled_reconcile_at
            await self._save(obj, draft)
            return "success"
        result = await self._attempt(obj, draft, report)
        draft.last_handled_reconcile_at = requested or draft.last_handled_reconcile_at
        self._reconciler.settle(obj, draft, result, utc_now())
        if isinstance(result, Waiting) and unsaved is None:
            self._unsaved[obj.key] = draft
            self.queue.add_after(obj.key, SHORT_WAIT)
        else:
            await self._save(obj, draft)
        self._follow(obj, result, report)
        return pass_end(result)

    async def _attempt(self, obj: T, draft: Status, report: Report) -> Outcome | Failure:
        try:
            return await self._reconciler.reconcile(obj, draft, report)
        except Failure as failure:
            return failure
        except InvalidDuration as error:  # the schema's pattern lets through what is too long for anybody
            return BadSpec(f"spec: {error}")

    def _follow(self, obj: T, result: Outcome | Failure, report: Report) -> None:
        """What comes after a settled pass: the event, the log line, the next time."""
        key = obj.key
        if not isinstance(result, Failure) or result.retry is not Retry.BACKOFF:
            self._failures.pop(key, None)
        match result:
            case Done(after=after, event=event):
                if event:
                    self._announce(key, result, report)
                (logger().info if result.is_news else logger().debug)(event or result.message)
                if after is not None:
                    self.queue.add_after(key, with_jitter(after, self._settings.jitter_percentage))
            case Waiting() if self._waits:
                self._waits.start(key, result)
            case Failure():
                self._follow_failure(key, result, report)

    def _announce(self, key: Key, done: Done, report: Report) -> None:
        """That nothing has changed is stored once in an event's lifetime, so that people always find one."""
        now, stored = time.monotonic(), self._event_stored.get(key)
        if stored is None or done.is_news or now - stored > EVENT_LIFETIME:
            self._event_stored[key] = now
            report.event("Normal", done.reason, done.event, dict(done.event_metadata))
        else:
            report.repeat(done.reason, done.event, dict(done.event_metadata))

    def _follow_failure(self, key: Key, failure: Failure, report: Report) -> None:
        if failure.severity:
            report.event(failure.severity, failure.reason, str(failure), failure.metadata)
            logger().error("Reconciliation failed", error=str(failure), reason=failure.reason)
        else:
            logger().info("Reconciliation did not succeed", error=str(failure), reason=failure.reason)
        if failure.retry is Retry.AFTER and failure.after is not None:
            percentage = self._settings.jitter_percentage if failure.is_jittered else 0
            self.queue.add_after(key, with_jitter(failure.after, percentage))
        elif failure.retry is Retry.BACKOFF:
            self._back_off(key)

    def _back_off(self, key: Key) -> None:
        self._failures[key] = self._failures.get(key, 0) + 1
        self.queue.add_after(key, backoff(self._failures[key], self._settings.first_retry, self._settings.longest_retry))

    async def _save(self, obj: T, draft: Status) -> None:
        """Also renews the base of the next save in the same pass."""
        saved = await save_status(self._kube, obj, draft, self._reconciler.owned_conditions)
        self._unsaved.pop(obj.key, None)  # the draft was made from it
        if saved:
            self.cache.keep(saved)
            fresh = decoded(self._struct, saved)
            obj.metadata, obj.status = fresh.metadata, fresh.status  # type: ignore[attr-defined]

    async def _leave(self, obj: T, report: Report) -> None:
        """SK14: no finalizer, no status; a suspended one stays as it is."""
        if obj.is_suspended:
            return
        if self._settings.finalizer in obj.metadata.finalizers:
            await self._finalize(obj, report)
        if status := content_of(obj.status):  # type: ignore[attr-defined]
            await self._kube.patch(ref_of_object(obj), {"status": dict.fromkeys(status)}, subresource="status")

    async def _add_finalizer(self, obj: T) -> T:
        wanted = [*obj.metadata.finalizers, self._settings.finalizer]
        patch = {"metadata": {"finalizers": wanted, "resourceVersion": obj.metadata.resource_version}}
        saved = await self._kube.patch(ref_of_object(obj), patch)
        self.cache.keep(saved)
        return decoded(self._struct, saved)

    async def _finalize(self, obj: T, report: Report) -> PassEnd:
        if self._settings.finalizer not in obj.metadata.finalizers:
            return "success"
        try:
            await self._reconciler.finalize(obj, report)
        except Failure as failure:
            self._follow_failure(obj.key, failure, report)
            return pass_end(failure)
        rest = [name for name in obj.metadata.finalizers if name != self._settings.finalizer]
        patch = {"metadata": {"finalizers": rest, "resourceVersion": obj.metadata.resource_version}}
        await self._kube.patch(ref_of_object(obj), patch)
        self._forget(obj.key)
        return "success"

    def _forget(self, key: Key) -> None:
        self.queue.forget(key)
        self._failures.pop(key, None)
        self._event_stored.pop(key, None)
        self._unsaved.pop(key, None)
        self._metrics.forget(key)
        if self._waits:
            self._waits.cancel(key)


def _wakes(old: Object, new: Object) -> bool:
    """Label and other annotation edits do not trigger a pass."""
    requested_before = old.metadata.annotations.get(names.REQUESTED_AT)
    return (
        old.metadata.generation != new.metadata.generation
        or old.metadata.deletion_timestamp != new.metadata.deletion_timestamp
        or requested_before != new.metadata.annotations.get(names.REQUESTED_AT)
    )
