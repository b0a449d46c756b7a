"""helm-controller as a process against a real API server: installs, upgrades, tests, remedies, heals, removes."""

import hashlib
import re

import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.helm.conftest import CONFIG_MAP, TEST_POD, VALUES, Space, chart, snapshot
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

CRASHING = """apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}-web}
spec:
  progressDeadlineSeconds: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {local.fleetloop.dev/fail: {{ .Values.crash | quote }}}}
    spec: {containers: [{name: web, image: {{ .Values.image | quote }}}]}
"""
STUCK = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: stuck}\nspec: {progressDeadlineSeconds: 1, replicas: 1, " + (
    "selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {nodeSelector: {no: where}, "
    "containers: [{name: x, image: x}]}}}\n"
)


async def test_installed_and_reported(space: Space) -> None:
    """The whole status, as readers of the Flux API know it (HN2: the digest is part of the version)."""
    version = await space.publish(chart())
    await space.install()
    live = await space.ready()
    status, newest = live["status"], snapshot(live)
    assert (newest["chartName"], newest["chartVersion"], newest["status"]) == ("web", version, "deployed")
    assert (newest["name"], newest["namespace"], newest["version"], newest["action"]) == ("app", space.name, 1, "install")
    assert (newest["apiVersion"], newest["appVersion"]) == ("v2", "9")
    assert newest["digest"].startswith("sha256:")
    message = f"Helm install succeeded for release {space.name}/app.v1 with chart web@{version}"
    for kind in ("Ready", "Released"):
        assert (condition(live, kind)["reason"], condition(live, kind)["message"]) == ("InstallSucceeded", message)
    assert status["observedGeneration"] == live["metadata"]["generation"]
    assert status["lastAttemptedReleaseAction"] == "install"
    assert status["lastAttemptedRevision"] == version
    assert status["storageNamespace"] == space.name
    ids = {entry["id"] for entry in status["inventory"]["entries"]}
    assert ids == {f"{space.name}_app-settings__ConfigMap", f"{space.name}_app-web_apps_Deployment"}
    applied = await space.kube.get(space.config_map())
    labels = applied["metadata"]["labels"]
    assert labels["helm.toolkit.fluxcd.io/name"] == "app"
    assert labels["app.kubernetes.io/managed-by"] == "Helm"
    assert {(e["manager"], e["operation"]) for e in applied["metadata"]["managedFields"]} == {("helm-controller", "Apply")}
    assert ("Normal", "InstallSucceeded", message) in await space.events()


async def test_the_chart_of_a_template_is_reported(space: Space) -> None:
    source = {"kind": "HelmRepository", "name": "charts"}
    template = {"spec": {"chart": "web", "version": "1.x", "sourceRef": source}}
    await space.install(chartRef=None, chart=template)
    ref = ObjectRef("source.toolkit.fluxcd.io/v1", "HelmChart", space.name, f"{space.name}-app")
    made = await space.until(ref, lambda _: True)
    (owned,) = (one["fieldsV1"] for one in made["metadata"]["managedFields"] if one["operation"] == "Apply")
    assert set(owned["f:metadata"]) == {"f:labels"}
    about = f"HelmChart/{space.name}/{space.name}-app with SourceRef 'HelmRepository/{space.name}/charts'"
    await space.told("HelmChartCreated", f"Created {about}")
    template["spec"]["version"] = "2.x"
    await space.install(chartRef=None, chart=template)
    await space.told("HelmChartConfigured", f"Configured {about}")


async def test_values_and_a_new_chart_are_upgrades(space: Space) -> None:
    await space.publish(chart())
    await space.install(values={"greeting": "one"})
    await space.ready(version=1)
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "one"}
    await space.install(values={"greeting": "two"})
    await space.ready(version=2, action="upgrade")
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "two"}
    await space.publish(chart("1.1.0"), "1.1.0")
    live = await space.ready(version=3)
    assert condition(live, "Ready")["reason"] == "UpgradeSucceeded"


async def test_values_from_config_maps_and_secrets(space: Space) -> None:
    await space.publish(chart())
    data = {"values.yaml": "greeting: config\nreplicas: 0\n"}
    await space.kube.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "v", "namespace": space.name}, "data": data}
    )
    await space.install(valuesFrom=[{"kind": "ConfigMap", "name": "v"}, {"kind": "Secret", "name": "none", "optional": True}])
    await space.ready()
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "config"}
    await space.install(valuesFrom=[{"kind": "Secret", "name": "none"}])
    live = await space.failed("ValuesError")
    expected = f"could not resolve Secret chart values reference '{space.name}/none' with key 'values.yaml': "
    assert condition(live, "Ready")["message"].startswith(expected)


async def test_values_at_target_paths(space: Space) -> None:
    """HN4: inline values count again after a value at a target path, which wins only within a map that both share.
    HN5: the digest is that of the merged values' YAML, keys in order and whole numbers without a point."""
    settings = CONFIG_MAP.replace("{{ .Values.greeting | quote }}", "{{ .Values.greeting }}-{{ .Values.a.b }}")
    assert settings != CONFIG_MAP
    await space.publish(chart(templates={"settings.yaml": settings}))
    await space.kube.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "v", "namespace": space.name}, "data": {"v": "target"}}
    )
    nested, top = [{"kind": "ConfigMap", "name": "v", "valuesKey": "v", "targetPath": path} for path in ("a.b", "greeting")]
    values = {"replicas": 2.0, "greeting": "inline", "a": {"b": "inline"}}
    await space.install(valuesFrom=[nested], values=values)
    live = await space.ready(version=1)
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "inline-target"}
    merged = "a:\n  b: target\ngreeting: inline\nreplicas: 2\n"
    assert live["status"]["lastAttemptedConfigDigest"] == f"sha256:{hashlib.sha256(merged.encode()).hexdigest()}"
    await space.install(valuesFrom=[top, nested], values=values)
    await space.ready(version=2)
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "inline-inline"}


async def test_a_failed_install_without_retries_is_terminal_hn6(space: Space) -> None:
    """HN6: it stalls, and a new chart has its try again."""
    await space.publish(chart(templates={"stuck.yaml": STUCK}))
    await space.install(timeout="5s")
    live = await space.failed("RetriesExceeded", "Stalled")
    assert condition(live, "Ready")["reason"] == "InstallFailed"
    assert condition(live, "Ready")["message"].startswith(f"Helm install failed for release {space.name}/app with chart web@")
    assert (live["status"]["installFailures"], snapshot(live)["status"]) == (1, "failed")
    told = next(message for _, reason, message in await space.events() if reason == "InstallFailed")
    created = r'\n\d{4}-\d\d-\d\dT[0-9:.]+Z: Created resource via patch: {"gvk":"apps/v1, Kind=Deployment","name":"stuck",'
    assert re.search(created, told.partition("\n\nLast Helm logs:\n")[2]), told
    await space.publish(chart("1.0.1"), "1.0.1")
    live = await space.ready(chartVersion=(await space.publish(chart("1.0.1"), "1.0.1")))
    assert condition(live, "Stalled") == {}


async def test_a_template_error_is_tried_again_hn7(space: Space) -> None:
    """HN7: nothing was written to Helm's storage, so no failure counts and nothing stalls."""
    await space.publish(chart(templates={"bad.yaml": "a: {{ .Values.none.such }}\n"}))
    await space.install()
    live = await space.failed("InstallFailed")
    assert "installFailures" not in live["status"]
    assert condition(live, "Stalled") == {}
    assert condition(live, "Reconciling")["reason"] == "ProgressingWithRetry"


async def test_a_failed_upgrade_rolls_back_and_the_next_good_one_recovers(space: Space) -> None:
    await space.publish(chart())
    await space.install(upgrade={"remediation": {"retries": 1}, "timeout": "5s"})
    good = snapshot(await space.ready(version=1))
    await space.publish(chart("1.1.0", {"stuck.yaml": STUCK, "settings.yaml": CONFIG_MAP}), "1.1.0")
    live = await space.failed("RetriesExceeded", "Stalled")
    assert condition(live, "Remediated")["reason"] == "RollbackSucceeded"
    told = await space.event_metadata("RollbackSucceeded")
    assert (told["revision"], told["oci-digest"]) == (good["chartVersion"], good["ociDigest"]), "of what it went back to"
    assert condition(live, "Ready")["status"] == "False"
    assert await space.kube.find(ObjectRef("apps/v1", "Deployment", space.name, "stuck")) is None
    assert await space.kube.find(ObjectRef("apps/v1", "Deployment", space.name, "app-web"))
    version = await space.publish(chart("1.2.0"), "1.2.0")
    await space.ready(chartVersion=version)


async def test_a_version_that_crashes_rolls_back_in_place(space: Space) -> None:
    """The Deployment goes back itself: that its last rollout failed is not held against this one."""
    await space.publish(chart(templates={"web.yaml": CRASHING, "settings.yaml": CONFIG_MAP}))
    remediation = {"remediation": {"retries": 0, "remediateLastFailure": True}}
    await space.install(values={"crash": "false"}, upgrade=remediation)
    await space.ready(version=1)
    await space.install(values={"crash": "true"}, upgrade=remediation)
    live = await space.failed("RetriesExceeded", "Stalled")
    assert condition(live, "Remediated")["reason"] == "RollbackSucceeded", condition(live, "Remediated")["message"]
    assert (snapshot(live)["version"], snapshot(live)["status"]) == (3, "deployed")
    await space.install(values={"crash": "false", "greeting": "again"}, upgrade=remediation)
    await space.ready(version=4)


async def test_what_failed_to_be_rendered_otherwise_is_tried_again(space: Space) -> None:
    """Only the post-renderers changed: what was rolled back to is not what they wish."""
    await space.publish(chart(templates={"web.yaml": CRASHING, "settings.yaml": CONFIG_MAP}))
    remediation = {"remediation": {"retries": 1}}
    await space.install(timeout="10s", values={"crash": "false"}, upgrade=remediation)
    await space.ready(version=1)
    patch = """[{"op": "add", "path": "/spec/template/metadata/annotations/local.fleetloop.dev~1fail", "value": "true"}]"""
    renderers = [{"kustomize": {"patches": [{"patch": patch, "target": {"kind": "Deployment"}}]}}]
    await space.install(timeout="10s", values={"crash": "false"}, upgrade=remediation, postRenderers=renderers)
    live = await space.failed("RetriesExceeded", "Stalled")
    assert (live["status"]["upgradeFailures"], snapshot(live)["version"]) == (2, 5)
    assert "observedPostRenderersDigest" not in live["status"]
    await space.install(timeout="10s", values={"crash": "false"}, upgrade=remediation)
    live = await space.ready(version=5)
    await space.install(timeout="10s", values={"crash": "false"}, commonMetadata={"labels": {"a": "b"}})
    live = await space.ready(version=6)
    assert live["status"]["observedCommonMetadataDigest"].startswith("sha256:")


async def test_tests_run_after_the_release(space: Space) -> None:
    templates = {"settings.yaml": CONFIG_MAP, "test.yaml": TEST_POD}
    await space.publish(chart(templates=templates))
    await space.install(test={"enable": True})
    live = await space.ready()
    assert condition(live, "TestSuccess")["reason"] == "TestSucceeded"
    assert condition(live, "TestSuccess")["message"].endswith(": 1 test hook completed successfully")
    assert snapshot(live)["testHooks"]["app-test"]["phase"] == "Succeeded"
    await space.install(test={"enable": True}, values={"failTest": "true"})
    live = await space.failed("TestFailed")
    assert snapshot(live)["testHooks"]["app-test"]["phase"] == "Failed"


async def test_drift_is_put_back(space: Space) -> None:
    await space.publish(chart())
    await space.install(driftDetection={"mode": "enabled"})
    await space.ready()
    await space.kube.patch(space.config_map(), {"data": {"greeting": "foreign"}}, field_manager="kubectl-edit")
    await space.kube.patch(space.release, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})
    await space.until(space.config_map(), lambda live: live["data"] == {"greeting": "hello"})
    await space.until(space.release, lambda live: condition(live, "Drifted").get("reason") == "NoDriftDetected")
    assert any(reason == "DriftCorrected" for _, reason, _ in await space.events())


async def test_a_release_killed_in_the_middle_is_healed(space: Space) -> None:
    """Nobody unlocks it by hand: the next process does."""
    await space.publish(chart(templates={"stuck.yaml": STUCK.replace("progressDeadlineSeconds: 1, ", "")}))
    await space.install(timeout="5m")
    secret = ObjectRef("v1", "Secret", space.name, "sh.helm.release.v1.app.v1")
    await space.until(secret, lambda live: live["metadata"]["labels"]["status"] == "pending-install")
    await space.world.controller.kill()
    await space.publish(chart("1.0.1"), "1.0.1")
    await space.world.controller.start()
    live = await space.ready(status="deployed")
    assert snapshot(live)["version"] == 2


async def test_deletion_uninstalls(space: Space) -> None:
    await space.publish(chart(values=VALUES))
    await space.install()
    await space.ready()
    await space.kube.delete(space.release)
    await space.until_gone(space.release)
    assert await space.kube.find(space.config_map()) is None
    assert await space.kube.find(ObjectRef("v1", "Secret", space.name, "sh.helm.release.v1.app.v1")) is None
