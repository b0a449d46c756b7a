"""`World`: notification-controller as a process, a namespace, and somebody to tell."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.kube.errors import KindUnknown
from fleetloop.kube.objects import version_of
from fleetloop.local import lifecycle
from fleetloop.local.state import StateFolder
from tests.e2e.notification.receiver import Inbox, inbox
from tests.kit.cluster import Cluster, start_shared
from tests.kit.controller import Controller

GROUP = "notification.toolkit.fluxcd.io"
VERSIONS = {"Alert": "v1beta3", "Provider": "v1beta3", "Receiver": "v1"}
DEADLINE = 60.0  # seconds
REVISION = f"main@sha1:{'ab' * 20}"


@dataclass(frozen=True)
class World:
    kube: Kube
    controller: Controller
    inbox: Inbox
    namespace: str
    http: aiohttp.ClientSession

    async def apply(self, kind: str, name: str, namespace: str = "", **spec: Any) -> ObjectRef:
        ref = ObjectRef(f"{GROUP}/{VERSIONS[kind]}", kind, namespace or self.namespace, name)
        metadata = {"name": name, "namespace": ref.namespace}
        await self.kube.apply({"apiVersion": ref.api_version, "kind": kind, "metadata": metadata, "spec": spec})
        return ref

    async def secret(self, name: str, **data: str) -> None:
        metadata = {"name": name, "namespace": self.namespace}
        await self.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})

    async def alert(self, name: str = "alert", **spec: Any) -> ObjectRef:
        sources = [{"kind": "Kustomization", "name": "*"}]
        return await self.apply("Alert", name, **{"providerRef": {"name": "provider"}, "eventSources": sources, **spec})

    async def provider(self, type: str = "generic", path: str = "/hook", **spec: Any) -> ObjectRef:
        return await self.apply("Provider", "provider", **{"type": type, "address": self.inbox.url + path, **spec})

    async def post(self, content: Any) -> int:
        async with self.http.post(f"http://{self.controller.address}:9090/", json=content) as response:
            return response.status

    async def known(self) -> None:
        """Returns when the controller's watches have brought all of this namespace. Its metric says so; it gives no event."""
        for kind, version in VERSIONS.items():
            found = await self.kube.list(f"{GROUP}/{version}", kind, self.namespace)
            newest = max(map(version_of, found), default=0)
            async with asyncio.timeout(DEADLINE):
                while await self._known_of(kind) < newest:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)

    async def _known_of(self, kind: str) -> float:
        async with self.http.get(f"http://{self.controller.address}:8080/metrics") as response:
            found = re.search(rf'^fleetloop_watch_resource_version{{kind="{kind}"}} (\S+)$', await response.text(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def warning(self, alert: ObjectRef, reason: str) -> Manifest:
        """The Event of this reason about the alert."""
        selector = f"involvedObject.name={alert.name},reason={reason}"
        async with asyncio.timeout(DEADLINE):
            async for event in self.kube.watch("v1", "Event", alert.namespace, field_selector=selector):
                if event.type in {"ADDED", "MODIFIED"}:
                    return event.object
        raise AssertionError(reason)

    async def until(self, ref: ObjectRef, wanted: Callable[[Manifest], bool]) -> Manifest:
        last: Manifest = {}
        try:
            async with asyncio.timeout(DEADLINE):
                selector = f"metadata.name={ref.name}"
                async for event in self.kube.watch(ref.api_version, ref.kind, ref.namespace, field_selector=selector):
                    last = event.object
                    if event.type in {"ADDED", "MODIFIED"} and wanted(last):
                        return last
        except TimeoutError:
            pass
        raise AssertionError(f"not reached; last seen: {last}")


def event(namespace: str, name: str = "app", message: str = "Reconciliation finished", **fields: Any) -> dict[str, Any]:
    """As kustomize-controller posts it."""
    about = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "name": name,
        "namespace": namespace,
        "uid": "11111111-2222-3333-4444-555555555555",
        "resourceVersion": "1",
    }
    return {
        "involvedObject": about,
        "severity": "info",
        "timestamp": "2026-01-02T03:04:05Z",
        "message": message,
        "reason": "ReconciliationSucceeded",
        "metadata": {"kustomize.toolkit.fluxcd.io/revision": REVISION},
        "reportingController": "kustomize-controller",
        "reportingInstance": "x",
        **fields,
    }


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Of this folder alone: its controllers see every namespace, those of another run too."""
    folder = tmp_path_factory.mktemp("notification")
    yield start_shared(folder)
    asyncio.run(lifecycle.down(StateFolder(folder)))  # one that idles takes a tenth of a core from the others


@pytest_asyncio.fixture
async def flags() -> tuple[str, ...]:
    return ()


@pytest_asyncio.fixture
async def world(cluster: Cluster, namespace: str, tmp_path: Path, flags: tuple[str, ...]) -> AsyncIterator[World]:
    async with Kube(cluster.connection) as kube, inbox() as box, aiohttp.ClientSession() as http:
        await define(kube)
        controller = Controller("notification-controller", cluster.kubeconfig, tmp_path / "controller", flags)
        await controller.start()
        try:
            await serving(http, controller.address)
            yield World(kube, controller, box, namespace, http)
        finally:
            await controller.stop()


async def define(kube: Kube) -> None:
    """The kinds of these tests; a kind that was just defined shows in discovery a moment later."""
    wanted = [kind for kind in KINDS if kind.group == GROUP or kind.group.startswith(("source.", "kustomize."))]
    for kind in wanted:
        await kube.apply(crd_of(kind))
    async with asyncio.timeout(DEADLINE):
        for kind in wanted:
            while True:
                try:
                    await kube.resource_for(kind.api_version, kind.kind)
                    break
                except KindUnknown:
                    await asyncio.sleep(0.1)


async def serving(http: aiohttp.ClientSession, address: str, port: int = 9090) -> None:
    """A process gives no event when it listens."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                async with http.get(f"http://{address}:{port}/"):
                    return
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
