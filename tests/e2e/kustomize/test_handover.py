"""Objects that move between Kustomizations, and Kustomizations that get another name, within one commit: nothing is deleted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest

from fleetloop.kube import Manifest, ObjectRef
from tests.e2e.kustomize.conftest import KUSTOMIZE_API, Space
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, DEPLOYMENT, ONE, OTHER, THREE, TWO

pytestmark = pytest.mark.asyncio(loop_scope="package")

OWNER = "kustomize.toolkit.fluxcd.io/name"
MANIFEST = """apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: NAME, annotations: {ANNOTATIONS}}
spec:
  interval: 1h
  retryInterval: 1h
  prune: true
  serviceAccountName: reconciler
  targetNamespace: SPACE
  path: ./PATH
  sourceRef: {kind: GitRepository, name: app}
"""


def child(space: Space, name: str, path: str, annotations: str = "", more: str = "") -> str:
    text = MANIFEST.replace("SPACE", space.name).replace("NAME", name).replace("PATH", path)
    return text.replace("{ANNOTATIONS}", f"{{{annotations}}}") + more


def ks(space: Space, name: str) -> ObjectRef:
    return ObjectRef(KUSTOMIZE_API, "Kustomization", space.name, name)


def web(space: Space) -> ObjectRef:
    return ObjectRef("apps/v1", "Deployment", space.name, "web")


async def allow_everything(space: Space) -> None:
    """In this namespace: a parent applies Kustomizations."""
    await space.kube.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "everything", "namespace": space.name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "reconciler", "namespace": space.name}],
        }
    )


@asynccontextmanager
async def never_deleted(space: Space) -> AsyncIterator[None]:
    """The Deployment `web` keeps its uid, and no event says that it went, nor that its pods were told to."""
    before = (await space.kube.get(web(space)))["metadata"]
    deleted: list[Manifest] = []

    async def listen() -> None:
        events = space.kube.watch("apps/v1", "Deployment", space.name, resource_version=before["resourceVersion"])
        async with aclosing(events) as stream:
            async for event in stream:
                if event.type == "DELETED" or event.object["metadata"].get("deletionTimestamp"):
                    deleted.append(event.object)

    listening = asyncio.ensure_future(listen())
    try:
        yield
    finally:
        live = await space.kube.find(web(space))
        listening.cancel()
    assert live
    assert live["metadata"]["uid"] == before["uid"]
    assert not deleted


async def owned_by(space: Space, name: str) -> None:
    await space.until(web(space), lambda live: live["metadata"]["labels"][OWNER] == name)


async def forgotten_by(space: Space, name: str) -> None:
    def forgot(live: Manifest) -> bool:
        entries = live["status"].get("inventory", {}).get("entries", [])
        return not any("_web_" in entry["id"] for entry in entries)

    await space.until(ks(space, name), forgot)


async def test_an_object_moves_when_its_old_owner_comes_first_sk28(space: Space) -> None:
    """SK28: the new owner cannot apply for a while, since it depends on something that is not ready."""
    await space.publish({"a/web.yaml": DEPLOYMENT, "a/x.yaml": OTHER, "b/cm.yaml": CONFIG_MAP, "gate/g.yaml": CONFIG_MAP}, ONE)
    first, second = await space.kustomization("a", path="./a"), await space.kustomization("b", path="./b")
    await space.ready(first, ONE)
    await space.ready(second, ONE)
    async with never_deleted(space):
        await space.kustomization("b", path="./b", dependsOn=[{"name": "gate"}])
        files = {"a/x.yaml": OTHER, "b/cm.yaml": CONFIG_MAP, "b/web.yaml": DEPLOYMENT, "gate/g.yaml": OTHER.replace("other", "g")}
        await space.publish(files, TWO)
        await space.ready(first, TWO)
        kept = await space.event("kept")
        assert f"Deployment/{space.name}/web kept, Kustomization/{space.name}/b takes it over" in kept["message"]
        live = await space.kube.get(first)
        assert any("_web_" in entry["id"] for entry in live["status"]["inventory"]["entries"]), "owned until it is taken"
        await space.kustomization("gate", path="./gate")
        await space.ready(second, TWO)
        await owned_by(space, "b")
        await forgotten_by(space, "a")


async def test_an_object_moves_to_a_kustomization_of_the_same_commit(space: Space) -> None:
    """The old owner, the parent, and the Kustomization that the parent is about to create, in whatever order."""
    await allow_everything(space)
    a, b = child(space, "a", "apps/a"), child(space, "b", "apps/b")
    await space.publish({"cluster/a.yaml": a, "apps/a/web.yaml": DEPLOYMENT, "apps/a/x.yaml": OTHER}, ONE)
    parent = await space.kustomization("parent", path="./cluster", wait=True)
    await space.ready(parent, ONE)
    await space.ready(ks(space, "a"), ONE)
    async with never_deleted(space):
        moved = {"cluster/a.yaml": a, "cluster/b.yaml": b, "apps/a/x.yaml": OTHER, "apps/b/web.yaml": DEPLOYMENT}
        await space.publish(moved, TWO)
        for name in ("parent", "a", "b"):
            await space.ready(ks(space, name), TWO)
        await owned_by(space, "b")
        await forgotten_by(space, "a")


async def test_a_kustomization_that_does_not_exist_yet_holds_the_prune(space: Space) -> None:
    """The parent waits; nothing but its build tells that a new Kustomization will take the object."""
    await allow_everything(space)
    a, b = child(space, "a", "apps/a"), child(space, "b", "apps/b")
    await space.publish({"cluster/a.yaml": a, "apps/a/web.yaml": DEPLOYMENT, "apps/a/x.yaml": OTHER}, ONE)
    parent = await space.kustomization("parent", path="./cluster")
    await space.ready(parent, ONE)
    await space.ready(ks(space, "a"), ONE)
    async with never_deleted(space):
        await space.kustomization("parent", path="./cluster", dependsOn=[{"name": "nobody"}])
        await space.failed(parent, "DependencyNotReady")
        moved = {"cluster/a.yaml": a, "cluster/b.yaml": b, "apps/a/x.yaml": OTHER, "apps/b/web.yaml": DEPLOYMENT}
        await space.publish(moved, TWO)
        await space.ready(ks(space, "a"), TWO)
        await space.event(f"Deployment/{space.name}/web kept, Kustomization/{space.name}/b takes it over")
        await space.kustomization("parent", path="./cluster", dependsOn=None)
        await space.ready(ks(space, "b"), TWO)
        await forgotten_by(space, "a")


async def test_a_kustomization_is_renamed_in_one_commit(space: Space) -> None:
    """Its parent prunes the old name, whose finalizer would take everything along."""
    await allow_everything(space)
    await space.publish({"cluster/ks.yaml": child(space, "old", "apps"), "apps/web.yaml": DEPLOYMENT}, ONE)
    parent = await space.kustomization("parent", path="./cluster")
    await space.ready(parent, ONE)
    await space.ready(ks(space, "old"), ONE)
    async with never_deleted(space):
        renamed = child(space, "new", "workloads")
        await space.publish({"cluster/ks.yaml": renamed, "workloads/web.yaml": DEPLOYMENT}, TWO)
        await space.ready(ks(space, "new"), TWO)
        await space.until_gone(ks(space, "old"))
        await owned_by(space, "new")


async def test_a_rename_that_names_the_old_one_waits_for_a_source_that_is_not_there_yet(space: Space) -> None:
    await space.publish({"web.yaml": DEPLOYMENT}, ONE)
    old = await space.kustomization("old")
    await space.ready(old, ONE)
    async with never_deleted(space):
        new = await space.kustomization("new", sourceRef={"kind": "GitRepository", "name": "moved"}, suspend=True)
        annotations = {"kustomize.fleetloop.dev/takes-over": "old"}
        await space.kube.patch(new, {"metadata": {"annotations": annotations}})
        await space.kube.delete(old)
        await space.until_gone(old)
        await space.publish({"web.yaml": DEPLOYMENT}, TWO, source="moved")
        await space.kube.patch(new, {"spec": {"suspend": False}})
        await space.ready(new, TWO)
        await owned_by(space, "new")


async def test_a_new_owner_that_cannot_be_built_holds_the_prune_until_it_is_mended(space: Space) -> None:
    await space.publish({"a/web.yaml": DEPLOYMENT, "a/x.yaml": OTHER, "b/cm.yaml": CONFIG_MAP}, ONE)
    first, second = await space.kustomization("a", path="./a"), await space.kustomization("b", path="./b", retryInterval="1h")
    await space.ready(first, ONE)
    await space.ready(second, ONE)
    async with never_deleted(space):
        await space.publish({"a/x.yaml": OTHER, "b/web.yaml": DEPLOYMENT, "b/broken.yaml": "kind: ["}, TWO)
        await space.ready(first, TWO)
        await space.event(f"kept, Kustomization/{space.name}/b may take it over and cannot be built")
        await space.publish({"a/x.yaml": OTHER, "b/web.yaml": DEPLOYMENT}, THREE)
        await space.ready(first, THREE)
        await space.ready(second, THREE)
        await forgotten_by(space, "a")


async def test_a_rename_that_breaks_the_build_deletes_nothing(space: Space) -> None:
    """The old one's finalizer waits for the new one to be mended, and says why."""
    await allow_everything(space)
    await space.publish({"cluster/ks.yaml": child(space, "old", "apps"), "apps/web.yaml": DEPLOYMENT}, ONE)
    parent = await space.kustomization("parent", path="./cluster")
    await space.ready(parent, ONE)
    await space.ready(ks(space, "old"), ONE)
    async with never_deleted(space):
        renamed, broken = child(space, "new", "workloads"), "kind: ["
        await space.publish({"cluster/ks.yaml": renamed, "workloads/web.yaml": DEPLOYMENT, "workloads/x.yaml": broken}, TWO)
        await space.failed(ks(space, "new"), "BuildFailed")
        await space.event(f"Kustomization/{space.name}/new may take it over and cannot be built")
        assert await space.kube.find(ks(space, "old"))
        await space.publish({"cluster/ks.yaml": renamed, "workloads/web.yaml": DEPLOYMENT}, THREE)
        await space.ready(ks(space, "new"), THREE)
        await space.until_gone(ks(space, "old"))
        await owned_by(space, "new")


async def test_what_nobody_takes_is_pruned_though_others_are_behind(space: Space) -> None:
    await space.publish({"a/web.yaml": DEPLOYMENT, "a/x.yaml": OTHER, "b/cm.yaml": CONFIG_MAP}, ONE)
    first, second = await space.kustomization("a", path="./a"), await space.kustomization("b", path="./b")
    await space.ready(first, ONE)
    await space.ready(second, ONE)
    await space.kustomization("b", path="./b", suspend=True)
    await space.publish({"a/x.yaml": OTHER, "b/cm.yaml": CONFIG_MAP.replace("'1'", "'2'")}, TWO)
    await space.ready(first, TWO)
    assert await space.kube.find(web(space)) is None
    await space.kube.delete(first)
    await space.until_gone(first)
    assert await space.kube.find(space.config_map("other")) is None
