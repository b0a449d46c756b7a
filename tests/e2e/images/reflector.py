"""A world of scans: image-reflector-controller, a registry, and a namespace of an API server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

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
class Reflector:
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


@asynccontextmanager
async def reflector(
    cluster: Cluster, namespace: str, folder: Path, *flags: str, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Reflector]:
    """Running, with these flags and this environment beside the usual."""
    async with registry(folder / "registry") as address, aiohttp.ClientSession() as http, Kube(cluster.connection) as kube:
        for kind in KINDS:
            if kind.group.startswith("image."):
                await until_current(kube, [await kube.apply(crd_of(kind))], DEADLINE)
        home = folder / "controller"
        usual = (f"--storage-path={home / 'tags'}", "--requeue-dependency=1s")
        component = "image-reflector-controller"
        controller = Controller(component, cluster.kubeconfig, home, (*usual, *flags), environment=environment or {})
        await controller.start()
        try:
            yield Reflector(kube, controller, oci.Repository.parse(f"{address}/team/app"), oci.Registry(http), namespace)
        finally:
            await controller.stop()
