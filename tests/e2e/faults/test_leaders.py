"""Leader election between processes: who follows a killed leader, and who gives up."""

import asyncio
import re
import time
from pathlib import Path

from tests.e2e.faults.fleet import Fleet
from tests.e2e.faults.place import opened
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
