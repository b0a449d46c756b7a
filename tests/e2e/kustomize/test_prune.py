"""What is deleted, in which order, and what stands in the way."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from fleetloop.kube import ApiError, Kube, Manifest, ObjectRef, ref_of
from fleetloop.kube.prune import prune
from tests.e2e.kustomize.conftest import DEADLINE, Space
from tests.e2e.kustomize.test_handover import allow_everything
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, DEPLOYMENT, ONE, OTHER, REQUESTED_AT, TWO
from tests.kit.conditions import condition
from tests.kit.fault_proxy import fault_proxy, token_of_administrator
from tests.kit.faults import Fault, FaultPlan, Rule

pytestmark = pytest.mark.asyncio(loop_scope="package")

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: svc}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"


def definition(group: str) -> Manifest:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "scope": "Namespaced",
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }


async def test_the_last_applied_goes_first(space: Space) -> None:
    files = {"cm.yaml": CONFIG_MAP, "svc.yaml": SERVICE, "web.yaml": DEPLOYMENT}
    await space.publish({**files, "stays.yaml": OTHER}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.publish({"stays.yaml": OTHER}, TWO)
    await space.ready(ref, TWO)
    event = await space.event("deleted")
    assert event["message"].splitlines() == [
        f"Deployment/{space.name}/web deleted",
        f"Service/{space.name}/svc deleted",
        f"ConfigMap/{space.name}/settings deleted",
    ]


async def test_objects_whose_kind_is_gone_are_gone(space: Space) -> None:
    """Somebody deletes the definition, and Git drops the objects; at once, and by a controller that knew the kind."""
    group = f"{space.name}.example.com"
    await allow_everything(space)
    crd = definition(group)
    await space.kube.create(crd)
    await space.until(ref_of(crd), lambda live: condition(live, "Established").get("status") == "True")
    widget = f"apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: one}}\n"
    await space.publish({"w.yaml": widget, "cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.kube.patch(ref, {"spec": {"suspend": True}})
    await space.kube.delete(ref_of(crd))
    await space.until_gone(ref_of(crd))
    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    await space.kube.patch(ref, {"spec": {"suspend": False}})
    live = await space.ready(ref, TWO)
    assert [entry["id"] for entry in live["status"]["inventory"]["entries"]] == [f"{space.name}_settings__ConfigMap"]
    gone = ObjectRef("nowhere.example.com/v1", "Widget", space.name, "one")
    assert (await prune(space.kube, [gone], lambda _: True, {})).deleted == [gone]


@pytest.mark.parametrize("knows", [True, False], ids=["kind known", "kind never seen"])
async def test_a_version_that_is_not_served_any_more_hides_no_object(space: Space, knows: bool) -> None:
    """It is there by another version."""
    group = f"{space.name}.example.com"
    crd = definition(group)
    [v1] = crd["spec"]["versions"]
    crd["spec"]["versions"] = [v1, v1 | {"name": "v1beta1", "storage": False}]
    await space.kube.create(crd)
    await space.until(ref_of(crd), lambda live: condition(live, "Established").get("status") == "True")
    widget = {"apiVersion": f"{group}/v1beta1", "kind": "Widget", "metadata": {"name": "one", "namespace": space.name}}
    await space.kube.create(widget)
    crd["spec"]["versions"][1]["served"] = False
    await space.kube.patch(ref_of(crd), {"spec": crd["spec"]})
    await _until_unserved(space.kube, f"/apis/{group}/v1beta1")
    async with Kube(space.kube.connection) as fresh:
        pruned = await prune(space.kube if knows else fresh, [ref_of(widget)], lambda _: True, {})
        assert (pruned.deleted, pruned.refused) == ([ref_of(widget)], {})
        assert await fresh.find(ObjectRef(f"{group}/v1", "Widget", space.name, "one")) is None


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.INTERNAL])
async def test_what_a_server_that_starts_does_not_know_yet_is_not_gone(space: Space, fault: Fault) -> None:
    """It answers with 503 for paths that a definition may still bring."""
    away = FaultPlan(rules=[Rule(fault, lambda asked: asked.path == "/apis/nowhere.example.com")])
    gone = ObjectRef("nowhere.example.com/v1", "Widget", space.name, "one")
    async with fault_proxy(space.kube.connection, away) as proxy:
        connection = proxy.connection(await token_of_administrator(space.kube))
        async with Kube(connection) as kube:
            pruned = await prune(kube, [gone], lambda _: True, {})
            assert (pruned.deleted, list(pruned.refused)) == ([], [gone])
            assert (await prune(kube, [gone], lambda _: True, {})).deleted == [gone]


async def _until_unserved(kube: Kube, path: str) -> None:
    async with asyncio.timeout(DEADLINE):
        while (await kube.raw("GET", path))[0] != 404:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # nothing tells of it


async def test_a_kustomization_whose_kinds_are_gone_can_be_deleted(space: Space) -> None:
    group = f"{space.name}.example.com"
    await allow_everything(space)
    crd = definition(group)
    await space.kube.create(crd)
    await space.until(ref_of(crd), lambda live: condition(live, "Established").get("status") == "True")
    await space.publish({"w.yaml": f"apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: one}}\n"}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.kube.patch(ref, {"spec": {"suspend": True}})
    await space.kube.delete(ref_of(crd))
    await space.until_gone(ref_of(crd))
    await space.kube.patch(ref, {"spec": {"suspend": False, "deletionPolicy": "WaitForTermination"}})
    await space.kube.delete(ref)
    await space.until_gone(ref)


async def test_an_object_held_by_a_finalizer_holds_up_nobody(space: Space) -> None:
    held = OTHER.replace("{name: other}", "{name: other, finalizers: [example.com/held]}")
    await space.publish({"held.yaml": held, "cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    live = await space.ready(ref, TWO)
    assert len(live["status"]["inventory"]["entries"]) == 1
    terminating = await space.kube.get(space.config_map("other"))
    assert terminating["metadata"]["deletionTimestamp"]
    await space.kube.patch(space.config_map("other"), {"metadata": {"finalizers": None}})


async def test_a_namespace_that_is_terminating_is_named_and_gets_over_it(space: Space) -> None:
    """A finalizer holds it: nothing can be created in it, and the error says so."""
    name = f"{space.name}-ends"
    metadata: dict[str, Any] = {"name": name}
    await space.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    blocker = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "b", "namespace": name, "finalizers": ["example.com/b"]},
    }
    await space.kube.create(blocker)
    namespace = ObjectRef("v1", "Namespace", "", name)
    await space.kube.delete(namespace)
    await space.until(namespace, lambda live: live["metadata"].get("deletionTimestamp") is not None)
    everywhere = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "reconciler", "namespace": space.name}],
    }
    await space.kube.create(everywhere)
    inside = CONFIG_MAP.replace("{name: settings}", f"{{name: settings, namespace: {name}}}")
    await space.publish({"cm.yaml": inside}, ONE)
    ref = await space.kustomization(targetNamespace=None, retryInterval="1h")
    live = await space.failed(ref, "ReconciliationFailed")
    message = condition(live, "Ready")["message"]
    assert message.startswith(f"ConfigMap/{name}/settings dry-run failed (Forbidden): ")
    assert f"unable to create new content in namespace {name} because it is being terminated" in message
    await space.kube.patch(ObjectRef("v1", "ConfigMap", name, "b"), {"metadata": {"finalizers": None}})
    await space.until_gone(namespace)
    await space.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await space.kube.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: "now"}}})
    await space.ready(ref, ONE)


async def test_without_prune_removed_objects_are_forgotten_and_stay(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP, "x.yaml": OTHER}, ONE)
    ref = await space.kustomization(prune=False)
    await space.ready(ref, ONE)
    await space.publish({"x.yaml": OTHER}, TWO)
    live = await space.ready(ref, TWO)
    assert [entry["id"] for entry in live["status"]["inventory"]["entries"]] == [f"{space.name}_other__ConfigMap"]
    assert await space.kube.find(space.config_map())


async def test_a_change_of_version_alone_is_no_change_of_object(space: Space) -> None:
    """The id names group and kind: an object that Git declares under another version is not pruned."""
    scaler = """apiVersion: autoscaling/v1
kind: HorizontalPodAutoscaler
metadata: {name: h}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 1, maxReplicas: 2}
"""
    await space.publish({"h.yaml": scaler}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    h = ObjectRef("autoscaling/v2", "HorizontalPodAutoscaler", space.name, "h")
    uid = (await space.kube.get(h))["metadata"]["uid"]
    await space.publish({"h.yaml": scaler.replace("autoscaling/v1", "autoscaling/v2")}, TWO)
    live = await space.ready(ref, TWO)
    assert live["status"]["inventory"]["entries"][0]["v"] == "v2"
    assert (await space.kube.get(h))["metadata"]["uid"] == uid


async def test_the_log_tells_each_object_and_the_revision(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP, "x.yaml": OTHER}, ONE)
    await space.ready(await space.kustomization(), ONE)
    lines = [
        json.loads(line) for line in (space.world.controller.folder / "log").read_text().splitlines() if line.startswith("{")
    ]
    mine = [line for line in lines if line.get("namespace") == space.name]
    applied = next(line for line in mine if line["msg"] == "server-side apply completed")
    assert applied["output"] == {f"ConfigMap/{space.name}/other": "created", f"ConfigMap/{space.name}/settings": "created"}
    assert applied["revision"] == ONE


async def test_a_deleted_object_is_put_back_while_git_wants_it(space: Space) -> None:
    """Pruning and repairing do not meet: what is deleted by the prune stays away, what others delete comes back."""
    await space.publish({"cm.yaml": CONFIG_MAP, "x.yaml": OTHER}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    _, version = await space.kube.list_with_version("v1", "ConfigMap", space.name)
    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    await space.ready(ref, TWO)
    await space.kube.delete(space.config_map())
    seen = []
    async with (
        asyncio.timeout(DEADLINE),
        aclosing(space.kube.watch("v1", "ConfigMap", space.name, resource_version=version)) as events,
    ):
        async for event in events:
            seen.append((event.type, event.object["metadata"].get("name")))
            if seen[-1] == ("ADDED", "settings"):
                break
    assert ("ADDED", "other") not in seen
    with pytest.raises(ApiError):
        await space.kube.get(space.config_map("other"))
