"""A fleet through many revisions while somebody kills what works on it; and the comparison at the end."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from tests.e2e.faults.fleet import Fleet
from tests.e2e.faults.killing import Killer
from tests.e2e.faults.place import Place, opened
from tests.e2e.faults.size import Size
from tests.kit.faults import FaultPlan


async def through_revisions(place: Place, fleet: Fleet, killed: Callable[[], bool], revisions: int) -> None:
    """One revision after the other until all kills are done and so many of them came; then the last one, in peace. The fleet's
    removed Kustomizations go on the way."""
    while not killed() or place.pushed < revisions:
        await place.attempted(0.8)
        if place.pushed == 2:
            for number in fleet.removed:
                await place.remove(fleet.apps[number])
        await place.ready(fleet)
        await place.push(fleet)
    await place.ready(fleet)
    await place.push(fleet, last=True)
    await place.ready(fleet)
    assert await place.problems(fleet) == []


@asynccontextmanager
async def settled(folder: Path, size: Size, *, sources: int) -> AsyncIterator[tuple[Place, Fleet]]:
    async with opened(folder, FaultPlan()) as place:
        removed = frozenset({size.apps - 1, size.apps - 2})
        fleet = Fleet(size.apps, size.seed, sources=sources, sealed={}, breaks=False, removed=removed)
        fleet = replace(fleet, sealed=await place.sealed(fleet.apps))
        await place.settle_in(fleet)
        yield place, fleet


async def kill_and_compare(
    place: Place, fleet: Fleet, size: Size, kind: str, most_news: int, kill: Callable[[], Awaitable[None]]
) -> None:
    """Kills whoever writes this kind of object, `size.kills` times during `size.reconciliations`, and compares the end."""
    objects = fleet.sources if kind == "GitRepository" else fleet.count  # reconciled at each revision
    revisions = max(3, -(-size.reconciliations // objects))

    def quota() -> int:
        return -(-size.kills * place.pushed // revisions)

    killer = Killer(place.following, kind, kill, random.Random(size.seed), most_news, quota)
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(killer.run(size.kills))
        await through_revisions(place, fleet, killing.done, revisions)
    print(f"\n{killer.kills} kills, {place.pushed} revisions, {place.pushed * objects} reconciliations at least")
    print(f"failures reported on the way: {dict(place.following.failures)}")
