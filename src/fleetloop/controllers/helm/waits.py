"""Answers Helm's waits: an action's goroutine blocks in the engine while watches are looked at here. No worker is held.

Flux: helm-notification-image.md 2.14.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from fleetloop.engine import AnswerRefused
from fleetloop.kube.client import Kube
from fleetloop.kube.errors import ApiError, Expired, NotFound, Unreachable
from fleetloop.kube.kstatus import Health, condition, health_of
from fleetloop.kube.objects import Manifest, ObjectRef, version_of
from fleetloop.runtime.outcome import Target

Judge = Callable[[Target], Health]
PAUSE = 1.0  # seconds before a watch that broke is opened again


class WaitedFor(msgspec.Struct, frozen=True, rename="camel"):
    api_version: str
    kind: str
    namespace: str
    name: str
    version: str

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(self.api_version, self.kind, self.namespace, self.name)


class Wait(msgspec.Struct, frozen=True):
    """`mode`: ready, jobs (Jobs complete too), deleted, hook (Jobs and Pods done)."""

    mode: str
    seconds: float
    objects: list[WaitedFor]


class Waits:
    """Those of one cluster. `judge`: the health that watches tell; `use` has kinds watched; `observe` is told of arrivals."""

    def __init__(self, judge: Judge, use: Callable[[set[tuple[str, str]]], None]) -> None:
        self._judge, self._use = judge, use
        self._changed: defaultdict[ObjectRef, set[asyncio.Event]] = defaultdict(set)

    def observe(self, ref: ObjectRef) -> None:
        for event in self._changed.get(ref, ()):
            event.set()

    async def answer(self, kube: Kube, args: Any) -> None:
        """Until all objects are as the mode wants them. Raises AnswerRefused with what Helm is to be told. `kube`: as whom."""
        wait = msgspec.convert(args, Wait)
        try:
            async with asyncio.timeout(wait.seconds):
                if wait.mode in {"ready", "jobs"}:
                    await self._until_healthy(wait)
                else:
                    reached = _is_gone if wait.mode == "deleted" else _is_done
                    await _all(kube, [one.ref for one in wait.objects], reached)
        except TimeoutError:
            raise AnswerRefused(f"timeout waiting for: [{self._unsettled(wait)}]") from None
        except ApiError as error:
            raise AnswerRefused(f"waiting for objects: {error.message}") from error

    async def _until_healthy(self, wait: Wait) -> None:
        targets = {Target(one.ref, int(one.version or 0)) for one in wait.objects}
        self._use({(target.ref.api_version, target.ref.kind) for target in targets})
        changed = asyncio.Event()
        for target in targets:
            self._changed[target.ref].add(changed)
        try:
            while True:
                changed.clear()
                health = {target.ref: self._judge(target) for target in targets}
                failed = [f"{ref} status: '{found.status}'" for ref, found in sorted(health.items()) if found.status == "Failed"]
                if failed:
                    raise AnswerRefused(f"failed early due to stalled resources: [{', '.join(failed)}]")
                if all(found.status == "Current" for found in health.values()):
                    return
                await changed.wait()
        finally:
            for target in targets:
                self._changed[target.ref].discard(changed)
                if not self._changed[target.ref]:
                    del self._changed[target.ref]

    def _unsettled(self, wait: Wait) -> str:
        if wait.mode not in {"ready", "jobs"}:
            return ", ".join(
                f"{one.ref} status: '{'Terminating' if wait.mode == 'deleted' else 'InProgress'}'" for one in wait.objects
            )
        health = {one.ref: self._judge(Target(one.ref, int(one.version or 0))) for one in wait.objects}
        return ", ".join(f"{ref} status: '{found.status}'" for ref, found in sorted(health.items()) if found.status != "Current")


async def _all(kube: Kube, refs: Sequence[ObjectRef], reached: Callable[[Manifest | None], bool]) -> None:
    """Hooks come one at a time and deletions end: each object is watched by itself, as the release's own identity."""
    try:
        async with asyncio.TaskGroup() as group:
            for ref in refs:
                group.create_task(_until(kube, ref, reached))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None  # the first ended the others


async def _until(kube: Kube, ref: ObjectRef, reached: Callable[[Manifest | None], bool]) -> None:
    selector = f"metadata.name={ref.name}"
    while True:
        try:
            live = await kube.find(ref)
            if reached(live):
                return
            version = str(version_of(live)) if live else ""
            async for event in kube.watch(ref.api_version, ref.kind, ref.namespace, "", selector, version):
                if event.type != "BOOKMARK" and reached(None if event.type == "DELETED" else event.object):
                    return
        except (Expired, Unreachable):
            await asyncio.sleep(PAUSE)  # the server gives no event to wait for
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
