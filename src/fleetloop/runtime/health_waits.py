"""Health without holding a worker: a wait is a record fed by watches, and its end wakes the object.

Not persisted: after a restart the next pass applies again (nothing changes) and waits anew.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from fleetloop.api.meta import Key
from fleetloop.kube.kstatus import Health
from fleetloop.kube.objects import ObjectRef
from fleetloop.runtime.outcome import Target, Waiting

FAILURES_COUNT_AFTER = 3.0  # seconds: a controller tells of a new generation with the last one's conditions before it has looked


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a wait ended: `unsettled` is empty when all targets are Current. `seconds` since it began."""

    token: str
    unsettled: dict[ObjectRef, Health]
    seconds: float

    @property
    def failed(self) -> bool:
        return any(health.status == "Failed" for health in self.unsettled.values())


@dataclass(slots=True)
class _Wait:
    """`unsettled`: the targets that were not Current when last looked at. `again`: when a failure that came too early to count is
    looked at again."""

    token: str
    targets: frozenset[Target]
    fail_fast: bool
    timer: asyncio.TimerHandle
    since: float
    unsettled: set[Target]
    again: asyncio.TimerHandle | None = None


class HealthWaits:
    """`health_of` says InProgress while what it knows is older than the target's version. `patience`: seconds of a wait before a
    failure counts."""

    def __init__(
        self, enqueue: Callable[[Key], None], health_of: Callable[[Target], Health], patience: float = FAILURES_COUNT_AFTER
    ) -> None:
        self._enqueue = enqueue
        self._health_of = health_of
        self._patience = patience
        self._waits: dict[Key, _Wait] = {}
        self._watchers: defaultdict[tuple[str, ObjectRef], dict[Key, Target]] = defaultdict(dict)  # by cluster and object
        self._verdicts: dict[Key, Verdict] = {}

    def start(self, key: Key, waiting: Waiting) -> None:
        """A newer wait replaces an older one; one with the same token goes on under the older one's deadline."""
        old, loop = self.cancel(key), asyncio.get_running_loop()
        since = old.since if old and old.token == waiting.token else loop.time()
        timer = loop.call_at(since + waiting.timeout, self._conclude, key)
        self._waits[key] = _Wait(waiting.token, waiting.targets, waiting.fail_fast, timer, since, set())
        for target in waiting.targets:
            self._watchers[(target.cluster, target.ref)][key] = target
        self._check(key)  # all may be current already

    def observe(self, ref: ObjectRef, cluster: str = "") -> None:
        """A new version of `ref` is known."""
        for key, target in tuple(self._watchers.get((cluster, ref), {}).items()):
            self._look(key, target)

    def is_waiting(self, key: Key, token: str) -> bool:
        return (wait := self._waits.get(key)) is not None and wait.token == token

    def take_verdict(self, key: Key, token: str) -> Verdict | None:
        verdict = self._verdicts.pop(key, None)
        return verdict if verdict and verdict.token == token else None

    def cancel(self, key: Key) -> _Wait | None:
        """Drops the wait and its verdict."""
        self._verdicts.pop(key, None)
        wait = self._waits.pop(key, None)
        if wait:
            wait.timer.cancel()
            if wait.again:
                wait.again.cancel()
            for target in wait.targets:
                place = (target.cluster, target.ref)
                self._watchers[place].pop(key, None)
                if not self._watchers[place]:
                    del self._watchers[place]
        return wait

    def _look(self, key: Key, target: Target) -> None:
        """At one target: thousands of them make thousands of versions, and all are looked at only when it may be the end."""
        wait, status = self._waits[key], self._health_of(target).status
        if status == "Current":
            wait.unsettled.discard(target)
        else:
            wait.unsettled.add(target)
        if wait.fail_fast and status == "Failed":
            self._fail(key)
        elif not wait.unsettled:
            self._check(key)

    def _check(self, key: Key) -> None:
        wait = self._waits[key]
        states = {target: self._health_of(target).status for target in wait.targets}
        wait.unsettled = {target for target, status in states.items() if status != "Current"}
        if not wait.unsettled:
            self._conclude(key)
        elif wait.fail_fast and "Failed" in states.values():
            self._fail(key)

    def _fail(self, key: Key) -> None:
        wait, loop = self._waits[key], asyncio.get_running_loop()
        counts = wait.since + self._patience
        if loop.time() >= counts:
            self._conclude(key)
        elif wait.again is None:
            wait.again = loop.call_at(counts, self._look_again, key)

    def _look_again(self, key: Key) -> None:
        self._waits[key].again = None
        self._check(key)

    def _conclude(self, key: Key) -> None:
        wait = self.cancel(key)
        if wait is None:
            return
        health = {target.ref: self._health_of(target) for target in wait.targets}
        unsettled = {ref: found for ref, found in health.items() if found.status != "Current"}
        seconds = asyncio.get_running_loop().time() - wait.since
        self._verdicts[key] = Verdict(wait.token, unsettled, seconds)
        self._enqueue(key)
