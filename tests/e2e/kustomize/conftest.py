"""One embedded cluster and one locked-down kustomize-controller for this folder; each test has a namespace of its own."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube, Manifest, ObjectRef, from_kubeconfig
from fleetloop.local.cluster import ClusterSettings, EmbeddedCluster
from fleetloop.local.state import ClusterFolder
from tests.kit.artifacts import ArtifactServer, artifact_server
from tests.kit.conditions import condition
from tests.kit.controller import Controller
from tests.kit.remote import ADMIN

DEADLINE = 40.0  # seconds
SOURCE_API = "source.toolkit.fluxcd.io/v1"
KUSTOMIZE_API = "kustomize.toolkit.fluxcd.io/v1"
LOCK_DOWN = ("--no-cross-namespace-refs=true", "--no-remote-bases=true", "--default-service-account=default")


@dataclass(frozen=True)
class World:
    kube: Kube
    controller: Controller
    artifacts: ArtifactServer


@dataclass(frozen=True)
class Space:
    """A namespace with the service account `reconciler`, its admin, and a GitRepository `app` in it."""

    world: World
    name: str

    @property
    def kube(self) -> Kube:
        return self.world.kube

    async def publish(self, files: Mapping[str, str], revision: str, source: str = "app") -> dict[str, Any]:
        """A new artifact of the source; makes the source when it is new."""
        artifact = self.world.artifacts.serve(files, revision)
        manifest = self.manifest(SOURCE_API, "GitRepository", source, interval="1h", url="https://example.com/x.git")
        await self.kube.apply(manifest)
        ref = ObjectRef(SOURCE_API, "GitRepository", self.name, source)
        await self.kube.patch(ref, {"status": {"artifact": artifact, "observedGeneration": 1}}, subresource="status")
        return artifact

    async def kustomization(self, name: str = "app", **spec: Any) -> ObjectRef:
        """Creates or changes one; by default it prunes, acts as `reconciler` and puts everything into this namespace."""
        base = {
            "interval": "1h",
            "prune": True,
            "serviceAccountName": ADMIN,
            "targetNamespace": self.name,
            "sourceRef": {"kind": "GitRepository", "name": "app"},
        }
        wanted = {key: value for key, value in (base | spec).items() if value is not None}
        await self.kube.apply(self.manifest(KUSTOMIZE_API, "Kustomization", name, **wanted))
        return ObjectRef(KUSTOMIZE_API, "Kustomization", self.name, name)

    def manifest(self, api_version: str, kind: str, name: str, **spec: Any) -> Manifest:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.name}, "spec": spec}

    def config_map(self, name: str = "settings") -> ObjectRef:
        return ObjectRef("v1", "ConfigMap", self.name, name)

    async def ready(self, ref: ObjectRef, revision: str) -> Manifest:
        return await self.until(ref, lambda live: is_ready(live) and live["status"].get("lastAppliedRevision") == revision)

    async def failed(self, ref: ObjectRef, reason: str) -> Manifest:
        return await self.until(ref, lambda live: condition(live, "Ready").get("reason") == reason)

    async def until(self, ref: ObjectRef, holds: Callable[[Manifest], bool]) -> Manifest:
        """The first version that holds, on a watch; fails with the last one seen."""
        last: Manifest = {}
        selector = f"metadata.name={ref.name}"
        try:
            async with asyncio.timeout(DEADLINE):
                while True:
                    watch = self.kube.watch(ref.api_version, ref.kind, ref.namespace, field_selector=selector)
                    async with aclosing(watch) as events:
                        async for event in events:
                            if event.type in {"ADDED", "MODIFIED"}:
                                last = event.object
                                if holds(last):
                                    return last
        except TimeoutError:
            pytest.fail(f"{ref} did not become as expected, last: {last.get('status') or last}")

    async def until_gone(self, ref: ObjectRef) -> None:
        selector = f"metadata.name={ref.name}"
        _, version = await self.kube.list_with_version(ref.api_version, ref.kind, ref.namespace)
        if await self.kube.find(ref) is None:
            return
        async with asyncio.timeout(DEADLINE):
            async for event in self.kube.watch(ref.api_version, ref.kind, ref.namespace, "", selector, version):
                if event.type == "DELETED":
                    return

    async def events(self, name: str = "app") -> list[tuple[str, str, str]]:
        """Type, reason and message of the events of one Kustomization."""
        found = await self.kube.list("v1", "Event", self.name)
        return [(e["type"], e["reason"], e["message"]) for e in found if e["involvedObject"]["name"] == name]

    async def event(self, text: str) -> Manifest:
        """Waits for an event whose message holds the text."""
        async with asyncio.timeout(DEADLINE):
            async for event in self.kube.watch("v1", "Event", self.name):
                if event.type == "ADDED" and text in event.object["message"]:
                    return event.object
        raise AssertionError(text)


def is_ready(manifest: Manifest) -> bool:
    return condition(manifest, "Ready").get("status") == "True"


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("kustomize")
    cluster = EmbeddedCluster(ClusterFolder(folder / "one"), ClusterSettings())
    (folder / "one").mkdir()
    async with cluster.running(), artifact_server() as artifacts:
        kubeconfig = folder / "one" / "kubeconfig"
        async with Kube(from_kubeconfig([kubeconfig]), field_manager="test") as kube:
            for kind in KINDS:
                await kube.apply(crd_of(kind))
            controller = Controller("kustomize-controller", kubeconfig, folder / "controller", LOCK_DOWN)
            await controller.start()
            try:
                yield World(kube, controller, artifacts)
            finally:
                await controller.stop()


NUMBERS: Iterator[int] = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="package")
async def space(world: World) -> Space:
    return await new_space(world, f"team-{next(NUMBERS)}")


async def new_space(world: World, name: str) -> Space:
    """The namespace, and in it the service account."""
    kube = world.kube
    await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    metadata = {"name": ADMIN, "namespace": name}
    await kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    await kube.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"kind": "ServiceAccount", **metadata}],
        }
    )
    return Space(world, name)
