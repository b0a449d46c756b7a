"""spec.healthCheckExprs against a real API server: custom resources judged by their owner's own rules."""

import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.kustomize.conftest import Space
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

ONE, TWO = "main@sha1:" + "a" * 40, "main@sha1:" + "b" * 40
WIDGET = "apiVersion: rules.example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 1}\n"
RULES = {
    "apiVersion": "rules.example.com/v1",
    "kind": "Widget",
    "inProgress": "status.phase == 'Waiting'",
    "failed": "status.phase == 'Broken'",
    "current": "status.phase == 'Done' && spec.size > 0",
}


async def define_widgets(space: Space) -> ObjectRef:
    await space.kube.apply(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.rules.example.com"},
            "spec": {
                "group": "rules.example.com",
                "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
                "scope": "Namespaced",
                "versions": [
                    {
                        "name": "v1",
                        "served": True,
                        "storage": True,
                        "subresources": {"status": {}},
                        "schema": {
                            "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                        },
                    }
                ],
            },
        }
    )
    rules = [{"apiGroups": ["rules.example.com"], "resources": ["*"], "verbs": ["*"]}]
    labels = {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "rules", "labels": labels}}
    await space.kube.apply(role | {"rules": rules})
    return ObjectRef("rules.example.com/v1", "Widget", space.name, "w")


async def turn(space: Space, widget: ObjectRef, phase: str) -> None:
    await space.until(widget, lambda live: True)
    await space.kube.patch(widget, {"status": {"phase": phase}}, subresource="status")


async def test_the_objects_own_words_decide(space: Space) -> None:
    """kstatus would have called it healthy at once; no status at all is not enough here."""
    widget = await define_widgets(space)
    await space.publish({"w.yaml": WIDGET}, ONE)
    ref = await space.kustomization(wait=True, timeout="5m", retryInterval="1h", healthCheckExprs=[RULES])
    await space.until(ref, lambda live: "Running health checks" in condition(live, "Reconciling").get("message", ""))
    await turn(space, widget, "Waiting")
    await turn(space, widget, "Done")
    await space.ready(ref, ONE)
    await turn(space, widget, "Broken")
    await space.publish({"w.yaml": WIDGET.replace("size: 1", "size: 2")}, TWO)
    live = await space.failed(ref, "HealthCheckFailed")
    assert f"[Widget/{space.name}/w status: 'Failed']" in condition(live, "Ready")["message"]
    assert live["status"]["lastAppliedRevision"] == ONE


async def test_an_expression_that_cannot_be_evaluated_is_unknown_until_the_timeout(space: Space) -> None:
    widget = await define_widgets(space)
    await space.publish({"w.yaml": WIDGET}, ONE)
    checks = [{"apiVersion": "rules.example.com/v1", "kind": "Widget", "name": "w", "namespace": space.name}]
    rules = {"apiVersion": "rules.example.com/v1", "current": "status.none.such == 1"}
    ref = await space.kustomization(healthChecks=checks, timeout="30s", retryInterval="1h", healthCheckExprs=[rules])
    await turn(space, widget, "Done")
    live = await space.failed(ref, "HealthCheckFailed")
    assert f"timeout waiting for: [Widget/{space.name}/w status: 'Unknown']" in condition(live, "Ready")["message"]


async def test_bad_expressions_are_terminal_and_name_the_field(space: Space) -> None:
    await space.publish({"w.yaml": WIDGET}, ONE)
    ref = await space.kustomization(healthCheckExprs=[RULES | {"failed": "status.phase =="}])
    live = await space.failed(ref, "InvalidCELExpression")
    message = condition(live, "Ready")["message"]
    assert message.startswith("Reconciliation failed terminally due to configuration error: spec.healthCheckExprs[0].failed: ")
    assert condition(live, "Stalled")["message"] == message
    assert live["status"]["observedGeneration"] == live["metadata"]["generation"]


async def test_a_replaced_wait_is_told(space: Space) -> None:
    await define_widgets(space)
    await space.publish({"w.yaml": WIDGET}, ONE)
    ref = await space.kustomization(wait=True, timeout="5m", healthCheckExprs=[RULES])
    await space.until(ref, lambda live: "Running health checks" in condition(live, "Reconciling").get("message", ""))
    await space.publish({"w.yaml": WIDGET.replace("size: 1", "size: 2")}, TWO)
    await space.event(f"Health checks canceled due to new reconciliation triggered by GitRepository/{space.name}/app")
