"""kustomize-controller and its engines killed with -9 at random moments: the same end state, and no tenant hears of it."""

import asyncio
import random
from pathlib import Path

import yaml

from fleetloop.kube import Manifest, ObjectRef
from tests.e2e.faults.campaign import kill_and_compare, settled, through_revisions
from tests.e2e.faults.fleet import WORK, Fleet
from tests.e2e.faults.killing import kill_engines
from tests.e2e.faults.place import Place, opened
from tests.e2e.faults.size import Size
from tests.kit.faults import FaultPlan
from tests.kit.waiting import eventually
from tests.kit.workloads import until


async def test_kustomize_controller_killed(tmp_path: Path, size: Size) -> None:
    async with settled(tmp_path, size, sources=2) as (place, fleet):
        most = max(2, 5 * size.reconciliations // size.kills)  # each writes some five objects or more
        await kill_and_compare(place, fleet, size, "ConfigMap", most, place.restart_kustomize)
        assert not place.following.failures["Kustomization BuildFailed"]
        await is_repaired(place, "app-00-constant")


async def test_engines_killed(tmp_path: Path, size: Size) -> None:
    """Build and SOPS engines: only calls in flight are tried again, and no Kustomization reports a failure."""
    async with settled(tmp_path, size, sources=2) as (place, fleet):

        def pid() -> int:
            assert place.kustomize.process
            return place.kustomize.process.pid

        async with asyncio.TaskGroup() as group:
            killing = group.create_task(kill_engines(place.following, pid, size.kills, random.Random(size.seed)))
            await through_revisions(place, fleet, killing.done, 3)
        print(f"\n{killing.result()} engines killed, {place.pushed} revisions; failures: {dict(place.following.failures)}")
        failures = {reason for reason in place.following.failures if "DependencyNotReady" not in reason}
        assert failures <= {"Kustomization ArtifactFailed"}, place.following.messages
        assert "ended by a bug" not in (place.kustomize.folder / "log").read_text()


async def is_repaired(place: Place, name: str) -> None:
    """Whose object it is is known after a restart, too: a foreign write is repaired at once."""
    ref = ObjectRef("v1", "ConfigMap", WORK, name)
    await place.kube.patch(ref, {"data": {"a": "foreign"}}, field_manager="kubectl-edit")
    await until(place.kube, ref, lambda live: live["data"] == {"a": "b"}, 20)


async def test_a_wait_for_health_begins_anew_after_a_kill(tmp_path: Path) -> None:
    """It is not persisted: the next process applies again, which changes nothing, and waits; a new revision ends that too."""
    async with opened(tmp_path, FaultPlan()) as place:
        fleet = Fleet(2, 1, sources=1, sealed={})
        stuck = fleet.apps[1]
        assert stuck.sort == "waiting"
        text = yaml.safe_dump_all(m | _one_replica(m) for m in stuck.objects(1))  # nobody runs pods here
        await place.settle_in(fleet, {f"apps/{stuck.name}/objects.yaml": text})
        await place.following.until(lambda: _is_waiting(place, stuck.name), 60)
        before = place.following.latest["Kustomization"][stuck.name]
        await place.restart_kustomize()
        log = place.kustomize.folder / "log"
        size = log.stat().st_size
        await eventually(lambda: f'"name":"{stuck.name}"' in log.read_bytes()[size:].decode(), 30)
        assert _is_waiting(place, stuck.name)
        assert before["status"]["inventory"] == place.following.latest["Kustomization"][stuck.name]["status"]["inventory"]
        await place.push(fleet, last=True)
        await place.ready(fleet)
        assert await place.problems(fleet) == []
        assert not place.following.failures["Kustomization HealthCheckFailed"]


def _one_replica(manifest: Manifest) -> Manifest:
    return {"spec": manifest["spec"] | {"replicas": 1}} if manifest["kind"] == "Deployment" else {}


def _is_waiting(place: Place, name: str) -> bool:
    status = place.following.latest["Kustomization"].get(name, {}).get("status") or {}
    return any("Running health checks" in c["message"] for c in status.get("conditions") or [])
