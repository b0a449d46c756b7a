"""What a release waits for, what ends a wait, and what others change, against a real API server."""

import asyncio
import time

import pytest

from fleetloop.kube import ObjectRef
from tests.e2e.helm.conftest import CONFIG_MAP, DEPLOYMENT, Space, chart, snapshot
from tests.e2e.helm.test_helm_release import STUCK
from tests.e2e.helm.test_releases_move import CRD
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

PATIENT = STUCK.replace("progressDeadlineSeconds: 1, ", "")
JOB = """apiVersion: batch/v1
kind: Job
metadata: {name: work}
spec:
  template:
    metadata: {annotations: {local.fleetloop.dev/delay: 60s}}
    spec: {restartPolicy: Never, containers: [{name: x, image: registry.example/x:1}]}
"""
HOOK = """apiVersion: batch/v1
kind: Job
metadata: {name: before, annotations: {helm.sh/hook: pre-install}}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: x, image: registry.example/x:1}]}
"""


async def test_a_newer_chart_ends_the_wait_for_the_older(space: Space) -> None:
    """Nobody waits five minutes for what is to be replaced; nothing is left pending, and no failure counts."""
    await space.publish(chart(templates={"stuck.yaml": PATIENT}))
    await space.install(timeout="5m")
    secret = ObjectRef("v1", "Secret", space.name, "sh.helm.release.v1.app.v1")
    await space.until(secret, lambda live: live["metadata"]["labels"]["status"] == "pending-install")
    await space.until(ObjectRef("apps/v1", "Deployment", space.name, "stuck"), lambda live: bool(live.get("status")))
    started = time.monotonic()
    version = await space.publish(chart("1.0.1"), "1.0.1")
    live = await space.ready(chartVersion=version)
    assert time.monotonic() - started < 30
    assert "installFailures" not in live["status"]
    assert snapshot(live)["version"] == 2
    canceled = f"Health checks canceled due to new reconciliation triggered by OCIRepository/{space.name}/chart"
    assert ("Normal", "HealthCheckCanceled", canceled) in await space.events()


async def test_a_newer_spec_ends_the_wait_for_the_older(space: Space) -> None:
    await space.publish(chart(templates={"stuck.yaml": "{{ if .Values.stuck }}\n" + PATIENT + "{{ end }}\n"}))
    await space.install(timeout="5m", values={"stuck": True})
    await space.until(ObjectRef("apps/v1", "Deployment", space.name, "stuck"), lambda live: bool(live.get("status")))
    await space.install(timeout="5m", values={"stuck": False})
    await space.ready(version=2)


async def test_health_by_expressions(space: Space) -> None:
    rules = [{"apiVersion": "v1", "kind": "ConfigMap", "current": "data.greeting == 'ready'", "failed": "data.greeting == 'bad'"}]
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await space.install(healthCheckExprs=rules)
    await space.until(space.config_map(), bool)
    await space.kube.patch(space.config_map(), {"data": {"greeting": "ready"}})
    await space.ready(version=1)
    await space.install(healthCheckExprs=rules, values={"greeting": "bad"})
    live = await space.failed("UpgradeFailed")
    told = f"failed early due to stalled resources: [ConfigMap/{space.name}/app-settings status: 'Failed']"
    assert told in condition(live, "Ready")["message"]
    await space.install(healthCheckExprs=[*rules, *rules])
    live = await space.failed("InvalidCELExpression", "Stalled")
    assert "spec.healthCheckExprs[1]" in condition(live, "Stalled")["message"]


async def test_jobs_are_waited_for_unless_the_spec_says_otherwise(space: Space) -> None:
    await space.publish(chart(templates={"job.yaml": JOB}))
    await space.install(timeout="3s", install={"disableWaitForJobs": True})
    await space.ready(version=1)


async def test_a_job_that_does_not_end_in_time(space: Space) -> None:
    await space.publish(chart(templates={"job.yaml": JOB}))
    await space.install(timeout="2s")
    live = await space.failed("InstallFailed")
    assert f"timeout waiting for: [Job/{space.name}/work status: 'InProgress']" in condition(live, "Ready")["message"]


async def test_a_job_that_is_removed_when_it_is_done_was_done(space: Space) -> None:
    job = JOB.replace("60s", "1s").replace("spec:\n  template", "spec:\n  ttlSecondsAfterFinished: 0\n  template")
    await space.publish(chart(templates={"job.yaml": job}))
    await space.install(timeout="30s")
    await space.ready(version=1)


async def test_a_paused_deployment_is_not_waited_for(space: Space) -> None:
    await space.publish(chart(templates={"web.yaml": PATIENT.replace("spec: {replicas", "spec: {paused: true, replicas")}))
    await space.install(timeout="5s")
    await space.ready(version=1)


async def test_helm_3_waited_for_its_own_kinds_only(space: Space) -> None:
    """Strategy legacy: a custom resource may say of itself what it likes, and what has failed is waited for to the end."""
    kind = f"Gadget{space.name.replace('-', '')}"
    open_schema = "openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}"
    crd = CRD.replace("openAPIV3Schema: {type: object}", open_schema).replace("GROUP", kind.lower()).replace("KIND", kind)
    custom = f"apiVersion: helm.example.com/v1\nkind: {kind}\nmetadata: {{name: one}}\n"
    custom += "status: {conditions: [{type: Ready, status: 'False', message: never}]}\n"
    templates = {"crds/crd.yaml": crd, "custom.yaml": custom, "web.yaml": DEPLOYMENT, "job.yaml": JOB}
    await space.publish(chart(templates=templates))
    legacy = {"timeout": "20s", "waitStrategy": {"name": "legacy"}}
    await space.install(**legacy, install={"disableWaitForJobs": True})
    await space.ready(version=1)
    await space.install(**legacy | {"timeout": "6s"}, upgrade={"disableWaitForJobs": True})
    await space.ready(version=1)
    await space.publish(chart("1.1.0", templates | {"stuck.yaml": STUCK}), "1.1.0")
    live = await space.failed("UpgradeFailed")
    told = condition(live, "Ready")["message"]
    assert f"timeout waiting for: [Deployment/{space.name}/stuck status: 'InProgress'" in told.replace(
        f"Deployment/{space.name}/app-web status: 'InProgress', ", ""
    )
    assert kind not in told
    assert "Job" not in told


async def test_something_newer_ends_a_wait_of_helm_3(space: Space) -> None:
    await space.publish(chart(templates={"stuck.yaml": "{{ if .Values.stuck }}\n" + PATIENT + "{{ end }}\n"}))
    legacy = {"timeout": "5m", "waitStrategy": {"name": "legacy"}}
    await space.install(**legacy, values={"stuck": True})
    await space.until(ObjectRef("apps/v1", "Deployment", space.name, "stuck"), lambda live: bool(live.get("status")))
    await space.install(**legacy, values={"stuck": False})
    await space.ready(version=2)


async def test_a_failed_hook_is_told(space: Space) -> None:
    hook = HOOK.replace("    spec: {", '    metadata: {annotations: {local.fleetloop.dev/fail: "true"}}\n    spec: {', 1)
    hook = hook.replace("spec:\n  template", "spec:\n  backoffLimit: 0\n  template")
    await space.publish(chart(templates={"hook.yaml": hook, "settings.yaml": CONFIG_MAP}))
    await space.install(timeout="20s")
    live = await space.failed("InstallFailed")
    assert "Job before failed" in condition(live, "Ready")["message"]


async def test_drift_is_put_back_by_the_watch(space: Space) -> None:
    """Without waiting for the interval, which is an hour; and a deleted object too."""
    await space.publish(chart())
    await space.install(driftDetection={"mode": "enabled"})
    await space.ready()
    await asyncio.sleep(1)  # a write within the second of our own has no time of its own
    await space.kube.patch(space.config_map(), {"data": {"greeting": "foreign"}}, field_manager="kubectl-edit")
    await space.until(space.config_map(), lambda live: live["data"] == {"greeting": "hello"})
    told = f"Cluster state of release {space.name}/app.v1 has drifted from the desired state:\n"
    line = f"ConfigMap/{space.name}/app-settings changed (0 additions, 1 changes, 0 removals)"
    await space.until(space.release, lambda live: condition(live, "Drifted").get("reason") == "NoDriftDetected")
    assert ("Warning", "DriftDetected", told + line) in await space.events()
    await space.kube.delete(space.config_map())
    await space.until(space.config_map(), lambda live: "deletionTimestamp" not in live["metadata"])
    live = await space.ready(version=1)
    assert len(live["status"]["history"]) == 1, "Helm's storage is not touched"


async def test_what_is_left_alone_is_no_drift(space: Space) -> None:
    rules = [{"paths": ["/data/greeting"], "target": {"kind": "ConfigMap"}}, {"paths": [""], "target": {"kind": "Deployment"}}]
    await space.publish(chart())
    await space.install(driftDetection={"mode": "warn", "ignore": rules})
    await space.ready()
    await space.kube.patch(space.config_map(), {"data": {"greeting": "foreign"}}, field_manager="kubectl-edit")
    web = ObjectRef("apps/v1", "Deployment", space.name, "app-web")
    await space.kube.patch(web, {"spec": {"replicas": 2}}, field_manager="kubectl-edit")
    await space.kube.patch(space.release, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})
    live = await space.until(space.release, lambda live: live["status"].get("lastHandledReconcileAt") == "now")
    assert condition(live, "Drifted")["reason"] == "NoDriftDetected"
    await space.kube.patch(space.config_map(), {"data": {"more": "x"}}, field_manager="kubectl-edit")
    await space.install(driftDetection={"mode": "warn", "ignore": rules[1:]})
    live = await space.failed("DriftDetected", "Drifted")
    message = condition(live, "Drifted")["message"]
    assert f"Deployment/{space.name}/app-web excluded" in message
    assert f"ConfigMap/{space.name}/app-settings changed" in message
    assert condition(live, "Ready")["status"] == "True"


async def test_labelled_values_wake_their_releases(space: Space) -> None:
    metadata = {"name": "v", "namespace": space.name, "labels": {"reconcile.fluxcd.io/watch": "Enabled"}}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"values.yaml": "greeting: one\n"}}
    await space.kube.apply(manifest)
    await space.publish(chart())
    await space.install(valuesFrom=[{"kind": "ConfigMap", "name": "v"}])
    await space.ready(version=1)
    await space.kube.apply(manifest | {"data": {"values.yaml": "greeting: two\n"}})
    await space.ready(version=2)
    assert (await space.kube.get(space.config_map()))["data"] == {"greeting": "two"}


async def test_who_suspends_lets_end_what_is_under_way(space: Space) -> None:
    job = JOB.replace("60s", "3s")
    await space.publish(chart(templates={"job.yaml": job}))
    await space.install(timeout="60s")
    await space.until(ObjectRef("batch/v1", "Job", space.name, "work"), bool)
    await space.kube.patch(space.release, {"spec": {"suspend": True}})
    live = await space.until(space.release, lambda live: snapshot(live).get("status") == "deployed")
    assert not [reason for _, reason, _ in await space.events() if reason == "HealthCheckCanceled"]
    assert live["spec"]["suspend"]
