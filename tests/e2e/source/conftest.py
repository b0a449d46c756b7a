"""One API server, one forge and one source-controller process for this folder; each test has its own namespace and repository."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from fleetloop import git
from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import kind_named
from fleetloop.kube import Kube
from fleetloop.kube.objects import Manifest, ObjectRef
from fleetloop.local.control_plane import ControlPlane
from fleetloop.local.programs import Programs
from fleetloop.local.state import ClusterFolder
from tests.kit.clouds import Clouds, running_clouds
from tests.kit.controller import Controller
from tests.kit.forge import LocalForge, running_forge

API = "source.toolkit.fluxcd.io/v1"
DEADLINE = 60.0  # seconds
GATE = "--feature-gates=ObjectLevelWorkloadIdentity=true"


@dataclass(frozen=True)
class World:
    kube: Kube
    forge: LocalForge
    controller: Controller
    token: str
    key: git.KeyPair
    folder: Path
    http: aiohttp.ClientSession
    clouds: Clouds


@dataclass(frozen=True)
class Tenant:
    """A namespace, and a repository of the forge named like it, with the Secret `git` that opens it."""

    world: World
    name: str

    @property
    def url(self) -> str:
        return self.world.forge.clone_url("acme", self.name)

    async def push(self, files: dict[str, str], branch: str = "main", repository: str = "") -> str:
        name = repository or self.name
        folder = self.world.folder / f"work-{name}-{branch}"
        return await self.world.forge.push_files("acme", name, files, token=self.world.token, folder=folder, branch=branch)

    async def tag(self, name: str) -> None:
        folder = self.world.folder / f"work-{self.name}-main"
        await self.world.forge.git("tag", "-a", "-m", name, name, cwd=folder)
        await self.world.forge.git("push", "--quiet", "origin", name, cwd=folder, token=self.world.token)

    async def secret(self, name: str, data: Mapping[str, str | bytes]) -> None:
        raw = {key: value if isinstance(value, bytes) else value.encode() for key, value in data.items()}
        encoded = {key: base64.b64encode(value).decode() for key, value in raw.items()}
        await self.world.kube.apply(manifest("v1", "Secret", self.name, name, data=encoded))

    async def repository(self, name: str = "app", **spec: Any) -> "Repository":
        spec = {"interval": "1h", "url": self.url, "secretRef": {"name": "git"}, "ref": {"branch": "main"}} | spec
        spec = {key: value for key, value in spec.items() if value != {}}  # an empty one takes a default away
        await self.world.kube.managing_as("user").apply(manifest(API, "GitRepository", self.name, name, spec=spec))
        return Repository(self.world.kube, ObjectRef(API, "GitRepository", self.name, name))

    async def until_event(self, reason: str, name: str = "app", message: str = "") -> Manifest:
        async with asyncio.timeout(DEADLINE):
            async for event in self.world.kube.watch("v1", "Event", self.name):
                manifest = event.object
                said = manifest.get("reason") == reason and message in {"", manifest["message"]}
                if said and manifest["involvedObject"]["name"] == name:
                    return manifest
        raise AssertionError("the watch ended")


@dataclass(frozen=True)
class Repository:
    kube: Kube
    ref: ObjectRef

    async def until(self, wanted: Callable[[Manifest], bool]) -> Manifest:
        """The object once it is as wanted: a watch with a deadline."""
        last: Manifest = {}
        try:
            async with asyncio.timeout(DEADLINE):
                selector = f"metadata.name={self.ref.name}"
                async for event in self.kube.watch(API, "GitRepository", self.ref.namespace, field_selector=selector):
                    last = event.object
                    if event.type in {"ADDED", "MODIFIED"} and wanted(last):
                        return last
        except TimeoutError:
            raise AssertionError(f"not reached; last seen: {last.get('status')}") from None
        raise AssertionError("the watch ended")

    async def until_gone(self) -> None:
        found = await self.kube.find(self.ref)
        if found is None:
            return
        version, selector = found["metadata"]["resourceVersion"], f"metadata.name={self.ref.name}"
        async with asyncio.timeout(DEADLINE):
            events = self.kube.watch(API, "GitRepository", self.ref.namespace, field_selector=selector, resource_version=version)
            async for event in events:
                if event.type == "DELETED":
                    return

    async def request(self, token: str) -> None:
        await self.kube.patch(self.ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}})

    async def requested(self, token: str) -> Manifest:
        """Asks for a pass and gives the object after it."""
        await self.request(token)
        return await self.until(lambda obj: obj["status"].get("lastHandledReconcileAt") == token)

    async def change(self, **spec: Any) -> None:
        await self.kube.patch(self.ref, {"spec": spec})


def manifest(api_version: str, kind: str, namespace: str, name: str, **fields: Any) -> Manifest:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace, "name": name}} | fields


def condition(obj: Manifest, type: str) -> dict[str, Any]:
    """Without its time; empty when absent."""
    found = [c for c in obj.get("status", {}).get("conditions", []) if c["type"] == type]
    return {key: value for key, value in found[0].items() if key != "lastTransitionTime"} if found else {}


def ready(status: str, reason: str = "") -> Callable[[Manifest], bool]:
    def wanted(obj: Manifest) -> bool:
        found = condition(obj, "Ready")
        return found.get("status") == status and (not reason or found["reason"] == reason)

    return wanted


@asynccontextmanager
async def flags(tenant: Tenant, *wanted: str) -> AsyncIterator[None]:
    """The controller, for a while, with these flags."""
    controller = tenant.world.controller
    usual = controller.flags
    await controller.kill()
    controller.flags = wanted
    await controller.start()
    try:
        yield
    finally:
        await controller.kill()
        controller.flags = usual
        await controller.start()


@asynccontextmanager
async def _world(folder: Path) -> AsyncIterator[World]:
    control_plane = ControlPlane(ClusterFolder(folder / "cluster"), Programs())
    async with (
        control_plane.running(),
        running_forge(folder / "forge") as forge,
        Kube(control_plane.keys.connection) as kube,
        aiohttp.ClientSession() as http,
        running_clouds(folder) as clouds,
    ):
        await forge.admin.create_user("ada")
        await forge.admin.create_org("acme", owners=["ada"])
        token = await forge.admin.create_token("ada", {"contents": "write"}, "acme")
        key = git.generate_key("ecdsa")
        await forge.admin.add_user_key("ada", key.identity_pub.decode())
        crd = crd_of(kind_named("GitRepository"))
        await kube.apply(crd)
        async with asyncio.timeout(DEADLINE):
            async for event in kube.watch("apiextensions.k8s.io/v1", crd["kind"]):
                conditions = event.object.get("status", {}).get("conditions") or []
                if any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
                    break
        kubeconfig, flags = ClusterFolder(folder / "cluster").kubeconfig, (GATE,)
        environment = clouds.environment()
        controller = Controller("source-controller", kubeconfig, folder / "controller", flags, environment=environment)
        await controller.start()
        try:
            yield World(kube, forge, controller, token, key, folder, http, clouds)
        finally:
            await controller.stop()


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with _world(tmp_path_factory.mktemp("source")) as made:
        yield made


@pytest.fixture(scope="package")
def numbers() -> Iterator[int]:
    return itertools.count(1)


@pytest_asyncio.fixture(loop_scope="package")
async def tenant(world: World, numbers: Iterator[int]) -> Tenant:
    made = Tenant(world, f"team-{next(numbers)}")
    await world.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": made.name}})
    await world.forge.admin.create_repository("acme", made.name)
    ca = world.forge.ca_file.read_bytes()
    await made.secret("git", {"username": "x-access-token", "password": world.token, "ca.crt": ca})
    return made
