"""Controllers and engines killed with -9 at random moments, again and again: the same end state, and no tenant hears of it."""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.e2e.faults.fleet import Fleet
from tests.e2e.faults.killing import Killer, kill_engines
from tests.e2e.faults.place import Place, opened
from tests.e2e.faults.size import Size
from tests.kit.controller import Controller
from tests.kit.faults import FaultPlan
from tests.kit.waiting import eventually

LEADER_FLAGS = (
    "--enable-leader-election",
    "--leader-election-lease-duration=4s",
    "--leader-election-renew-deadline=3s",
    "--leader-election-retry-period=1s",
)
LEADING = "successfully acquired lease"


@dataclass(frozen=True)
class Victim:
    """`kind`: what it writes, and what is counted."""

    kind: str

    def objects(self, fleet: Fleet) -> int:
        """How many objects are reconciled at each revision."""
        return fleet.sources if self.kind == "GitRepository" else fleet.count


async def through_revisions(place: Place, fleet: Fleet, killed: Callable[[], bool], revisions: int) -> None:
    """One revision after the other until all kills are done and so many of them came; then the last one, in peace."""
    while not killed() or place.pushed < revisions:
        await place.ready(fleet)
        await place.push(fleet)
    await place.ready(fleet)
    await place.push(fleet, last=True)
    await place.ready(fleet)
    assert await place.problems(fleet) == []


@asynccontextmanager
async def settled(folder: Path, size: Size, *, sources: int, breaks: bool) -> AsyncIterator[tuple[Place, Fleet]]:
    async with opened(folder, FaultPlan()) as place:
        fleet = Fleet(size.apps, size.seed, sources=sources, sealed={}, breaks=False)
        fleet = replace(fleet, sealed=await place.sealed(fleet.apps), breaks=breaks)
        await place.settle_in(fleet)
        yield place, fleet


async def kill_and_compare(
    place: Place, fleet: Fleet, size: Size, victim: Victim, most_news: int, kill: Callable[[], Awaitable[None]]
) -> None:
    objects = victim.objects(fleet)
    revisions = max(3, -(-size.reconciliations // objects))

    def quota() -> int:
        return -(-size.kills * place.pushed // revisions)

    killer = Killer(place.following, victim.kind, kill, random.Random(size.seed), most_news, quota)
    async with asyncio.TaskGroup() as group:
        killing = group.create_task(killer.run(size.kills))
        await through_revisions(place, fleet, killing.done, revisions)
    print(f"\n{killer.kills} kills, {place.pushed} revisions, {place.pushed * objects} reconciliations at least")
    print(f"failures reported on the way: {dict(place.following.failures)}")


async def test_kustomize_controller_killed(tmp_path: Path, size: Size) -> None:
    async with settled(tmp_path, size, sources=2, breaks=False) as (place, fleet):
        most = max(2, 5 * size.reconciliations // size.kills)  # each writes some five objects or more
        await kill_and_compare(place, fleet, size, Victim("ConfigMap"), most, place.restart_kustomize)
        assert not place.following.failures["Kustomization BuildFailed"]


@pytest.mark.parametrize("keeping", [True, False], ids=["store kept", "store lost"])
async def test_source_controller_killed(tmp_path: Path, size: Size, keeping: bool) -> None:
    async with settled(tmp_path, size, sources=8, breaks=False) as (place, fleet):
        await kill_and_compare(place, fleet, size, Victim("GitRepository"), 6, lambda: place.restart_source(keeping=keeping))


async def test_engines_killed(tmp_path: Path, size: Size) -> None:
    """Build and SOPS engines: only calls in flight are tried again, and no Kustomization reports a failure."""
    async with settled(tmp_path, size, sources=2, breaks=False) as (place, fleet):
        finished, kills = asyncio.Event(), 0

        def pid() -> int:
            assert place.kustomize.process
            return place.kustomize.process.pid

        async with asyncio.TaskGroup() as group:
            killing = group.create_task(kill_engines(pid, size.kills, random.Random(size.seed), finished.is_set))
            await through_revisions(place, fleet, killing.done, 0)
            kills = await killing
        print(f"\n{kills} engines killed, {place.pushed} revisions; failures: {dict(place.following.failures)}")
        failures = {reason for reason in place.following.failures if "DependencyNotReady" not in reason}
        assert failures <= {"Kustomization ArtifactFailed"}, place.following.messages
        assert "ended by a bug" not in (place.kustomize.folder / "log").read_text()


async def test_a_killed_leader_is_followed_by_the_one_that_waits(tmp_path: Path) -> None:
    """Two processes, one lease: the second works only once the first one's lease has run out, and never beside it."""
    async with opened(tmp_path, FaultPlan(), *LEADER_FLAGS) as place:
        first, second = (
            place.kustomize,
            Controller("kustomize-controller", place.kustomize.kubeconfig, tmp_path / "second", place.kustomize.flags),
        )
        await eventually(lambda: LEADING in _log(first), 30)
        await second.start()
        try:
            await eventually(lambda: "starting manager" in _log(second), 30)
            fleet = Fleet(3, 1, sources=1, sealed={}, breaks=False)
            await place.settle_in(fleet)
            await place.ready(fleet)
            assert LEADING not in _log(second)
            killed = time.monotonic()
            await first.kill()
            await place.push(fleet, last=True)
            await place.ready(fleet)
            assert LEADING in _log(second)
            print(f"\nReady under the new leader {time.monotonic() - killed:.1f}s after the old one was killed")
            assert await place.problems(fleet) == []
        finally:
            await second.stop()


async def test_a_leader_that_cannot_renew_ends(tmp_path: Path) -> None:
    """A server that takes requests and never answers once kept a leader leading for two minutes, beside its successor."""
    async with opened(tmp_path, FaultPlan(), *LEADER_FLAGS) as place:
        leader = place.kustomize
        await eventually(lambda: LEADING in _log(leader), 30)
        place.proxy.hold(re.compile("leases"))
        assert leader.process
        async with asyncio.timeout(15):
            await leader.process.wait()
        assert "was not renewed for 3s" in _log(leader)


def _log(controller: Controller) -> str:
    return (controller.folder / "log").read_text()
