"""image-reflector-controller against a real API server and a real registry."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest_asyncio

from fleetloop import oci
from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.kube.apply import until_current
from fleetloop.oci.content import FLUX_CONFIG, FLUX_CONTENT, OCI_MANIFEST
from tests.kit.cluster import Cluster
from tests.kit.controller import Controller
from tests.kit.registry import registry

API = "image.toolkit.fluxcd.io/v1"
DEADLINE = 60.0  # seconds


@dataclass(frozen=True)
class World:
    kube: Kube
    controller: Controller
    repository: oci.Repository
    client: oci.Registry
    namespace: str

    async def push(self, *tags: str) -> str:
        """The digest of the last one."""
        digest = ""
        for tag in tags:
            layer, size = await self.client.push_blob(self.repository, tag.encode())
            await self.client.push_blob(self.repository, b"{}")
            raw = oci.pushed_manifest(b"{}", [(FLUX_CONTENT, layer, size)], {}, FLUX_CONFIG)
            digest = await self.client.push_manifest(self.repository.tagged(tag), raw, OCI_MANIFEST)
        return digest

    async def apply(self, kind: str, name: str, namespace: str = "", **spec: Any) -> ObjectRef:
        namespace = namespace or self.namespace
        metadata = {"name": name, "namespace": namespace}
        await self.kube.apply({"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec})
        return ObjectRef(API, kind, namespace, name)

    async def until(self, ref: ObjectRef, wanted: Callable[[Manifest], bool]) -> Manifest:
        last: Manifest = {}
        try:
            async with asyncio.timeout(DEADLINE):
                selector = f"metadata.name={ref.name}"
                async for event in self.kube.watch(API, ref.kind, ref.namespace, field_selector=selector):
                    last = event.object
                    if event.type in {"ADDED", "MODIFIED"} and wanted(last):
                        return last
        except TimeoutError:
            pass
        raise AssertionError(f"not reached; last seen: {last.get('status')}")

    async def scan(self, ref: ObjectRef, token: str) -> Manifest:
        await self.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}})
        return await self.until(ref, lambda live: live["status"].get("lastHandledReconcileAt") == token)


@pytest_asyncio.fixture
async def world(cluster: Cluster, namespace: str, tmp_path: Path) -> AsyncIterator[World]:
    async with registry(tmp_path / "registry") as address, aiohttp.ClientSession() as http, Kube(cluster.connection) as kube:
        for kind in KINDS:
            if kind.group.startswith("image."):
                await until_current(kube, [await kube.apply(crd_of(kind))], DEADLINE)
        folder = tmp_path / "controller"
        flags = (f"--storage-path={folder / 'tags'}", "--requeue-dependency=1s")
        controller = Controller("image-reflector-controller", cluster.kubeconfig, folder, flags)
        await controller.start()
        try:
            yield World(kube, controller, oci.Repository.parse(f"{address}/team/app"), oci.Registry(http), namespace)
        finally:
            await controller.stop()


def ready(value: str, reason: str = "") -> Callable[[Manifest], bool]:
    def wanted(live: Manifest) -> bool:
        found = condition(live)
        return found.get("status") == value and reason in {"", found.get("reason")}

    return wanted


def condition(live: Manifest) -> dict[str, Any]:
    conditions = (live.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] == "Ready"), {})


async def test_scanned_chosen_and_followed(world: World) -> None:
    """From tags to the latest one, again when a new one is pushed, also over a restart."""
    await world.push("1.0.0", "1.1.0", "2.0.0", "latest", "1.0.0.sig")
    source = await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h")
    live = await world.until(source, ready("True"))
    scan = live["status"]["lastScanResult"]
    assert (scan["tagCount"], scan["latestTags"]) == (4, ["latest", "2.0.0", "1.1.0", "1.0.0"])
    assert condition(live)["message"] == f"successful scan: found 4 tags with checksum {scan['revision']}"
    assert live["status"]["canonicalImageName"] == str(world.repository)
    policy = await world.apply("ImagePolicy", "app", imageRepositoryRef={"name": "app"}, policy={"semver": {"range": "1.x"}})
    live = await world.until(policy, ready("True"))
    assert live["status"]["latestRef"] == {"name": str(world.repository), "tag": "1.1.0"}
    await world.controller.kill()
    await world.controller.start()
    await world.push("1.2.0")
    await world.scan(source, "now")
    live = await world.until(policy, lambda live: live["status"]["latestRef"]["tag"] == "1.2.0")
    image = str(world.repository)
    assert live["status"]["observedPreviousRef"]["tag"] == "1.1.0"
    assert condition(live)["message"] == f"Latest image tag for {image} resolved to 1.2.0 (previously {image}:1.1.0)"


async def test_digests(world: World) -> None:
    digest = await world.push("1.0.0")
    await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h")
    spec = {"imageRepositoryRef": {"name": "app"}, "policy": {"semver": {"range": "*"}}, "digestReflectionPolicy": "IfNotPresent"}
    policy = await world.apply("ImagePolicy", "app", **spec)
    live = await world.until(policy, ready("True"))
    assert live["status"]["latestRef"]["digest"] == digest


async def test_failures_name_what_is_wrong(world: World) -> None:
    source = await world.apply("ImageRepository", "app", image="https://x.example/app", interval="1h")
    live = await world.until(source, ready("False", "ImageURLInvalid"))
    assert "must not contain a scheme" in condition(live)["message"]
    source = await world.apply("ImageRepository", "none", image=f"{world.repository.host}/none", interval="1h")
    live = await world.until(source, ready("False", "ReadOperationFailed"))
    assert condition(live)["message"].startswith("scan failed: tags of ")
    policy = await world.apply("ImagePolicy", "app", imageRepositoryRef={"name": "gone"}, policy={"semver": {"range": "*"}})
    await world.until(policy, ready("False", "DependencyNotReady"))


async def test_other_namespaces_need_to_be_admitted(world: World) -> None:
    await world.push("1.0.0")
    other = f"{world.namespace}-other"
    metadata = {"name": other, "labels": {"team": "a"}}
    await world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h")
    spec = {"imageRepositoryRef": {"name": "app", "namespace": world.namespace}, "policy": {"semver": {"range": "*"}}}
    policy = await world.apply("ImagePolicy", "app", other, **spec)
    await world.until(policy, ready("False", "AccessDenied"))
    allowed = {"namespaceSelectors": [{"matchLabels": {"team": "a"}}]}
    await world.apply("ImageRepository", "app", image=str(world.repository), interval="1h", accessFrom=allowed)
    await world.scan(policy, "now")
    await world.until(policy, ready("True"))
