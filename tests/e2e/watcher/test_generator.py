"""source-watcher against a real API server: sources in, ExternalArtifacts out."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from fleetloop.api.crd import crd_of
from fleetloop.api.kinds import KINDS
from fleetloop.kube import Kube, Manifest, ObjectRef
from fleetloop.kube.apply import until_current
from fleetloop.storage import ArtifactReader
from tests.kit.artifacts import ArtifactServer, artifact_server
from tests.kit.cluster import Cluster
from tests.kit.conditions import condition, ready
from tests.kit.controller import Controller

SOURCE_API, API = "source.toolkit.fluxcd.io/v1", "source.extensions.fluxcd.io/v1beta1"
DEADLINE = 60.0  # seconds


@dataclass(frozen=True)
class World:
    kube: Kube
    controller: Controller
    artifacts: ArtifactServer
    http: aiohttp.ClientSession
    namespace: str

    async def publish(self, name: str, files: Mapping[str, str], revision: str) -> None:
        artifact = self.artifacts.serve(files, revision)
        spec = {"interval": "1h", "url": "https://example.com/x.git"}
        await self.kube.apply(self.manifest(SOURCE_API, "GitRepository", name, **spec))
        ref = ObjectRef(SOURCE_API, "GitRepository", self.namespace, name)
        await self.kube.patch(ref, {"status": {"artifact": artifact, "observedGeneration": 1}}, subresource="status")

    async def generate(self, **spec: Any) -> ObjectRef:
        await self.kube.apply(self.manifest(API, "ArtifactGenerator", "app", **spec))
        return ObjectRef(API, "ArtifactGenerator", self.namespace, "app")

    async def annotate(self, ref: ObjectRef, annotations: Mapping[str, str | None]) -> None:
        await self.kube.patch(ref, {"metadata": {"annotations": annotations}})

    def manifest(self, api_version: str, kind: str, name: str, **spec: Any) -> Manifest:
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.namespace}, "spec": spec}

    def external(self, name: str) -> ObjectRef:
        return ObjectRef(SOURCE_API, "ExternalArtifact", self.namespace, name)

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
        raise AssertionError(f"not reached; last seen: {last.get('status')}")

    async def event(self, about: ObjectRef) -> Manifest:
        """The first one that is told of an object."""
        selector = f"involvedObject.name={about.name}"
        async with asyncio.timeout(DEADLINE):
            async for event in self.kube.watch("v1", "Event", about.namespace, field_selector=selector):
                return event.object
        raise AssertionError

    async def delete(self, ref: ObjectRef) -> None:
        """And until it is gone."""
        live = await self.kube.get(ref)
        await self.kube.delete(ref)
        selector, version = f"metadata.name={ref.name}", live["metadata"]["resourceVersion"]
        async with asyncio.timeout(DEADLINE):
            async for event in self.kube.watch(ref.api_version, ref.kind, ref.namespace, "", selector, version):
                if event.type == "DELETED":
                    return

    async def files(self, live: Manifest, folder: Path) -> dict[str, str]:
        artifact = live["status"]["artifact"]
        async with ArtifactReader(folder, self.http).open(artifact["url"], artifact["digest"]) as tree:
            return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


@pytest_asyncio.fixture
async def world(cluster: Cluster, namespace: str, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The parameter: more flags."""
    async with artifact_server() as artifacts, aiohttp.ClientSession() as http, Kube(cluster.connection) as kube:
        for kind in KINDS:
            if kind.group.startswith("source."):
                await until_current(kube, [await kube.apply(crd_of(kind))], DEADLINE)
        folder = tmp_path / "controller"
        store = folder / "store"
        store.mkdir(parents=True)
        (store / ".new-left").write_text("by a controller that was killed")
        flags = (f"--storage-path={store}", "--requeue-dependency=1s", *getattr(request, "param", ()))
        controller = Controller("source-watcher", cluster.kubeconfig, folder, flags)
        await controller.start()
        try:
            yield World(kube, controller, artifacts, http, namespace)
        finally:
            await controller.stop()


DISABLED = "source.extensions.fluxcd.io/reconcile"
COPY = [{"from": "@git/a.yaml", "to": "@artifact/"}]
SOURCES = [{"alias": "git", "kind": "GitRepository", "name": "git"}]


async def test_composed_followed_and_removed_sk19(world: World, tmp_path: Path) -> None:
    """SK19: the default excludes hold, whatever the sources' own ignore files say."""
    await world.publish("git", {"deploy/app.yaml": "a: 1\n", "deploy/logo.png": "x", "other.yaml": "b: 1\n"}, "main@sha1:aaa")
    copy = [{"from": "@git/deploy/**", "to": "@artifact/"}]
    artifacts = [{"name": "one", "copy": copy, "originRevision": "@git"}, {"name": "two", "copy": copy, "revision": "@git"}]
    ref = await world.generate(sources=SOURCES, artifacts=artifacts)
    live = await world.until(ref, ready("True"))
    assert condition(live)["message"] == "reconciliation succeeded, generated 2 artifact(s)"
    assert live["metadata"]["finalizers"] == ["source.extensions.fluxcd.io/finalizer"]
    one = await world.until(world.external("one"), ready("True"))
    artifact = one["status"]["artifact"]
    assert artifact["revision"] == f"latest@{artifact['digest']}"
    assert artifact["metadata"] == {"org.opencontainers.image.revision": "main@sha1:aaa"}
    assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "source-watcher"
    assert await world.files(one, tmp_path / "first") == {"app.yaml": "a: 1\n"}
    two = await world.until(world.external("two"), ready("True"))
    event = await world.event(ref)
    digest = two["status"]["artifact"]["digest"]
    lines = [f"{world.namespace}/{name} ({digest})" for name in ("one", "two")]
    assert (event["type"], event["reason"]) == ("Normal", "Ready")
    assert event["message"] == f"external artifacts reconciled: {lines[0]}\n{lines[1]}"
    assert two["status"]["artifact"]["revision"] == "main@sha1:aaa"
    await world.publish("git", {"deploy/app.yaml": "a: 2\n"}, "main@sha1:bbb")
    changed = await world.until(world.external("one"), lambda live: live["status"]["artifact"]["digest"] != artifact["digest"])
    assert await world.files(changed, tmp_path / "second") == {"app.yaml": "a: 2\n"}
    await world.generate(sources=SOURCES, artifacts=artifacts[:1])
    await world.until(ref, lambda live: [entry["name"] for entry in live["status"]["inventory"]] == ["one"])
    assert await world.kube.find(world.external("two")) is None
    await world.delete(ref)
    assert await world.kube.find(world.external("one")) is None


async def test_a_status_removes_nothing_of_other_namespaces(world: World) -> None:
    """Whoever edits a generator may often write its status too."""
    await world.publish("git", {"a.yaml": "a: 1\n"}, "main@sha1:aaa")
    victim = ObjectRef(SOURCE_API, "ExternalArtifact", "default", f"victim-{world.namespace}")
    metadata = {"name": victim.name, "namespace": victim.namespace}
    await world.kube.apply({"apiVersion": SOURCE_API, "kind": victim.kind, "metadata": metadata, "spec": {}})
    ref = await world.generate(sources=SOURCES, artifacts=[{"name": "one", "copy": COPY}])
    live = await world.until(ref, ready("True"))
    entry = live["status"]["inventory"][0]
    forged = [entry, entry | {"namespace": victim.namespace, "name": victim.name}]
    await world.kube.patch(ref, {"status": {"inventory": forged}}, subresource="status")
    await world.generate(sources=SOURCES, artifacts=[{"name": "two", "copy": COPY}])
    await world.until(ref, lambda live: [one["name"] for one in live["status"]["inventory"]] == ["two"])
    assert await world.kube.find(world.external("one")) is None
    await world.kube.patch(ref, {"status": {"inventory": forged}}, subresource="status")
    await world.delete(ref)
    assert await world.kube.find(victim)
    await world.kube.delete(victim)


async def test_failures_name_what_is_wrong(world: World) -> None:
    copy = [{"from": "@git/none.yaml", "to": "@artifact/"}]
    ref = await world.generate(sources=SOURCES, artifacts=[{"name": "one", "copy": copy}])
    live = await world.until(ref, ready("False", "SourceFetchFailed"))
    assert condition(live)["message"].startswith("get sources failed: 'GitRepository/")
    await world.publish("git", {"a.yaml": "a: 1\n"}, "main@sha1:aaa")
    live = await world.until(ref, ready("False", "BuildFailed"))
    assert condition(live)["message"].startswith("one build failed: copy from '@git/none.yaml' to '@artifact/': ")
    await world.generate(sources=SOURCES, artifacts=[{"name": "one", "copy": [{"from": "@other/x", "to": "@artifact/"}]}])
    live = await world.until(ref, ready("False", "ValidationFailed"))
    assert condition(live)["message"] == "spec.artifacts[0].copy[0].from: there is no source with the alias 'other'"


@pytest.mark.parametrize("world", [("--artifact-retention-records=1",)], indirect=True)
async def test_old_files_are_collected_sk6(world: World) -> None:
    """SK6: a pass deletes what was replaced before it; the file that it replaces itself stays for who reads it now."""
    spec = {"sources": SOURCES, "artifacts": [{"name": "one", "copy": COPY}]}
    served: list[str] = []
    for number in range(4):
        await world.publish("git", {"a.yaml": f"a: {number}\n"}, f"main@sha1:{number}")
        await world.generate(**spec)

        def is_new(live: Manifest) -> bool:
            return ready("True")(live) and live["status"]["artifact"]["path"] not in served

        live = await world.until(world.external("one"), is_new)
        served.append(live["status"]["artifact"]["path"])
    store = world.controller.folder / "store"
    assert sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()) == sorted(served[-2:])


@pytest.mark.parametrize("world", [("--reconciliation-timeout=1ms",)], indirect=True)
async def test_a_pass_ends_at_its_timeout(world: World) -> None:
    await world.publish("git", {"a.yaml": "a: 1\n"}, "main@sha1:aaa")
    ref = await world.generate(sources=SOURCES, artifacts=[{"name": "one", "copy": COPY}])
    live = await world.until(ref, ready("False", "ReconciliationFailed"))
    assert condition(live)["message"] == "reconciliation took longer than 0.001s"


async def test_a_disabled_generator_stays_as_it_is(world: World) -> None:
    """Nothing is built and no condition says that something was, before the first build and after a failure."""
    ref = await world.generate(sources=SOURCES, artifacts=[{"name": "one", "copy": COPY}])
    await world.until(ref, ready("False", "SourceFetchFailed"))
    await world.annotate(ref, {DISABLED: "Disabled"})
    await world.publish("git", {"a.yaml": "a: 1\n"}, "main@sha1:aaa")
    await world.generate(sources=SOURCES, artifacts=[{"name": "other", "copy": COPY}])
    await world.annotate(ref, {"reconcile.fluxcd.io/requestedAt": "now"})
    live = await world.until(ref, lambda live: live["status"].get("lastHandledReconcileAt") == "now")
    assert (condition(live)["status"], condition(live)["observedGeneration"]) == ("False", 1)
    assert await world.kube.find(world.external("other")) is None
    await world.annotate(ref, {DISABLED: None, "reconcile.fluxcd.io/requestedAt": "later"})
    await world.until(ref, ready("True"))


async def test_a_generator_that_was_disabled_from_the_start_has_no_condition(world: World) -> None:
    await world.publish("git", {"a.yaml": "a: 1\n"}, "main@sha1:aaa")
    annotations = {DISABLED: "disabled", "reconcile.fluxcd.io/requestedAt": "now"}
    manifest = world.manifest(API, "ArtifactGenerator", "app", sources=SOURCES, artifacts=[{"name": "one", "copy": COPY}])
    manifest["metadata"]["annotations"] = annotations
    await world.kube.apply(manifest)
    ref = ObjectRef(API, "ArtifactGenerator", world.namespace, "app")
    live = await world.until(ref, lambda live: live.get("status", {}).get("lastHandledReconcileAt") == "now")
    assert condition(live) == {}
