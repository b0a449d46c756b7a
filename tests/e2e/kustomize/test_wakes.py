"""What wakes a Kustomization besides its own changes: labelled ConfigMaps and Secrets, its source (source-kustomize.md 8.12)."""

import asyncio
import base64

import pytest

from tests.e2e.kustomize.conftest import DEADLINE, KUSTOMIZE_API, Space, is_ready
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, ONE, OTHER, REQUESTED_AT, STUCK, THREE, TWO
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}
TEMPLATE = CONFIG_MAP.replace("a: '1'", "a: '${value}'")


async def write_variables(space: Space, value: str, kind: str = "ConfigMap", labels: dict[str, str] | None = None) -> None:
    data = base64.b64encode(value.encode()).decode() if kind == "Secret" else value
    metadata = {"name": "variables", "namespace": space.name, "labels": labels or {}}
    await space.kube.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"value": data}})


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
async def test_a_labelled_object_of_variables_wakes(space: Space, kind: str) -> None:
    """Its interval is an hour."""
    await write_variables(space, "one", kind, WATCHED)
    await space.publish({"cm.yaml": TEMPLATE}, ONE)
    ref = await space.kustomization(postBuild={"substituteFrom": [{"kind": kind, "name": "variables"}]})
    await space.ready(ref, ONE)
    await write_variables(space, "two", kind, WATCHED)
    await space.until(space.config_map(), lambda cm: cm["data"]["a"] == "two")


async def test_an_object_of_variables_that_appears_ends_the_failure(space: Space) -> None:
    """It fails no object that wants no variables, and hides no error of the build."""
    plain = TEMPLATE.replace("{name: settings}", "{name: plain, labels: {kustomize.toolkit.fluxcd.io/substitute: disabled}}")
    await space.publish({"cm.yaml": plain}, ONE)
    ref = await space.kustomization(
        postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]}, retryInterval="1h"
    )
    await space.ready(ref, ONE)
    await space.publish({"kustomization.yaml": "resources: [none.yaml]\n"}, TWO)
    live = await space.failed(ref, "BuildFailed")
    assert condition(live, "Ready")["message"].startswith("kustomize build failed: ")
    await space.publish({"cm.yaml": TEMPLATE, "plain.yaml": plain}, THREE)
    reason = "substitute from 'ConfigMap/variables' error: configmaps \"variables\" not found"
    message = f"post build failed for 'ConfigMap.v1.[noGrp]/settings': {reason}"
    await space.until(ref, lambda live: condition(live, "Ready")["message"] == message)
    await write_variables(space, "one", labels=WATCHED)
    await space.ready(ref, THREE)


async def test_one_without_the_label_waits_for_the_interval(space: Space) -> None:
    await write_variables(space, "one")
    await space.publish({"cm.yaml": TEMPLATE}, ONE)
    ref = await space.kustomization(postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]})
    before = await space.ready(ref, ONE)
    await write_variables(space, "two")
    await write_variables(space, "three", "Secret", WATCHED)  # of the same name, and nobody names it
    await space.publish({"cm.yaml": OTHER}, ONE, "elsewhere")  # with the objects of `app` it would wake it by their change
    other = await space.kustomization("other", sourceRef={"kind": "GitRepository", "name": "elsewhere"})
    await space.ready(other, ONE)
    assert (await space.kube.get(ref))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_change_of_variables_ends_a_wait(space: Space) -> None:
    """A wait for what was built with the old ones is over."""
    await write_variables(space, "one", labels=WATCHED)
    await space.publish({"cm.yaml": TEMPLATE, "web.yaml": STUCK}, ONE)
    substitutes = {"substituteFrom": [{"kind": "ConfigMap", "name": "variables"}]}
    ref = await space.kustomization(postBuild=substitutes, wait=True)
    await space.until(ref, lambda live: condition(live, "Healthy").get("status") == "Unknown")
    await write_variables(space, "two", labels=WATCHED)
    await space.until(space.config_map(), lambda cm: cm["data"]["a"] == "two")
    await space.event(f"Health checks canceled due to new reconciliation triggered by ConfigMap/{space.name}/variables")


async def test_a_circle_of_dependencies_keeps_nobody_else_asleep_sk30(space: Space) -> None:
    """SK30: each Kustomization of a source is woken by itself. Those in the circle tell what they wait for."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    first = await space.kustomization("first", dependsOn=[{"name": "second"}])
    second = await space.kustomization("second", dependsOn=[{"name": "first"}])
    free = await space.kustomization("free")
    await space.ready(free, ONE)
    for ref in (first, second):
        await space.failed(ref, "DependencyNotReady")
    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    await space.ready(free, TWO)
    await space.kustomization("second", dependsOn=[])  # the circle is cut
    for ref in (second, first):
        await space.ready(ref, TWO)


async def test_a_revision_that_comes_back_is_applied_again_sk30(space: Space) -> None:
    """SK30: no wake-up is lost, also when the source returns to the revision that was attempted before."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.publish({"cm.yaml": CONFIG_MAP.replace("'1'", "'2'")}, TWO)
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    await space.until(ref, lambda live: is_ready(live) and live["status"]["lastAttemptedRevision"] == ONE)
    await space.until(space.config_map(), lambda cm: cm["data"]["a"] == "1")
    live = await space.ready(ref, ONE)
    assert live["status"]["lastAttemptedRevision"] == ONE


async def test_health_of_what_a_tenant_may_not_read_is_not_told(space: Space) -> None:
    """Our watches see all; the tenant is told no more than it may read itself, and at once that it may not."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    checks = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "coredns", "namespace": "kube-system"}]
    live = await space.failed(await space.kustomization(healthChecks=checks), "HealthCheckFailed")
    message = condition(live, "Healthy")["message"]
    assert message.startswith("may not be read: [Deployment/kube-system/coredns: ")
    assert f'User "system:serviceaccount:{space.name}:reconciler" cannot get resource "deployments"' in message
    checks = [{"kind": "Deployment", "name": "web", "namespace": space.name}]
    await space.until(
        await space.kustomization(healthChecks=checks), lambda live: condition(live, "Healthy").get("status") == "Unknown"
    )


async def test_a_restart_is_no_news_to_a_kustomization_with_many_sources_around(space: Space) -> None:
    """Once a pass that began before the sources were listed told `not found`."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    before = await space.ready(ref, ONE)
    for number in range(300):
        await space.publish({"cm.yaml": CONFIG_MAP}, ONE, source=f"other-{number}")
    for word in ("one", "two", "three"):
        await space.world.controller.stop()
        await space.kube.patch(ref, {"metadata": {"annotations": {REQUESTED_AT: word}}})
        version = (await space.kube.get(ref))["metadata"]["resourceVersion"]
        await space.world.controller.start()
        async with asyncio.timeout(DEADLINE):
            async for event in space.kube.watch(KUSTOMIZE_API, "Kustomization", space.name, resource_version=version):
                if event.type == "BOOKMARK":
                    continue
                assert condition(event.object, "Ready")["status"] == "True"
                if event.object["status"].get("lastHandledReconcileAt") == word:
                    break
    assert condition(await space.kube.get(ref), "Ready") == condition(before, "Ready")
