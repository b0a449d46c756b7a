"""A measured phase, and the floor it is measured against: bare requests of our own client in the same run."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass, field

from bench.counting import requests_so_far, total
from bench.place import ControllerProcess, Place
from bench.usage import usage_of, watched
from fleetloop.kube import Manifest

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
    """`units`: what `requests` and CPU are divided by, applications or passes. `cpu`: seconds of the controller itself,
    `children_cpu` of its engines or git; memory in bytes, at its peak. `floor`: of the same work by bare requests."""

    name: str
    units: int
    seconds: float = 0.0
    requests: Counter[str] = field(default_factory=Counter)
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
async def measured(name: str, units: int, place: Place, controller: ControllerProcess) -> AsyncIterator[Phase]:
    """The body says when the clock stops (`seconds`); what it counts and uses goes on to the body's end."""
    phase = Phase(name, units)
    before, requests = usage_of(controller.pid), await requests_so_far(place.kube)
    server = usage_of(place.api_server_pid).cpu
    async with watched(controller.pid) as peak:
        yield phase
    after = usage_of(controller.pid)
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
    server, started = usage_of(place.api_server_pid).cpu, time.monotonic()
    await at_once([place.kube.apply(manifest, dry_run=dry_run) for manifest in objects])
    cpu = usage_of(place.api_server_pid).cpu - server
    return Floor(name, len(objects), time.monotonic() - started, cpu)


async def at_once(requests: Sequence[Awaitable[Manifest]]) -> None:
    """Thousands of answers are not kept until the group ends."""

    async def discarded(request: Awaitable[Manifest]) -> None:
        await request

    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(discarded(request))
