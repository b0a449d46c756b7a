"""The measured phases, in the order they run. Each leaves the cluster as the next expects it."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field

from bench import fleet
from bench.counting import requests_so_far, total
from bench.drift import Disturbance, disturbances
from bench.fleet import FLOOR_NAMESPACE, KINDS, KUSTOMIZE_API, NAMESPACE, SIZE, Revision
from bench.following import Follower
from bench.place import ControllerProcess, Place
from bench.usage import usage_of, watched
from fleetloop.kube import Kube, Manifest, ObjectRef

FIRST, SECOND = Revision("v1"), Revision("v2")
LONG, SHORT = "1h", "30s"  # intervals: longer than the bench, and for the phase without changes
PATIENCE = 900.0
DRIFTS = 100
QUIET_STEP, QUIET_TRIES = 0.5, 40


@dataclass(slots=True)
class Phase:
    """`units`: applications or passes that `requests` and `cpu` (seconds, of the controller with its engines) are divided by."""

    name: str
    units: int
    seconds: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    cpu: float = 0.0
    api_server_cpu: float = 0.0
    peak_rss: int = 0
    rss: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def requests_each(self) -> float:
        return total(self.requests) / max(self.units, 1)


@contextlib.asynccontextmanager
async def measured(name: str, units: int, place: Place, controller: ControllerProcess) -> AsyncIterator[Phase]:
    """The body says when the clock stops (`seconds`); what it counts and uses goes on to the body's end."""
    phase = Phase(name, units)
    before, requests = usage_of(controller.pid), await requests_so_far(place.kube)
    server = usage_of(place.api_server_pid).cpu
    async with watched(controller.pid) as peak:
        yield phase
    after = usage_of(controller.pid)
    phase.requests = await requests_so_far(place.kube) - requests
    phase.cpu, phase.rss, phase.peak_rss = after.cpu - before.cpu, after.rss, peak.rss
    phase.api_server_cpu = usage_of(place.api_server_pid).cpu - server


async def create(place: Place, controller: ControllerProcess, count: int) -> Phase:
    """From the first request that creates a Kustomization until all are Ready."""
    await place.publish(FIRST)
    async with kustomizations(place) as live, measured("created", count, place, controller) as phase:
        started = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(live.until_all(count, lambda found: fleet.is_ready(found, FIRST.name), PATIENCE))
            for number in range(count):
                group.create_task(_discarded(place.kube.create(fleet.kustomization(number, LONG))))
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def update(place: Place, controller: ControllerProcess, count: int) -> Phase:
    """From the new artifact in the source's status until all are Ready at it."""
    async with kustomizations(place) as live, measured("updated", count, place, controller) as phase:
        started = time.monotonic()
        await place.publish(SECOND)
        await live.until_all(count, lambda found: fleet.is_ready(found, SECOND.name), PATIENCE)
        phase.seconds = time.monotonic() - started
        await until_quiet(place)
    return phase


async def drift(place: Place, controller: ControllerProcess, count: int) -> Phase:
    """Foreign writes and deletions, one after the other, each timed until the object is again as it was applied."""
    done = disturbances(min(DRIFTS, count), SECOND)
    async with contextlib.AsyncExitStack() as stack:
        live = {kind: await stack.enter_async_context(Follower(place.kube, *kind).running()) for kind in KINDS}
        phase = await stack.enter_async_context(measured("repaired", len(done), place, controller))
        for disturbance in done:
            follower = live[disturbance.ref.api_version, disturbance.ref.kind]
            phase.latencies.append(await _repaired(place.kube, follower, disturbance))
        phase.seconds = sum(phase.latencies)
        await until_quiet(place)
    return phase


async def _repaired(kube: Kube, live: Follower, disturbance: Disturbance) -> float:
    started = time.monotonic()
    version = await disturbance.commit(kube)
    await live.until(disturbance.ref, lambda found: disturbance.is_repaired(found, version), PATIENCE)
    return time.monotonic() - started


async def idle_passes(place: Place, controller: ControllerProcess, count: int, seconds: float) -> Phase:
    """Nothing changes: what a pass costs when the interval alone makes it."""
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            ref = ObjectRef(KUSTOMIZE_API, "Kustomization", NAMESPACE, fleet.application_name(number))
            group.create_task(_discarded(place.kube.patch(ref, {"spec": {"interval": SHORT}})))
    async with kustomizations(place) as live:
        await live.until_all(
            count, lambda found: fleet.is_ready(found, SECOND.name) and found["spec"]["interval"] == SHORT, PATIENCE
        )
    await until_quiet(place)
    async with measured("no change", 0, place, controller) as phase:
        before = await controller.passes()
        await asyncio.sleep(seconds)
        phase.units, phase.seconds = await controller.passes() - before, seconds
    return phase


def kustomizations(place: Place) -> contextlib.AbstractAsyncContextManager[Follower]:
    return Follower(place.kube, KUSTOMIZE_API, "Kustomization").running()


async def until_quiet(place: Place) -> None:
    """What follows a pass, events above all, has been sent when the server's counters stand still."""
    last: Counter[str] = Counter()
    for _ in range(QUIET_TRIES):
        if (now := await requests_so_far(place.kube)) == last:
            return
        last = now
        await asyncio.sleep(QUIET_STEP)


async def floor(place: Place, count: int) -> list[Phase]:
    """The same objects by bare requests of our own client, as many at a time as it lets through."""
    objects = [each for number in range(count) for each in fleet.objects_of(number, FLOOR_NAMESPACE, FIRST)]
    phases = []
    for name, dry_run in (("floor: applies", False), ("floor: no-change dry runs", True)):
        server, started = usage_of(place.api_server_pid).cpu, time.monotonic()
        async with asyncio.TaskGroup() as group:
            for manifest in objects:
                group.create_task(_discarded(place.kube.apply(manifest, dry_run=dry_run)))
        cpu = usage_of(place.api_server_pid).cpu - server
        phases.append(Phase(name, count * SIZE, seconds=time.monotonic() - started, api_server_cpu=cpu))
    return phases


async def _discarded(request: Awaitable[Manifest]) -> None:
    """Thousands of answers are not kept until the group ends."""
    await request
