"""Applies that the API server leaves in the middle: what is told, and what is known of what was done. Behind the fault proxy."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from fleetloop.kube import Kube, Manifest, ObjectRef, Unreachable
from fleetloop.kube.apply import ApplyFailed, ApplySettings, ChangeSet, apply_in_stages, until_current
from fleetloop.kube.objects import ref_of
from tests.kit.cluster import Cluster
from tests.kit.fault_proxy import FaultProxy, fault_proxy, token_of_administrator
from tests.kit.faults import Fault, FaultPlan, Request, Rule

MANAGER = "kustomize-controller"


@dataclass
class Place:
    proxy: FaultProxy
    kube: Kube
    direct: Kube
    namespace: str

    def config_map(self, name: str, **more: object) -> Manifest:
        metadata: dict[str, object] = {"name": name, "namespace": self.namespace}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}} | more

    def fault(self, fault: Fault, name: str, *, dry_run: bool) -> None:
        def matches(request: Request) -> bool:
            path, _, query = request.path.partition("?")
            return request.method == "PATCH" and path.endswith(f"/{name}") and ("dryRun" in query) == dry_run

        self.proxy.plan.rules.append(Rule(fault, matches))

    async def apply(self, objects: list[Manifest], done: ChangeSet, **settings: object) -> None:
        told = ApplySettings(MANAGER, **settings)  # type: ignore[arg-type]  # a test's few words
        await apply_in_stages(self.kube, objects, told, until_current, done)


@pytest.fixture
async def place(cluster: Cluster, kube: Kube, namespace: str) -> AsyncIterator[Place]:
    token = await token_of_administrator(kube)
    async with fault_proxy(cluster.connection, FaultPlan()) as proxy, Kube(proxy.connection(token)) as through:
        yield Place(proxy, through, kube, namespace)


async def test_a_write_that_the_server_failed_at_may_have_been_done(place: Place) -> None:
    """It belongs to the inventory: left out, it would stay for ever once Git has it no more."""
    objects, done = [place.config_map("a"), place.config_map("b"), place.config_map("c")], ChangeSet()
    place.fault(Fault.TIMED_OUT, "b", dry_run=False)
    with pytest.raises(ApplyFailed, match=r"ConfigMap/.*/b apply failed \(Timeout\)"):
        await place.apply(objects, done)
    known = {change.ref.name: change.action for change in done.changes}
    assert (known["a"], known["b"]) == ("created", "unknown")  # and "c" was perhaps on its way
    assert await place.direct.find(ref_of(objects[1])) is not None


async def test_a_refused_write_was_not_done(place: Place) -> None:
    done = ChangeSet()
    place.fault(Fault.CONFLICT, "a", dry_run=False)
    with pytest.raises(ApplyFailed, match=r"ConfigMap/.*/a apply failed \(Conflict\)"):
        await place.apply([place.config_map("a")], done)
    assert done.changes == []


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER])
async def test_a_server_lost_in_the_middle_is_unreachable(place: Place, fault: Fault) -> None:
    """Neither a group of errors nor a refusal: the pass is to be tried again. What was done before is known."""
    done = ChangeSet()
    place.fault(fault, "b", dry_run=False)
    with pytest.raises(Unreachable):
        await place.apply([place.config_map("a"), place.config_map("b")], done)
    assert [change.ref.name for change in done.changes] == ["a"]


async def test_a_dry_run_outlives_a_lost_connection(place: Place) -> None:
    done = ChangeSet()
    for fault in (Fault.CUT_BEFORE, Fault.TRUNCATED):
        place.fault(fault, "b", dry_run=True)
    await place.apply([place.config_map("a"), place.config_map("b")], done)
    assert [change.action for change in done.changes] == ["created", "created"]


async def test_a_server_lost_during_dry_runs_is_unreachable(place: Place) -> None:
    for _ in range(3):
        place.fault(Fault.CUT_BEFORE, "b", dry_run=True)
    with pytest.raises(Unreachable):
        await place.apply([place.config_map("a"), place.config_map("b")], ChangeSet())
    assert await place.direct.find(ref_of(place.config_map("a"))) is None


async def test_a_deletion_that_hangs_is_told(place: Place) -> None:
    """An object to be recreated that its finalizer holds; everything else of the revision is told with it."""
    old = place.config_map("held", immutable=True)
    old["metadata"]["finalizers"] = ["example.com/held"]
    ref = ref_of(old)
    await place.direct.managing_as(MANAGER).apply(old)
    new = place.config_map("held", immutable=True, data={"a": "2"})
    with pytest.raises(ApplyFailed, match=r"ConfigMap/.*/held is still there 0\.3s after its deletion"):
        await place.apply([new], ChangeSet(), force=True, patience=0.3)
    await place.direct.patch(ref, {"metadata": {"finalizers": None}})
    done = ChangeSet()
    await place.apply([new], done, force=True)
    live = await place.direct.get(ObjectRef("v1", "ConfigMap", place.namespace, "held"))
    assert live["data"] == {"a": "2"}
