"""Requests by hand, retries, moves and removals of releases, against a real API server."""

import pytest

from fleetloop.kube import Manifest, ObjectRef
from tests.e2e.helm.conftest import CONFIG_MAP, Space, chart, is_ready, snapshot
from tests.e2e.helm.test_helm_release import STUCK
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

CRD = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: GROUPs.helm.example.com}
spec:
  group: helm.example.com
  names: {kind: KIND, plural: GROUPs, singular: GROUP}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""


async def annotate(space: Space, **annotations: str) -> None:
    metadata = {f"reconcile.fluxcd.io/{name}": value for name, value in annotations.items()}
    await space.kube.patch(space.release, {"metadata": {"annotations": metadata}})


def handled(live: Manifest, value: str) -> bool:
    return bool(live["status"].get("lastHandledReconcileAt") == value)


async def test_hn8_retry_on_failure_hands_over_to_the_strategy_of_upgrades(space: Space) -> None:
    """HN8: a failed install is tried again as an upgrade after the interval; then spec.upgrade decides, here: terminal."""
    await space.publish(chart(templates={"stuck.yaml": STUCK}))
    await space.install(timeout="3s", install={"strategy": {"name": "RetryOnFailure", "retryInterval": "1s"}})
    waiting = await space.until(space.release, lambda live: condition(live, "Reconciling").get("message") == "retrying after 1s")
    assert condition(waiting, "Ready")["reason"] == "InstallFailed"
    assert condition(waiting, "Remediated") == {}
    assert waiting["status"]["observedGeneration"] == waiting["metadata"]["generation"]
    live = await space.failed("RetriesExceeded", "Stalled")
    assert live["status"]["lastAttemptedReleaseAction"] == "upgrade"
    assert snapshot(live)["version"] == 2


async def test_hn6_hn8_failures_count_on_after_a_success_unless_they_are_retried(space: Space) -> None:
    """HN6: counters begin anew with something new to try. HN8: with RetryOnFailure, with success."""
    rules = [{"apiVersion": "v1", "kind": "ConfigMap", "current": "has(data.extra)"}]
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await space.install(timeout="4s", healthCheckExprs=rules, install={"remediation": {"retries": -1}})
    await space.failed("UninstallSucceeded", "Remediated")
    await space.until(space.config_map(), bool)
    await space.kube.patch(space.config_map(), {"data": {"extra": "x"}})
    live = await space.ready(status="deployed")
    assert live["status"]["installFailures"] >= 1
    strategy = {"strategy": {"name": "RetryOnFailure", "retryInterval": "1s"}}
    status = {"lastAttemptedValuesChecksum": "old", "lastReleaseRevision": 7}
    await space.kube.patch(space.release, {"status": status}, subresource="status")
    await space.kube.patch(space.config_map(), {"data": {"extra": None}})
    await space.install(timeout="4s", healthCheckExprs=rules, upgrade=strategy, values={"greeting": "two"})
    await space.until(space.release, lambda live: live["status"].get("upgradeFailures", 0) == 1)
    await space.kube.patch(space.config_map(), {"data": {"extra": "x"}})
    live = await space.ready(status="deployed", action="upgrade")
    assert not live["status"].keys() & {"failures", "installFailures", "upgradeFailures"}
    assert not live["status"].keys() & status.keys(), "of older versions of the API"


async def test_hn9_force_and_reset_count_only_together_with_a_request(space: Space) -> None:
    """HN9: alone, neither annotation does anything."""
    await space.publish(chart())
    await space.install()
    await space.ready(version=1)
    await annotate(space, forceAt="alone")
    await annotate(space, requestedAt="other")
    live = await space.until(space.release, lambda live: handled(live, "other"))
    assert snapshot(live)["version"] == 1
    assert live["status"]["lastHandledForceAt"] == "alone", "consumed though it was ignored"
    await annotate(space, forceAt="both", requestedAt="both", resetAt="both")
    live = await space.until(space.release, lambda live: handled(live, "both"))
    assert (snapshot(live)["version"], live["status"]["lastHandledForceAt"]) == (2, "both")
    assert live["status"]["lastHandledResetAt"] == "both"


async def test_hn6_hn9_a_stalled_release_has_its_tries_again_after_a_reset(space: Space) -> None:
    await space.publish(chart(templates={"stuck.yaml": STUCK}))
    await space.install(timeout="2s")
    await space.failed("RetriesExceeded", "Stalled")
    await annotate(space, requestedAt="1")
    live = await space.until(space.release, lambda live: handled(live, "1"))
    assert snapshot(live)["version"] == 1, "a request alone tries nothing"
    await annotate(space, requestedAt="2", resetAt="2")
    await space.until(space.release, lambda live: snapshot(live)["version"] == 2)


async def test_hn11_definitions_are_created_at_upgrades_too(space: Space) -> None:
    """HN11: without a policy, and not deleted with the release."""
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await space.install()
    await space.ready(version=1)
    kind = f"Widget{space.name.replace('-', '')}"
    crd = CRD.replace("GROUP", kind.lower()).replace("KIND", kind)
    custom = f"apiVersion: helm.example.com/v1\nkind: {kind}\nmetadata: {{name: one}}\n"
    await space.publish(chart("1.1.0", {"crds/crd.yaml": crd, "custom.yaml": custom, "settings.yaml": CONFIG_MAP}), "1.1.0")
    live = await space.ready(version=2)
    ids = {entry["id"] for entry in live["status"]["inventory"]["entries"]}
    assert f"{space.name}_one_helm.example.com_{kind}" in ids
    assert f"_{kind.lower()}s.helm.example.com_apiextensions.k8s.io_CustomResourceDefinition" in ids
    ref = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"{kind.lower()}s.helm.example.com")
    labels = (await space.kube.get(ref))["metadata"]["labels"]
    assert labels == {"helm.toolkit.fluxcd.io/name": "app", "helm.toolkit.fluxcd.io/namespace": space.name}
    await space.kube.delete(space.release)
    await space.until_gone(space.release)
    assert await space.kube.find(ref)


async def test_another_name_or_chart_uninstalls_first(space: Space) -> None:
    await space.publish(chart())
    await space.install()
    first = snapshot(await space.ready(version=1))
    await space.install(releaseName="other")
    live = await space.ready(name="other", version=1)
    told = f"Helm uninstall succeeded for release {space.name}/app.v1 with chart web@{first['chartVersion']}"
    assert ("Normal", "UninstallSucceeded", told) in await space.events()
    assert (await space.event_metadata("UninstallSucceeded")) == {
        "revision": first["chartVersion"],
        "token": first["configDigest"],
        "app-version": "9",
        "oci-digest": first["ociDigest"],
    }
    assert len(live["status"]["history"]) == 1
    assert await space.kube.find(space.config_map()) is None
    assert await space.kube.find(space.config_map("other-settings"))
    await space.publish(chart(name="renamed"))
    await space.ready(chartName="renamed", version=1)
    in_place = {"chartNameChangeStrategy": "InPlaceUpdate"}
    await space.install(releaseName="other", upgrade=in_place)
    await space.publish(chart(name="again"))
    await space.ready(chartName="again", version=2)


async def test_a_release_that_somebody_else_made_is_adopted(space: Space) -> None:
    await space.publish(chart())
    await space.install()
    await space.ready(version=1)
    await space.kube.patch(space.release, {"spec": {"suspend": True}})
    await space.kube.delete(space.release)
    await space.until_gone(space.release)
    assert await space.kube.find(space.config_map()), "a suspended release leaves everything"
    await space.install(suspend=None)
    live = await space.ready(version=2, action="upgrade")
    assert [one.get("action") for one in live["status"]["history"]] == ["upgrade", None]


async def test_another_digest_algorithm_releases_nothing(space: Space) -> None:
    """What is on record is compared by the algorithm that it was made with, counters and post-renderers too."""
    await space.publish(chart())
    labels = {"labels": {"a": "b"}}
    await space.install(commonMetadata=labels)
    before = snapshot(await space.ready(version=1))
    controller = space.world.controller
    flags = controller.flags
    await controller.stop()
    await space.kube.patch(space.release, {"status": {"failures": 3}}, subresource="status")
    controller.flags = (*flags, "--snapshot-digest-algo=sha512")
    await controller.start()
    try:
        await space.install(commonMetadata=labels)
        await annotate(space, requestedAt="now")
        live = await space.until(space.release, lambda live: handled(live, "now"))
        assert (live["status"]["history"], live["status"]["failures"]) == ([before], 3)
        assert live["status"]["lastAttemptedConfigDigest"].startswith("sha512:")
        await space.install(commonMetadata=labels, interval="2h")
        live = await space.until(space.release, is_ready)
        assert live["status"]["history"] == [before]
        await space.install(commonMetadata=labels, values={"greeting": "two"})
        live = await space.ready(version=2)
        assert [one["digest"].partition(":")[0] for one in live["status"]["history"]] == ["sha512", "sha256"]
    finally:
        await controller.stop()
        controller.flags = flags
        await controller.start()


async def test_history_is_kept_where_the_spec_says_so(space: Space) -> None:
    await space.publish(chart())
    await space.install(uninstall={"keepHistory": True})
    await space.ready(version=1)
    await space.kube.delete(space.release)
    await space.until_gone(space.release)
    secret = await space.kube.get(ObjectRef("v1", "Secret", space.name, "sh.helm.release.v1.app.v1"))
    assert secret["metadata"]["labels"]["status"] == "uninstalled"
    assert await space.kube.find(space.config_map()) is None
    await space.install(uninstall=None)
    live = await space.failed("InstallFailed")
    assert "cannot reuse a name that is still in use" in condition(live, "Ready")["message"]
    await space.install(install={"replace": True})
    await space.ready(status="deployed", version=2)


async def test_a_remedy_by_uninstall_leads_to_an_install(space: Space) -> None:
    await space.publish(chart(templates={"stuck.yaml": STUCK}))
    await space.install(timeout="2s", install={"remediation": {"retries": 1}})
    live = await space.failed("RetriesExceeded", "Stalled")
    assert live["status"]["installFailures"] == 2
    told = [reason for _, reason, _ in await space.events()]
    assert {"InstallFailed", "UninstallSucceeded"} <= set(told)
    assert condition(live, "Ready")["reason"] == "InstallFailed", "the last failure is left to look at"


async def test_what_it_depends_on_comes_first(space: Space) -> None:
    await space.publish(chart())
    await space.install(
        dependsOn=[{"name": "base", "readyExpr": "dep.metadata.labels.go == 'yes' && self.metadata.name == 'app'"}]
    )
    live = await space.failed("DependencyNotReady")
    assert condition(live, "Ready")["message"] == f"unable to get '{space.name}/base' dependency: not found"
    base = space.manifest(
        "helm.toolkit.fluxcd.io/v2", "HelmRelease", "base", interval="1h", chartRef={"kind": "OCIRepository", "name": "chart"}
    )
    base["metadata"]["labels"] = {"go": "yes"}
    await space.kube.apply(base)
    await space.ready()
    await space.install(dependsOn=[{"name": "base", "readyExpr": "dep.metadata.labels.missing == 'x'"}])
    live = await space.failed("DependencyNotReady")
    assert condition(live, "Ready")["message"].endswith("no such key: missing")
    await space.install(dependsOn=[{"name": "base", "readyExpr": "dep.("}])
    live = await space.failed("InvalidCELExpression", "Stalled")
    assert condition(live, "Ready")["message"].startswith("Reconciliation failed terminally due to configuration error: ")
    assert not is_ready(live)


async def test_a_target_namespace_is_made_and_stays(space: Space) -> None:
    await space.publish(chart())
    target = f"{space.name}-target"
    await space.install(targetNamespace=target, install={"createNamespace": True})
    live = await space.ready(name=f"{target}-app", namespace=target)
    assert live["status"]["storageNamespace"] == space.name
    await space.kube.delete(space.release)
    await space.until_gone(space.release)
    assert await space.kube.find(ObjectRef("v1", "Namespace", "", target))
