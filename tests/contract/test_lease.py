"""Leader election against a real API server behind the fault proxy: one leads, and it stops before another can."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from fleetloop.kube import Kube, ObjectRef
from fleetloop.runtime.lease import LeaderLease, LeaseLost, LeaseSettings
from tests.kit.cluster import Cluster
from tests.kit.fault_proxy import FaultProxy, fault_proxy, token_of_administrator
from tests.kit.faults import Fault, FaultPlan, Request, Rule

SETTINGS = LeaseSettings(duration=3.0, renew_deadline=2.0, retry_period=0.5)
KEPT = LeaseSettings(duration=3.0, renew_deadline=2.0, retry_period=0.5, release_on_cancel=False)
PATIENCE = 20.0


@dataclass
class Place:
    proxy: FaultProxy
    kube: Kube
    direct: Kube
    ref: ObjectRef

    def lease(self, identity: str, kube: Kube | None = None, settings: LeaseSettings = SETTINGS) -> LeaderLease:
        return LeaderLease(kube or self.kube, self.ref, identity, settings)

    async def holder(self) -> str:
        return str((await self.direct.get(self.ref))["spec"]["holderIdentity"])


@pytest.fixture
async def place(cluster: Cluster, kube: Kube, namespace: str) -> AsyncIterator[Place]:
    token = await token_of_administrator(kube)
    ref = ObjectRef("coordination.k8s.io/v1", "Lease", namespace, "test")
    async with fault_proxy(cluster.connection, FaultPlan()) as proxy, Kube(proxy.connection(token)) as through:
        yield Place(proxy, through, kube, ref)


async def leads_for_ever(lease: LeaderLease, leading: asyncio.Event) -> None:
    async with lease.held():
        leading.set()
        await asyncio.get_running_loop().create_future()


async def test_a_leader_that_ends_in_order_hands_over_at_once(place: Place) -> None:
    async with place.lease("first").held():
        assert await place.holder() == "first"
    started = time.monotonic()
    async with place.lease("second").held():
        assert time.monotonic() - started < SETTINGS.duration
        assert await place.holder() == "second"


async def test_a_dead_leader_is_waited_for_and_not_longer(place: Place) -> None:
    async with place.lease("first", settings=KEPT).held():
        pass
    started = time.monotonic()
    async with asyncio.timeout(PATIENCE), place.lease("second").held():
        assert time.monotonic() - started > SETTINGS.duration - SETTINGS.retry_period


async def test_a_server_that_does_not_answer_ends_the_leader_before_its_lease(place: Place) -> None:
    """A renewal under way once held the leader for as long as a request may take, twice; its successor led meanwhile."""
    leading = asyncio.Event()
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(leads_for_ever(place.lease("first", settings=KEPT), leading))
            await leading.wait()
            place.proxy.hold(re.compile("leases"))
            started = time.monotonic()
    assert caught.group_contains(LeaseLost, match="was not renewed for 2s", depth=2)
    assert time.monotonic() - started < SETTINGS.duration + SETTINGS.retry_period


async def test_a_leader_whose_lease_was_taken_ends_at_once(place: Place) -> None:
    """As one that slept with its machine: its own clock says that no time has passed."""
    leading = asyncio.Event()
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(leads_for_ever(place.lease("first"), leading))
            await leading.wait()
            await place.direct.patch(place.ref, {"spec": {"holderIdentity": "other"}})
    assert caught.group_contains(LeaseLost, match="was taken by other", depth=2)
    assert await place.holder() == "other"


@pytest.mark.parametrize("fault", [Fault.CUT_AFTER, Fault.TIMED_OUT, Fault.CONFLICT, Fault.INTERNAL])
async def test_lost_answers_make_no_second_leader(place: Place, fault: Fault) -> None:
    def matches(request: Request) -> bool:
        return "leases" in request.path and request.method in {"POST", "PUT"}

    place.proxy.plan.rules.append(Rule(fault, matches, times=2))
    async with asyncio.timeout(PATIENCE), place.lease("first").held():
        assert await place.holder() == "first"
    assert place.proxy.plan.counts[fault]
