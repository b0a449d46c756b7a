"""A namespace with recorded objects of every sort, for the command line to look at and change. No controller runs."""

import asyncio
import datetime
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube, Manifest, ObjectRef, ref_of
from tests.kit.cli import Finished, run_cli
from tests.kit.cluster import Cluster
from tests.kit.workloads import until

OBJECTS = Path(__file__).parents[2] / "cases" / "cli" / "objects.json"
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "")
DEADLINE = 60.0
AGE = datetime.timedelta(minutes=10, seconds=5)  # of all events; their ages are printed


@dataclass(frozen=True)
class Space:
    """A namespace, and the command line at work in it."""

    kube: Kube
    kubeconfig: Path
    name: str

    @property
    def environment(self) -> dict[str, str]:
        return {"KUBECONFIG": str(self.kubeconfig), "FLUX_SYSTEM_NAMESPACE": self.name, "TZ": "UTC"}

    async def cli(self, *words: str, answers: str = "") -> Finished:
        return await asyncio.to_thread(run_cli, words, self.environment, answers)

    def ref(self, kind: str, name: str) -> ObjectRef:
        api = next(k for k in KINDS if k.kind == kind)
        return ObjectRef(api.api_version, kind, self.name, name)

    async def report(self, ref: ObjectRef, **status: Any) -> Manifest:
        """What a controller would write."""
        return await self.kube.patch(ref, {"status": status}, subresource="status")


@pytest.fixture(scope="session")
def served(cluster: Cluster) -> Cluster:
    """The cluster, with all kinds."""

    async def install() -> None:
        async with cluster.kube() as kube:
            for kind in KINDS:
                await kube.apply(crd_of(kind))
            for kind in KINDS:
                await until(kube, ObjectRef(*CRD, kind.crd_name), _is_established, DEADLINE)

    asyncio.run(install())
    return cluster


@pytest.fixture
async def space(served: Cluster) -> AsyncIterator[Space]:
    async with served.kube() as kube, served.namespace("cli") as name:
        yield Space(kube, served.kubeconfig, name)


@pytest.fixture
async def recorded(space: Space) -> Space:
    """With the objects and events of `tests/cases/cli/objects.json`."""
    content = json.loads(OBJECTS.read_text().replace("$NS", space.name))
    for manifest in content["objects"]:
        status = manifest.pop("status", None)
        await space.kube.apply(manifest)
        if status:
            await space.kube.patch(ref_of(manifest), {"status": status}, subresource="status")
    then = (datetime.datetime.now(datetime.UTC) - AGE).strftime("%Y-%m-%dT%H:%M:%SZ")
    for number, event in enumerate(content["events"]):
        metadata = {"name": f"event-{number:02}", "namespace": space.name}
        times = {"firstTimestamp": then, "lastTimestamp": then}
        await space.kube.create({"apiVersion": "v1", "kind": "Event", "metadata": metadata} | event | times)
    return space


def _is_established(crd: Manifest) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
