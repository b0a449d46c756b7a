"""Controllers behind a proxy that lies, stalls, refuses and cuts: the fleet ends exactly as Git says."""

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.e2e.faults.fleet import Fleet
from tests.e2e.faults.place import opened
from tests.e2e.faults.size import Size
from tests.kit.faults import Fault, FaultPlan

RATES = {
    Fault.SLOW: 0.03,
    Fault.CONFLICT: 0.01,
    Fault.THROTTLED: 0.01,
    Fault.THROTTLED_BARE: 0.005,
    Fault.INTERNAL: 0.01,
    Fault.UNAVAILABLE: 0.008,
    Fault.TIMED_OUT: 0.01,
    Fault.CUT_BEFORE: 0.01,
    Fault.CUT_AFTER: 0.02,
    Fault.TRUNCATED: 0.015,
    Fault.RESET_IDLE: 0.02,
    Fault.WATCH_CUT: 0.2,
    Fault.WATCH_TORN: 0.2,
    Fault.WATCH_EXPIRED: 0.1,
    Fault.WATCH_DEAF: 0.1,
}


async def test_a_fleet_behind_faults_ends_as_git_says(tmp_path: Path, size: Size) -> None:
    """Several revisions, each pushed while the one before is half applied; two Kustomizations deleted on the way; the API server
    killed in the middle, and once the proxy, so that connections are refused for seconds."""
    plan = FaultPlan(size.seed, RATES | ({Fault.WATCH_STALLED: 0.03} if size.full else {}))
    async with opened(tmp_path, plan) as place:
        fleet = Fleet(size.apps, size.seed, sources=4, sealed={}, removed=frozenset({size.apps - 1, size.apps - 2}))
        fleet = replace(fleet, sealed=await place.sealed(fleet.apps))
        await place.settle_in(fleet)
        for revision in range(2, size.revisions + 1):
            await place.attempted(0.4)
            if revision == 3:
                for app in fleet.apps[-2:]:
                    await place.remove(app)
            if revision == 4:
                async with place.proxy.away():
                    await asyncio.sleep(2)  # so long nobody is there
                await place.restart_api_server()
            await place.push(fleet, last=revision == size.revisions)
        await place.ready(fleet)
        problems = await place.problems(fleet)
        print(f"\n{size.apps} Kustomizations, {size.revisions} revisions, seed {size.seed}\n{plan.table()}")
        print(f"failures reported on the way: {dict(place.following.failures)}")
        assert problems == []
