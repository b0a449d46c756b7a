"""One API server, a locked-down kustomize-controller and a source-controller for this folder; each test has its own tenants."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube, Manifest, ObjectRef, from_kubeconfig
from fleetloop.local.cluster import ClusterSettings, EmbeddedCluster
from fleetloop.local.state import ClusterFolder
from tests.e2e.kustomize.conftest import ADMIN, KUSTOMIZE_API, LOCK_DOWN, SOURCE_API
from tests.kit.artifacts import ArtifactServer, artifact_server
from tests.kit.conditions import condition
from tests.kit.controller import Controller
from tests.kit.forge import LocalForge, running_forge
from tests.kit.workloads import until

DEADLINE = 60.0  # seconds
GATE = "--feature-gates=ExternalArtifact=true"  # sources that the tests themselves are
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n"


@dataclass(frozen=True)
class World:
    kube: Kube
    kustomize: Controller
    source: Controller
    artifacts: ArtifactServer
    forge: LocalForge
    token: str
    folder: Path

    async def tenant(self, prefix: str = "team") -> "Tenant":
        """A namespace whose service account `reconciler` is its admin."""
        name, kube = f"{prefix}-{next(NUMBERS)}", self.kube
        metadata = {"name": ADMIN, "namespace": name}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
        await kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        await kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        subjects = [{"kind": "ServiceAccount", **metadata}]
        binding = {"apiVersion": role["apiGroup"] + "/v1", "kind": "RoleBinding", "metadata": metadata}
        await kube.create(binding | {"roleRef": role, "subjects": subjects})
        return Tenant(self, name)

    def logs(self) -> str:
        return "".join((controller.folder / "log").read_text() for controller in (self.kustomize, self.source))


@dataclass(frozen=True)
class Tenant:
    world: World
    name: str

    @property
    def kube(self) -> Kube:
        return self.world.kube

    async def publish(self, files: Mapping[str, str] | bytes, revision: str = "main@sha1:1", source: str = "app") -> None:
        """A new artifact of the ExternalArtifact; bytes are the archive itself."""
        server = self.world.artifacts
        artifact = server.serve_archive(files, revision) if isinstance(files, bytes) else server.serve(files, revision)
        ref = await self.apply(SOURCE_API, "ExternalArtifact", source)
        await self.kube.patch(ref, {"status": {"artifact": artifact}}, subresource="status")

    async def kustomization(self, name: str = "app", **spec: Any) -> ObjectRef:
        """By default it prunes, acts as `reconciler`, puts everything into this namespace, and is not tried again soon."""
        base = {
            "interval": "1h",
            "prune": True,
            "serviceAccountName": ADMIN,
            "targetNamespace": self.name,
            "sourceRef": {"kind": "ExternalArtifact", "name": "app"},
        }
        wanted = {key: value for key, value in (base | spec).items() if value is not None}
        return await self.apply(KUSTOMIZE_API, "Kustomization", name, **wanted)

    async def git_repository(self, url: str, name: str = "git", **spec: Any) -> ObjectRef:
        return await self.apply(SOURCE_API, "GitRepository", name, **({"interval": "1h", "url": url} | spec))

    @property
    def url(self) -> str:
        """Of the tenant's repository, once it was made."""
        return self.world.forge.clone_url("acme", self.name)

    async def repository(self, **spec: Any) -> ObjectRef:
        """A repository of the forge, and a GitRepository `git` of it."""
        world = self.world
        await world.forge.admin.create_repository("acme", self.name)
        secret = {"username": "x-access-token", "password": world.token, "ca__crt": world.forge.ca_file.read_text()}
        await self.secret("git", **secret)
        return await self.git_repository(self.url, **({"ref": {"branch": "main"}, "secretRef": {"name": "git"}} | spec))

    async def push(self, files: dict[str, str]) -> str:
        world = self.world
        return await world.forge.push_files(
            "acme", self.name, files, token=world.token, folder=world.folder / f"work-{self.name}"
        )

    async def secret(self, name: str, **data: str) -> None:
        encoded = {key.replace("__", "."): base64.b64encode(value.encode()).decode() for key, value in data.items()}
        metadata = {"name": name, "namespace": self.name}
        await self.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})

    async def apply(self, api_version: str, kind: str, name: str, **spec: Any) -> ObjectRef:
        metadata = {"name": name, "namespace": self.name}
        await self.kube.apply({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
        return ObjectRef(api_version, kind, self.name, name)

    async def ready(self, ref: ObjectRef, seconds: float = DEADLINE) -> Manifest:
        return await self._until(ref, lambda live: condition(live, "Ready").get("status") == "True", seconds)

    async def failed(self, ref: ObjectRef, seconds: float = DEADLINE) -> dict[str, Any]:
        """The Ready condition once it is False."""
        found = await self._until(ref, lambda live: condition(live, "Ready").get("status") == "False", seconds)
        return condition(found, "Ready")

    async def _until(self, ref: ObjectRef, holds: Any, seconds: float) -> Manifest:
        try:
            return await until(self.kube, ref, holds, seconds)
        except TimeoutError:
            live = await self.kube.find(ref)
            pytest.fail(f"{ref} did not become as expected, last: {(live or {}).get('status')}")

    async def shown(self) -> str:
        """All that anybody can read about this namespace: conditions, inventories, events; and the logs of the controllers."""
        told = [await self.kube.list("v1", "Event", self.name)]
        for api_version, kind in ((KUSTOMIZE_API, "Kustomization"), (SOURCE_API, "GitRepository")):
            told.append([item.get("status") or {} for item in await self.kube.list(api_version, kind, self.name)])
        logged = [line for line in self.world.logs().splitlines() if self.name in line or "bug" in line or "Traceback" in line]
        return f"{told}{logged}"


async def goes_on(tenant: Tenant, name: str = "innocent") -> None:
    """Another object of the same namespace is reconciled as ever."""
    await tenant.publish({"cm.yaml": CONFIG_MAP.replace("settings", name)}, source=name)
    await tenant.ready(await tenant.kustomization(name, sourceRef={"kind": "ExternalArtifact", "name": name}))


@asynccontextmanager
async def inputs_world(folder: Path) -> AsyncIterator[World]:
    (folder / "one").mkdir()
    kubeconfig = folder / "one" / "kubeconfig"
    async with (
        EmbeddedCluster(ClusterFolder(folder / "one"), ClusterSettings()).running(),
        artifact_server() as artifacts,
        running_forge(folder / "forge") as forge,
        Kube(from_kubeconfig([kubeconfig]), field_manager="test") as kube,
    ):
        await forge.admin.create_user("ada")
        await forge.admin.create_org("acme", owners=["ada"])
        token = await forge.admin.create_token("ada", {"contents": "write"}, "acme")
        for kind in KINDS:
            await kube.apply(crd_of(kind))
        kustomize = Controller("kustomize-controller", kubeconfig, folder / "kustomize", (*LOCK_DOWN, GATE))
        source = Controller("source-controller", kubeconfig, folder / "source")
        await asyncio.gather(kustomize.start(), source.start())
        try:
            yield World(kube, kustomize, source, artifacts, forge, token, folder)
        finally:
            await asyncio.gather(kustomize.stop(), source.stop())


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with inputs_world(tmp_path_factory.mktemp("inputs")) as made:
        yield made


NUMBERS: Iterator[int] = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="package")
async def tenant(world: World) -> Tenant:
    return await world.tenant()
