"""The controller loop where the API server fails at what it writes, in a real cluster behind the fault proxy."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import kind_named
from fleetloop.api.kustomize import Kustomization, KustomizationStatus
from fleetloop.api.meta import Status
from fleetloop.kube import Kube, NotFound, ObjectRef
from fleetloop.kube.definitions import until_current
from fleetloop.runtime import settle
from fleetloop.runtime.controller import Controller, LoopSettings, Report
from fleetloop.runtime.events import Recorder
from fleetloop.runtime.metrics import Metrics
from fleetloop.runtime.outcome import Done, Failure, Outcome, Waiting
from tests.kit.cluster import Cluster
from tests.kit.fault_proxy import FaultProxy, fault_proxy, token_of_administrator
from tests.kit.faults import Fault, FaultPlan, Request, Rule
from tests.kit.workloads import until

KIND = kind_named("Kustomization")
LOOP = LoopSettings(workers=2, manager="test", first_retry=0.1, longest_retry=0.5)
PATIENCE = 20.0


@dataclass
class Passes:
    """The first pass writes a fact and waits, the later ones wait only; `missing`: so many passes miss something of theirs."""

    owned_conditions = frozenset({"Ready", "Reconciling", "Stalled"})
    missing: int = 0
    count: int = 0
    ends: list[Outcome] = field(default_factory=list)

    async def reconcile(self, obj: Kustomization, draft: Status, report: Report) -> Outcome:
        assert isinstance(draft, KustomizationStatus)
        self.count += 1
        if self.count <= self.missing:
            raise NotFound(404, "NotFound", "something of the pass is not there")
        if not self.ends:
            draft.last_attempted_revision = "the first one's"
            self.ends.append(Waiting("token", frozenset(), 60, "waiting"))
        return self.ends[-1] if not self.missing else Done(None)

    async def finalize(self, obj: Kustomization, report: Report) -> None:
        """Nothing to undo."""

    def settle(self, obj: Kustomization, draft: Status, result: Outcome | Failure, now: datetime.datetime) -> None:
        settle.settle(draft, result, generation=obj.metadata.generation, now=now)

    def suspended(self, obj: Kustomization, draft: Status) -> None:
        """Nothing to say."""


@dataclass
class Place:
    proxy: FaultProxy
    kube: Kube
    direct: Kube
    namespace: str

    @property
    def ref(self) -> ObjectRef:
        return ObjectRef(KIND.api_version, KIND.kind, self.namespace, "app")

    async def create(self) -> None:
        spec = {"interval": "1h", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "app"}}
        metadata = {"name": "app", "namespace": self.namespace}
        await self.direct.create({"apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": metadata, "spec": spec})

    @asynccontextmanager
    async def running(self, passes: Passes) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            recorder = Recorder(self.kube, session, "test", "", "host")
            loop = LoopSettings(**{name: getattr(LOOP, name) for name in LOOP.__slots__} | {"namespace": self.namespace})
            controller = Controller(KIND, Kustomization, passes, self.kube, recorder, Metrics(), loop)
            running = group.create_task(controller.run())
            yield
            running.cancel()


@pytest.fixture
async def place(cluster: Cluster, kube: Kube, namespace: str) -> AsyncIterator[Place]:
    token, crd = await token_of_administrator(kube), crd_of(KIND)
    await kube.apply(crd)
    await until_current(kube, [crd], PATIENCE)
    async with fault_proxy(cluster.connection, FaultPlan()) as proxy, Kube(proxy.connection(token)) as through:
        yield Place(proxy, through, kube, namespace)


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER, Fault.INTERNAL, Fault.CONFLICT])
async def test_facts_of_a_pass_outlive_a_status_write_that_failed(place: Place, fault: Fault) -> None:
    """The status of a pass that begins to wait is saved two seconds later. When that failed its facts were lost once: the
    inventory kept what had been pruned."""

    def is_status_write(request: Request) -> bool:
        return request.method == "PATCH" and "/status" in request.path

    place.proxy.plan.rules.append(Rule(fault, is_status_write, times=2))
    await place.create()
    async with place.running(Passes()):
        await until(place.kube, place.ref, _is_told, PATIENCE)
    assert place.proxy.plan.counts[fault]


async def test_an_object_whose_pass_misses_something_is_not_forgotten(place: Place) -> None:
    """A 404 about something else once counted as the object's own end, and nothing woke it again."""
    passes = Passes(missing=2)
    await place.create()
    async with place.running(passes):
        await until(place.kube, place.ref, _is_ready, PATIENCE)
    assert passes.count == 3


async def test_a_lost_answer_to_the_finalizer_is_no_hindrance(place: Place) -> None:
    def is_finalizer(request: Request) -> bool:
        return request.method == "PATCH" and "/kustomizations/app?" in request.path

    place.proxy.plan.rules.append(Rule(Fault.CUT_AFTER, is_finalizer))
    await place.create()
    async with place.running(Passes(missing=1)):
        live = await until(place.kube, place.ref, _is_ready, PATIENCE)
        assert live["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
        place.proxy.plan.rules.append(Rule(Fault.CUT_AFTER, is_finalizer))
        await place.direct.delete(place.ref)
        async with asyncio.timeout(PATIENCE):
            while await place.direct.find(place.ref):  # noqa: ASYNC110  # it may be gone before a watch begins
                await asyncio.sleep(0.05)


def _is_told(live: dict[str, object]) -> bool:
    status = live.get("status")
    return isinstance(status, dict) and status.get("lastAttemptedRevision") == "the first one's"


def _is_ready(live: dict[str, object]) -> bool:
    status = live.get("status")
    conditions = status.get("conditions") or [] if isinstance(status, dict) else []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
