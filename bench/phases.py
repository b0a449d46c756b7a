"""A measured phase, and the floor it is measured against: bare requests of our own client in the same run."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field

from bench.applications import FLOOR_NAMESPACE
from bench.counting import requests_so_far, total
from bench.place import ControllerProcess, Place
from bench.usage import usage_of, watched
from fleetloop.kube import Manifest
from fleetloop.kube.objects import ref_of

LONG = "1h"  # an interval longer than the bench
PATIENCE = 1800.0
QUIET_STEP, QUIET_TRIES = 0.5, 40


@dataclass(frozen=True, slots=True)
class Floor:
    """What bare requests took: seconds, and the API server's CPU seconds."""

    name: str
    requests: int
    seconds: float
    api_server_cpu: float

    def __add__(self, other: "Floor") -> "Floor":
        requests, cpu = self.requests + other.requests, self.api_server_cpu + other.api_server_cpu
        return Floor(f"{self.name} + {other.name}", requests, self.seconds + other.seconds, cpu)


@dataclass(slots=True)
class Phase:
    """`units`: what `requests` and CPU are divided by, applications or passes. `cpu`: seconds of the controllers themselves,
    `children_cpu` of their engines or git; memory in bytes, at its peak. `registry_requests`: those that the registry was asked.
    `floor`: of the same work by bare requests."""

    name: str
    units: int
    seconds: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
    registry_requests: int = 0
    cpu: float = 0.0
    children_cpu: float = 0.0
    api_server_cpu: float = 0.0
    peak_rss: int = 0
    peak_own_rss: int = 0
    peak_children_rss: int = 0
    latencies: list[float] = field(default_factory=list)
    floor: Floor | None = None

    @property
    def requests_each(self) -> float:
        return total(self.requests) / max(self.units, 1)


@contextlib.asynccontextmanager
async def measured(name: str, units: int, place: Place, *controllers: ControllerProcess) -> AsyncIterator[Phase]:
    """The body says when the clock stops (`seconds`); what it counts and uses goes on to the body's end."""
    phase = Phase(name, units)
    pids = [controller.pid for controller in controllers]
    before, requests = usage_of(*pids), await requests_so_far(place.kube)
    server = usage_of(place.api_server_pid).cpu
    async with watched(*pids) as peak:
        yield phase
    after = usage_of(*pids)
    phase.requests = await requests_so_far(place.kube) - requests
    phase.cpu, phase.children_cpu = after.cpu - before.cpu, after.children_cpu - before.children_cpu
    phase.peak_rss, phase.peak_own_rss, phase.peak_children_rss = peak.total, peak.own, peak.children
    phase.api_server_cpu = usage_of(place.api_server_pid).cpu - server


async def measured_for(seconds: float, name: str, place: Place, controller: ControllerProcess) -> Phase:
    """What passes cost that the interval alone makes."""
    async with measured(name, 0, place, controller) as phase:
        before = await controller.passes()
        await asyncio.sleep(seconds)
        phase.units, phase.seconds = await controller.passes() - before, seconds
    return phase


async def until_quiet(place: Place) -> None:
    """What follows a pass, events above all, has been sent when the server's counters stand still."""
    last: Counter[str] = Counter()
    for _ in range(QUIET_TRIES):
        if (now := await requests_so_far(place.kube)) == last:
            return
        last = now
        await asyncio.sleep(QUIET_STEP)


async def floor_of(place: Place, name: str, objects: Sequence[Manifest], *, dry_run: bool = False) -> Floor:
    """Server-side applies of the objects, as many at a time as our client lets through."""
    return await timed_floor(place, name, [place.kube.apply(manifest, dry_run=dry_run) for manifest in objects])


async def status_floor(place: Place, name: str, live: Sequence[Manifest]) -> Floor:
    """A write of each object's status, as it is: to copies that no controller sees any more."""
    copies = [_copy_of(manifest) for manifest in live]
    await at_once([place.kube.create(copy) for copy in copies])
    patches = [
        place.kube.patch(ref_of(copy), {"status": manifest["status"]}, subresource="status")
        for copy, manifest in zip(copies, live, strict=True)
    ]
    return await timed_floor(place, name, patches)


async def timed_floor(place: Place, name: str, requests: Sequence[Awaitable[object]]) -> Floor:
    server, started = usage_of(place.api_server_pid).cpu, time.monotonic()
    await at_once(requests)
    cpu = usage_of(place.api_server_pid).cpu - server
    return Floor(name, len(requests), time.monotonic() - started, cpu)


def _copy_of(live: Manifest) -> Manifest:
    metadata = {"name": live["metadata"]["name"], "namespace": FLOOR_NAMESPACE}
    return {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata, "spec": live["spec"]}


async def at_once(requests: Sequence[Awaitable[object]]) -> None:
    """Thousands of answers are not kept until the group ends."""

    async def discarded(request: Awaitable[object]) -> None:
        await request

    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(discarded(request))
