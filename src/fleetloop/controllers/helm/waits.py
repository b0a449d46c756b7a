"""Answers Helm's waits: an action's goroutine blocks in the engine while watches are looked at here. No worker is held.

Flux: helm-notification-image.md 2.14.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetloop.access.clusters import LOCAL, Cluster
from fleetloop.api.applier import CustomHealthCheck
from fleetloop.api.meta import Key
from fleetloop.controllers.helm import helm3
from fleetloop.engine import AnswerRefused
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Expired, Forbidden, NotFound, Unreachable
from fleetloop.kube.kstatus import Health, condition, health_of
from fleetloop.kube.objects import Manifest, ObjectRef, version_of
from fleetloop.runtime.health_rules import rules_for
from fleetloop.runtime.health_waits import FAILURES_COUNT_AFTER
from fleetloop.runtime.outcome import Target
from fleetloop.task_group import TaskGroup

Judge = Callable[[Target], Health]
HEALTH = frozenset({"ready", "jobs"})  # modes
PAUSE = 1.0  # seconds before a watch that broke is opened again


class WaitedFor(msgspec.Struct, frozen=True, rename="camel"):
    """`version`: at least; `fleeting`: a Job that is removed when it is done."""

    api_version: str
    kind: str
    namespace: str
    name: str
    version: str
    fleeting: bool = False

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.api_version, self.kind, self.namespace, self.name)


class Wait(msgspec.Struct, frozen=True):
    """`mode`: ready, jobs (Jobs complete too), deleted, hook (Jobs and Pods done)."""

    mode: str
    seconds: float
    objects: list[WaitedFor]


@dataclass(slots=True)
class Waiter:
    """A pass that may have to wait. `kube`: as whom it looks at `cluster`. `rules`: its own about health, which count for nothing
    where it waits `as_helm3` did. `superseded_by`: what newer thing ended its wait."""

    key: Key
    cluster: Cluster
    kube: Kube
    rules: Sequence[CustomHealthCheck] = ()
    as_helm3: bool = False
    superseded_by: str = ""


class Waits:
    """`judge`: the health that watches tell; `observe` is told of arrivals on a cluster."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._changed: defaultdict[tuple[str, ObjectRef], set[asyncio.Event]] = defaultdict(set)
        self._running: dict[Key, tuple[Waiter, asyncio.Timeout]] = {}

    def observe(self, ref: ObjectRef, cluster: str) -> None:
        for event in self._changed.get((cluster, ref), ()):
            event.set()

    def supersede(self, key: Key, cause: str) -> None:
        """Ends a running wait for the release's health: there is something newer to release."""
        if running := self._running.get(key):
            waiter, deadline = running
            waiter.superseded_by = cause
            if not deadline.expired():
                deadline.reschedule(asyncio.get_running_loop().time())

    def kinds(self) -> set[tuple[str, str]]:
        """Of what is waited for on this cluster."""
        return {(ref.api_version, ref.kind) for cluster, ref in self._changed if cluster == LOCAL}

    async def answer(self, waiter: Waiter, args: Any) -> None:
        """Until all objects are as the mode wants them. Raises AnswerRefused with what Helm is to be told."""
        wait = msgspec.convert(args, Wait)
        targets = self._targets(waiter, wait)
        others = _others(wait, targets)
        try:
            async with asyncio.timeout(wait.seconds) as deadline:
                with self._supersedable(waiter, wait.mode, deadline):
                    if targets:
                        await self._until_healthy(waiter, targets, wait)
                    await _all(waiter.kube, others, {"deleted": _is_gone, "hook": _is_done}.get(wait.mode, helm3.is_ready))
        except TimeoutError:
            if waiter.superseded_by:
                raise AnswerRefused(f"canceled: {waiter.superseded_by} has something newer") from None
            raise AnswerRefused(f"timeout waiting for: [{self._unsettled(wait.mode, targets, others)}]") from None
        except ApiError as error:
            raise AnswerRefused(f"waiting for objects: {error.message}") from error

    def _targets(self, waiter: Waiter, wait: Wait) -> dict[ObjectRef, Target]:
        """What is judged by health: of hooks only what expressions are for; nothing as Helm 3 waited."""
        targets = {
            one.ref: Target(one.ref, int(one.version or 0), one.fleeting, rules_for(one.ref, waiter.rules), waiter.cluster.name)
            for one in wait.objects
        }
        if wait.mode == "deleted" or waiter.as_helm3:
            return {}
        return {ref: target for ref, target in targets.items() if target.rules} if wait.mode == "hook" else targets

    @contextlib.contextmanager
    def _supersedable(self, waiter: Waiter, mode: str, deadline: asyncio.Timeout) -> Iterator[None]:
        """What waits for health in there may be ended by something newer."""
        if mode in HEALTH:
            self._running[waiter.key] = (waiter, deadline)
        try:
            yield
        finally:
            self._running.pop(waiter.key, None)

    async def _until_healthy(self, waiter: Waiter, targets: dict[ObjectRef, Target], wait: Wait) -> None:
        changed, cluster = asyncio.Event(), waiter.cluster
        places = [(cluster.name, ref) for ref in targets]
        for place in places:
            self._changed[place].add(changed)
        cluster.live.use(targets, wait.seconds)
        cluster.live.keep_content({(ref.api_version, ref.kind) for ref, target in targets.items() if target.rules})
        loop = asyncio.get_running_loop()
        counts = loop.time() + FAILURES_COUNT_AFTER
        try:
            while True:
                changed.clear()
                early = loop.time() < counts
                if self._all_healthy(targets, wait.mode, may_fail=not early):
                    return
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(counts if early else None):
                        await changed.wait()
        finally:
            for place in places:
                self._changed[place].discard(changed)
                if not self._changed[place]:
                    del self._changed[place]

    def _all_healthy(self, targets: dict[ObjectRef, Target], mode: str, *, may_fail: bool) -> bool:
        """Raises AnswerRefused when one has failed, if it may."""
        health = {ref: self._judge(target) for ref, target in targets.items()}
        failed = [f"{ref} status: '{found.status}'" for ref, found in sorted(health.items()) if found.status == "Failed"]
        if failed and may_fail:
            raise AnswerRefused(f"failed early due to stalled resources: [{', '.join(failed)}]")
        return all(found.status == "Current" or _has_started(targets[ref], found, mode) for ref, found in health.items())

    def _unsettled(self, mode: str, targets: dict[ObjectRef, Target], others: Sequence[ObjectRef]) -> str:
        if not targets:
            state = "Terminating" if mode == "deleted" else "InProgress"
            return ", ".join(f"{ref} status: '{state}'" for ref in others)
        health = {ref: self._judge(target) for ref, target in targets.items()}
        return ", ".join(f"{ref} status: '{found.status}'" for ref, found in sorted(health.items()) if found.status != "Current")


def _others(wait: Wait, targets: dict[ObjectRef, Target]) -> list[ObjectRef]:
    """What is looked at one by one."""
    refs = [one.ref for one in wait.objects if one.ref not in targets]
    return [ref for ref in refs if helm3.is_awaited(ref, jobs=wait.mode == "jobs")] if wait.mode in HEALTH else refs


def _has_started(target: Target, health: Health, mode: str) -> bool:
    """Where Jobs are not waited for, one that runs is enough."""
    return mode == "ready" and target.ref.kind == "Job" and health.message == "Job in progress"


async def _all(kube: Kube, refs: Sequence[ObjectRef], reached: Callable[[Manifest | None], bool]) -> None:
    """Hooks come one at a time and deletions end: each object is watched by itself, as the release's own identity; or read again
    and again, where that may not watch."""
    try:
        async with TaskGroup() as group:
            for ref in refs:
                group.create_task(_until(kube, ref, reached))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the first ended the others


async def _until(kube: Kube, ref: ObjectRef, reached: Callable[[Manifest | None], bool]) -> None:
    selector = f"metadata.name={ref.name}"
    while True:
        try:
            live = await kube.find(ref)
        except Unreachable:
            await asyncio.sleep(PAUSE)  # the server gives no event to wait for
            continue
        if reached(live):
            return
        version = str(version_of(live)) if live else ""
        try:
            async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, "", selector, version):
                if event.type != "BOOKMARK" and reached(None if event.type == "DELETED" else event.object):
                    return
        except (Expired, Forbidden, Unreachable):
            await asyncio.sleep(PAUSE)  # nor here
        except NotFound:
            if reached(None):
                return
            raise


def _is_gone(live: Manifest | None) -> bool:
    return live is None


def _is_done(live: Manifest | None) -> bool:
    """Jobs and Pods run to their end; everything else is done by being there. Raises AnswerRefused for one that failed."""
    if live is None or live["kind"] not in {"Job", "Pod"}:
        return True
    name = f"{live['kind']} {live['metadata']['name']}"
    if live["kind"] == "Pod":
        phase = (live.get("status") or {}).get("phase")
        if phase == "Failed":
            raise AnswerRefused(f"{name} failed")
        return phase == "Succeeded"
    if (failed := condition(live, "Failed")) and failed.get("status") == "True":
        raise AnswerRefused(f"{name} failed: {failed.get('reason') or ''}: {failed.get('message') or ''}")
    return health_of(live).status == "Current"
