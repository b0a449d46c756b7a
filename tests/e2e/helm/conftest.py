"""One embedded cluster and one helm-controller for this folder; charts are served as OCIRepositories' artifacts."""

import asyncio
import hashlib
import io
import itertools
import tarfile
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

DEADLINE = 60.0  # seconds
SOURCE_API = "source.toolkit.fluxcd.io/v1"
HELM_API = "helm.toolkit.fluxcd.io/v2"
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}-web}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: {{ .Values.image | quote }}}]}
"""
CONFIG_MAP = """apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {greeting: {{ .Values.greeting | quote }}}
"""
VALUES = "replicas: 1\nimage: registry.example/web:1\ngreeting: hello\n"
TEST_POD = """apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-test
  annotations:
    helm.sh/hook: test
    local.fleetloop.dev/fail: {{ .Values.failTest | default "false" | quote }}
spec: {restartPolicy: Never, containers: [{name: t, image: registry.example/test:1}]}
"""


def chart(version: str = "1.0.0", templates: Mapping[str, str] | None = None, values: str = VALUES, name: str = "web") -> bytes:
    """A packaged chart."""
    files = {
        "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: '9'\n",
        "values.yaml": values,
    }
    given = {"web.yaml": DEPLOYMENT, "settings.yaml": CONFIG_MAP} if templates is None else templates
    files |= {(path if "/" in path else f"templates/{path}"): text for path, text in given.items()}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for path, text in files.items():
            info = tarfile.TarInfo(f"{name}/{path}")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


@dataclass(frozen=True)
class World:
    kube: Kube
    controller: Controller
    artifacts: ArtifactServer


@dataclass(frozen=True)
class Space:
    """A namespace with an OCIRepository `chart` in it."""

    world: World
    name: str

    @property
    def kube(self) -> Kube:
        return self.world.kube

    @property
    def release(self) -> ObjectRef:
        return ObjectRef(HELM_API, "HelmRelease", self.name, "app")

    async def publish(self, content: bytes, tag: str = "1.0.0") -> str:
        """The chart as the newest artifact; its revision."""
        digest = hashlib.sha256(content).hexdigest()
        artifact = self.world.artifacts.serve_archive(content, f"{tag}@sha256:{digest}")
        spec = {"interval": "1h", "url": "oci://registry.example/charts/web"}
        await self.kube.apply(self.manifest(SOURCE_API, "OCIRepository", "chart", **spec))
        ref = ObjectRef(SOURCE_API, "OCIRepository", self.name, "chart")
        await self.kube.patch(ref, {"status": {"artifact": artifact, "observedGeneration": 1}}, subresource="status")
        return f"{tag}+{digest[:12]}"

    async def install(self, **spec: Any) -> ObjectRef:
        """Creates or changes the HelmRelease `app`."""
        base: dict[str, Any] = {"interval": "1h", "timeout": "30s", "chartRef": {"kind": "OCIRepository", "name": "chart"}}
        wanted = {key: value for key, value in (base | spec).items() if value is not None}
        await self.kube.apply(self.manifest(HELM_API, "HelmRelease", "app", **wanted))
        return self.release

    def manifest(self, api_version: str, kind: str, name: str, **spec: Any) -> Manifest:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.name}, "spec": spec}

    def config_map(self, name: str = "app-settings") -> ObjectRef:
        return ObjectRef("v1", "ConfigMap", self.name, name)

    async def ready(self, **wanted: Any) -> Manifest:
        """Once it is Ready for its generation, and the newest snapshot is as wanted."""
        return await self.until(self.release, lambda live: is_ready(live) and snapshot(live).items() >= wanted.items())

    async def failed(self, reason: str, kind: str = "Ready") -> Manifest:
        return await self.until(self.release, lambda live: condition(live, kind).get("reason") == reason)

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

    async def events(self) -> list[tuple[str, str, str]]:
        """Type, reason and message of the release's events."""
        found = await self.kube.list("v1", "Event", self.name)
        return [(e["type"], e["reason"], e["message"]) for e in found if e["involvedObject"]["kind"] == "HelmRelease"]

    async def told(self, reason: str, message: str) -> None:
        """Once there is such an event of the release."""
        async with asyncio.timeout(DEADLINE):
            async with aclosing(self.kube.watch("v1", "Event", self.name)) as events:
                async for event in events:
                    if (event.object.get("reason"), event.object.get("message")) == (reason, message):
                        return

    async def event_metadata(self, reason: str) -> dict[str, str]:
        """Of the release's event with this reason."""
        found = await self.kube.list("v1", "Event", self.name)
        annotations = next(e["metadata"]["annotations"] for e in found if e["reason"] == reason)
        return {key.removeprefix("helm.toolkit.fluxcd.io/"): value for key, value in annotations.items()}


def is_ready(manifest: Manifest) -> bool:
    seen = (manifest.get("status") or {}).get("observedGeneration") == manifest["metadata"]["generation"]
    return seen and condition(manifest, "Ready").get("status") == "True"


def snapshot(manifest: Manifest) -> dict[str, Any]:
    """The newest one."""
    history = (manifest.get("status") or {}).get("history") or [{}]
    return dict(history[0])


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("helm")
    (folder / "one").mkdir()
    cluster = EmbeddedCluster(ClusterFolder(folder / "one"), ClusterSettings())
    async with cluster.running(), artifact_server() as artifacts:
        kubeconfig = folder / "one" / "kubeconfig"
        async with Kube(from_kubeconfig([kubeconfig]), field_manager="test") as kube:
            for kind in KINDS:
                await kube.apply(crd_of(kind))
            flags = ("--feature-gates=ObjectLevelWorkloadIdentity=true",)
            controller = Controller("helm-controller", kubeconfig, folder / "controller", flags)
            await controller.start()
            try:
                yield World(kube, controller, artifacts)
            finally:
                await controller.stop()


NUMBERS: Iterator[int] = itertools.count(1)


@pytest_asyncio.fixture(loop_scope="package")
async def space(world: World) -> Space:
    name = f"team-{next(NUMBERS)}"
    await world.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return Space(world, name)
