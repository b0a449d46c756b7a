"""kustomize-controller as a process against a real API server: what it applies, reports, repairs and removes."""

import asyncio
import base64
import hashlib
from pathlib import Path

import pytest

from fleetloop.engine import Engines, Family
from fleetloop.fleet import new_age_key
from fleetloop.kube import Manifest, ObjectRef
from tests.e2e.kustomize.conftest import KUSTOMIZE_API, Space
from tests.kit.conditions import condition
from tests.kit.controller import Controller

pytestmark = pytest.mark.asyncio(loop_scope="package")

CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1'}\n"
OTHER = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {}\n"
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: registry.example/web:1}]}
"""
STUCK = DEPLOYMENT.replace("spec: {containers:", "spec: {nodeSelector: {no: where}, containers:")
REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
ONE, TWO, THREE = "main@sha1:" + "a" * 40, "main@sha1:" + "b" * 40, "main@sha1:" + "c" * 40


async def test_applied_ready_and_reported(space: Space) -> None:
    """The whole status, as readers of the Flux API know it."""
    await space.publish({"cm.yaml": CONFIG_MAP, "web.yaml": DEPLOYMENT}, ONE)
    live = await space.ready(await space.kustomization(wait=True), ONE)
    status = live["status"]
    assert condition(live, "Ready")["message"] == f"Applied revision: {ONE}"
    assert condition(live, "Healthy")["reason"] == "Succeeded"
    assert condition(live, "Reconciling") == {}
    assert (status["observedGeneration"], status["lastAttemptedRevision"]) == (live["metadata"]["generation"], ONE)
    ids = [entry["id"] for entry in status["inventory"]["entries"]]
    assert ids == [f"{space.name}_settings__ConfigMap", f"{space.name}_web_apps_Deployment"]
    snapshot = status["history"][0]
    assert (snapshot["lastReconciledStatus"], snapshot["metadata"]) == ("ReconciliationSucceeded", {"revision": ONE})
    assert live["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    applied = await space.kube.get(space.config_map())
    assert applied["metadata"]["labels"] == {
        "kustomize.toolkit.fluxcd.io/name": "app",
        "kustomize.toolkit.fluxcd.io/namespace": space.name,
    }
    managers = {(e["manager"], e["operation"]) for e in applied["metadata"]["managedFields"]}
    assert managers == {("kustomize-controller", "Apply")}


async def test_history_names_a_build_by_its_yaml(space: Space) -> None:
    """8.13: before owner labels and common metadata, as other controllers have recorded it; with variables too."""
    await space.publish({"cm.yaml": CONFIG_MAP.replace("'1'", "'${a:=1}'")}, ONE)
    text = f"apiVersion: v1\ndata:\n  a: %s\nkind: ConfigMap\nmetadata:\n  name: settings\n  namespace: {space.name}\n"
    ref = await space.kustomization(commonMetadata={"labels": {"team": "a"}})
    live = await space.ready(ref, ONE)
    digests = [f"sha256:{hashlib.sha256((text % value).encode()).hexdigest()}" for value in ("x", "${a:=1}")]
    assert live["status"]["history"][0]["digest"] == digests[1]
    ref = await space.kustomization(postBuild={"substitute": {"a": "x"}})
    live = await space.until(ref, lambda live: len(live["status"]["history"]) == 2)
    assert [snapshot["digest"] for snapshot in live["status"]["history"]] == digests


async def test_events_sk23(space: Space) -> None:
    """SK23: the change list carries the reason Ready has at that moment."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    await space.ready(await space.kustomization(), ONE)
    event = await space.event("Reconciliation finished in")
    assert event["metadata"]["annotations"] == {
        "kustomize.toolkit.fluxcd.io/commit_status": "update",
        "kustomize.toolkit.fluxcd.io/revision": ONE,
    }
    listed = await space.events()
    assert ("Normal", "Progressing", f"ConfigMap/{space.name}/settings created") in listed


async def test_a_broken_revision_leaves_the_good_one_in_place_sk21_sk22(space: Space) -> None:
    """SK21, SK22: observedGeneration and lastAppliedRevision stay at what works."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(retryInterval="1h")
    await space.ready(ref, ONE)
    await space.publish({"kustomization.yaml": "resources: [missing.yaml]\n"}, TWO)
    live = await space.failed(ref, "BuildFailed")
    assert live["status"]["lastAppliedRevision"] == ONE
    assert live["status"]["lastAttemptedRevision"] == TWO
    assert condition(live, "Reconciling")["reason"] == "ProgressingWithRetry"
    assert condition(live, "Ready")["message"].startswith("kustomize build failed: ")
    assert await space.kube.find(space.config_map())
    await space.publish({"cm.yaml": CONFIG_MAP}, THREE)
    await space.ready(ref, THREE)


async def test_a_path_that_the_artifact_lacks_is_no_attempt(space: Space) -> None:
    """8.2-6: like an artifact that cannot be had."""
    await space.publish({"app/cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(path="./app", retryInterval="1h")
    await space.ready(ref, ONE)
    await space.publish({"apps/cm.yaml": CONFIG_MAP}, TWO)
    live = await space.failed(ref, "ArtifactFailed")
    message = "kustomization path not found: stat ./app: no such file or directory"
    assert (condition(live, "Ready")["message"], live["status"]["lastAttemptedRevision"]) == (message, ONE)
    await space.event(message)
    await space.kustomization(path="./apps/../../../apps")
    await space.ready(ref, TWO)


async def test_what_git_drops_is_pruned_unless_it_says_no(space: Space) -> None:
    kept = OTHER.replace("{name: other}", "{name: other, annotations: {kustomize.toolkit.fluxcd.io/prune: disabled}}")
    await space.publish({"cm.yaml": CONFIG_MAP, "kept.yaml": kept}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.publish({"third.yaml": CONFIG_MAP.replace("settings", "third")}, TWO)
    live = await space.ready(ref, TWO)
    assert await space.kube.find(space.config_map()) is None
    assert await space.kube.find(space.config_map("other"))
    assert [e["id"] for e in live["status"]["inventory"]["entries"]] == [f"{space.name}_third__ConfigMap"]
    assert any("other skipped" in message for _, _, message in await space.events())


async def test_an_object_applied_by_another_kustomization_is_not_pruned_sk28(space: Space) -> None:
    """SK28: whoever applied last owns it."""
    await space.publish({"one/cm.yaml": CONFIG_MAP, "two/x.yaml": OTHER}, ONE)
    first = await space.kustomization("first", path="./one")
    second = await space.kustomization("second", path="./two")
    await space.ready(first, ONE)
    await space.ready(second, ONE)
    uid = (await space.kube.get(space.config_map()))["metadata"]["uid"]
    await space.kustomization("first", path="./one", suspend=True)
    await space.publish({"one/x.yaml": OTHER.replace("other", "new"), "two/cm.yaml": CONFIG_MAP}, TWO)
    await space.ready(second, TWO)
    await space.kustomization("first", path="./one")
    await space.ready(first, TWO)
    live = await space.kube.get(space.config_map())
    assert live["metadata"]["uid"] == uid
    assert live["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] == "second"
    event = await space.event(f"ConfigMap/{space.name}/settings skipped")
    assert event["involvedObject"]["name"] == "first"


async def test_foreign_writes_are_repaired_at_once(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    await space.ready(await space.kustomization(), ONE)
    await space.kube.patch(space.config_map(), {"data": {"a": "2"}}, field_manager="kubectl-edit")
    await space.until(space.config_map(), lambda live: live["data"] == {"a": "1"})
    uid = (await space.kube.get(space.config_map()))["metadata"]["uid"]
    await space.kube.delete(space.config_map())
    await space.until(space.config_map(), lambda live: live["metadata"]["uid"] != uid)


async def test_a_new_revision_replaces_a_running_wait(space: Space) -> None:
    """The unhealthy revision's five minutes are not waited out."""
    await space.publish({"web.yaml": STUCK}, ONE)
    ref = await space.kustomization(wait=True, timeout="5m")
    await space.until(ref, lambda live: "Running health checks" in condition(live, "Reconciling").get("message", ""))
    await space.publish({"web.yaml": DEPLOYMENT}, TWO)
    await space.ready(ref, TWO)


async def test_a_foreign_write_during_a_wait_is_repaired_too(space: Space) -> None:
    """Found by the demo: a Service deleted while its revision was still rolling out stayed away until the wait timed out."""
    await space.publish({"cm.yaml": CONFIG_MAP, "web.yaml": STUCK}, ONE)
    ref = await space.kustomization(wait=True, timeout="5m")
    await space.until(ref, lambda live: "Running health checks" in condition(live, "Reconciling").get("message", ""))
    uid = (await space.kube.get(space.config_map()))["metadata"]["uid"]
    await space.kube.delete(space.config_map())
    await space.until(space.config_map(), lambda live: live["metadata"]["uid"] != uid)


async def test_a_foreign_write_during_a_repair_is_repaired_too(space: Space) -> None:
    """Found by the bench: a Service deleted while the pass that repaired something else still ran stayed away, and the wait
    for it timed out."""
    names = [f"pair-{number}" for number in range(20)]
    files = {f"{name}-{side}.yaml": CONFIG_MAP.replace("settings", f"{name}-{side}") for name in names for side in "ab"}
    await space.publish({**files, "web.yaml": STUCK}, ONE)
    ref = await space.kustomization(wait=True, timeout="5m")
    await space.until(ref, lambda live: "Running health checks" in condition(live, "Reconciling").get("message", ""))
    for later, name in enumerate(names):  # by so many requests, to meet every step of a pass
        one, other = space.config_map(f"{name}-a"), space.config_map(f"{name}-b")
        uid = (await space.kube.get(other))["metadata"]["uid"]
        await space.kube.delete(one)
        for _ in range(later):
            await space.kube.get(other)
        await space.kube.delete(other)
        await space.until(other, lambda live, uid=uid: live["metadata"]["uid"] != uid)


async def test_a_failed_job_ends_the_wait_early(space: Space) -> None:
    job = """apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  backoffLimit: 0
  template:
    metadata: {annotations: {local.fleetloop.dev/fail: "true"}}
    spec: {restartPolicy: Never, containers: [{name: c, image: registry.example/x:1}]}
"""
    await space.publish({"job.yaml": job}, ONE)
    live = await space.failed(await space.kustomization(wait=True, timeout="5m"), "HealthCheckFailed")
    assert (
        f"failed early due to stalled resources: [Job/{space.name}/migrate status: 'Failed']"
        in condition(live, "Ready")["message"]
    )
    assert condition(live, "Healthy")["status"] == "False"
    assert live["status"]["history"][0]["lastReconciledStatus"] == "HealthCheckFailed"
    assert "lastAppliedRevision" not in live["status"]


async def test_dependents_follow_at_once(space: Space) -> None:
    """No 30 s between a dependency's becoming ready and its dependents (SK29). Each try in vain is told."""
    await space.publish({"base/cm.yaml": CONFIG_MAP, "app/x.yaml": OTHER}, ONE)
    app = await space.kustomization("app", path="./app", dependsOn=[{"name": "base"}])
    live = await space.failed(app, "DependencyNotReady")
    reason = 'kustomizations.kustomize.toolkit.fluxcd.io "base" not found'
    assert condition(live, "Ready")["message"] == f"dependency '{space.name}/base' not found: {reason}"
    event = await space.event("Dependencies do not meet ready condition, retrying in 30s")
    await space.kube.patch(app, {"metadata": {"annotations": {REQUESTED_AT: "now"}}})
    await space.until(ObjectRef("v1", "Event", space.name, event["metadata"]["name"]), lambda live: live["count"] == 2)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await space.ready(await space.kustomization("base", path="./base"), ONE)
    await space.ready(app, ONE)
    assert loop.time() - started < 25, "the dependent waited for its timer"


async def test_a_dependency_may_be_another_shards(space: Space, tmp_path: Path) -> None:
    """8.11: it is looked for beyond what the controller watches."""
    await space.publish({"base/cm.yaml": CONFIG_MAP, "app/x.yaml": OTHER}, ONE)
    await space.ready(await space.kustomization("base", path="./base"), ONE)
    everyone = space.world.controller
    flags = (*everyone.flags, f"--watch-label-selector=shard={space.name}")
    shard = Controller("kustomize-controller", everyone.kubeconfig, tmp_path, flags)
    await everyone.stop()
    try:
        await shard.start()
        app = await space.kustomization("app", path="./app", dependsOn=[{"name": "base"}])
        await space.kube.patch(app, {"metadata": {"labels": {"shard": space.name}}})
        await space.ready(app, ONE)
    finally:
        await shard.stop()
        await everyone.start()


async def test_ready_expressions_decide(space: Space) -> None:
    await space.publish({"base/cm.yaml": CONFIG_MAP, "app/x.yaml": OTHER}, ONE)
    base = await space.kustomization("base", path="./base", suspend=True)
    expression = "dep.metadata.labels.tier == self.metadata.labels.tier"
    app = await space.kustomization("app", path="./app", dependsOn=[{"name": "base", "readyExpr": expression}])
    for ref, tier in ((base, "gold"), (app, "silver")):
        await space.kube.patch(ref, {"metadata": {"labels": {"tier": tier}, "annotations": {REQUESTED_AT: tier}}})
    live = await space.failed(app, "DependencyNotReady")
    message = f"dependency '{space.name}/base' is not ready according to readyExpr eval"
    await space.until(app, lambda live: condition(live, "Ready")["message"] == message)
    await space.kube.patch(app, {"metadata": {"labels": {"tier": "gold"}, "annotations": {REQUESTED_AT: "again"}}})
    await space.ready(app, ONE)
    no_conditions = "dep.status.conditions.filter(c, c.type == 'Ready').exists(c, c.status == 'True')"
    await space.kustomization("app", path="./app", dependsOn=[{"name": "base", "readyExpr": no_conditions}])
    live = await space.failed(app, "DependencyNotReady")
    assert condition(live, "Ready")["message"].endswith("no such key: conditions")
    await space.kustomization("app", path="./app", dependsOn=[{"name": "base", "readyExpr": "dep.metadata.name +"}])
    live = await space.failed(app, "InvalidCELExpression")
    assert condition(live, "Stalled")["status"] == "True"


async def test_variables_and_secrets(space: Space) -> None:
    key = new_age_key()
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2}\n"
    async with Engines() as engines:
        sealed = await engines.call(
            Family.SOPS,
            "sops.encrypt",
            30,
            data=base64.b64encode(secret.encode()).decode(),
            format="yaml",
            recipients=[key.recipient],
            encryptedRegex="^(data|stringData)$",
        )
    encrypted = base64.b64decode(sealed["data"]).decode()
    assert "hunter2" not in encrypted
    await space.publish({"cm.yaml": CONFIG_MAP.replace("'1'", "'${REGION}-${TIER}'"), "secret.yaml": encrypted}, ONE)
    ref = await space.kustomization(retryInterval="1h")
    live = await space.failed(ref, "ReconciliationFailed")
    assert "db is SOPS encrypted, configuring decryption is required" in condition(live, "Ready")["message"]

    keys = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "age", "namespace": space.name}}
    await space.kube.create(keys | {"stringData": {"a.agekey": key.identity}})
    variables = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "vars", "namespace": space.name}}
    await space.kube.create(variables | {"data": {"REGION": "eu", "TIER": "low"}})
    await space.kustomization(
        decryption={"provider": "sops", "secretRef": {"name": "age"}},
        postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": "vars"}], "substitute": {"TIER": "high"}},
    )
    await space.ready(ref, ONE)
    stored = await space.kube.get(ObjectRef("v1", "Secret", space.name, "db"))
    assert base64.b64decode(stored["data"]["password"]) == b"hunter2"
    assert (await space.kube.get(space.config_map()))["data"] == {"a": "eu-high"}


async def test_deletion_takes_the_objects_along(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    await space.kube.delete(ref)
    await space.until_gone(ref)
    assert await space.kube.find(space.config_map()) is None


async def test_orphan_policy_leaves_the_objects(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(deletionPolicy="Orphan")
    await space.ready(ref, ONE)
    await space.kube.delete(ref)
    await space.until_gone(ref)
    assert await space.kube.find(space.config_map())


async def test_a_suspended_object_answers_requests_and_does_nothing(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(suspend=True)
    await space.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})
    await space.until(ref, lambda live: (live.get("status") or {}).get("lastHandledReconcileAt") == "now")
    assert await space.kube.find(space.config_map()) is None


async def test_one_invalid_object_blocks_its_stage_sk26(space: Space) -> None:
    """SK26: nothing of the stage is applied, and the error names the object."""
    broken = OTHER.replace("data: {}", "data: [1]")
    await space.publish({"cm.yaml": CONFIG_MAP, "broken.yaml": broken}, ONE)
    live = await space.failed(await space.kustomization(retryInterval="1h"), "ReconciliationFailed")
    assert f"ConfigMap/{space.name}/other dry-run failed" in condition(live, "Ready")["message"]
    assert live["status"]["history"][0]["lastReconciledStatus"] == "ReconciliationFailed"
    assert await space.kube.find(space.config_map()) is None


async def test_a_definition_and_its_objects_come_together(space: Space) -> None:
    """Discovery lags behind an established definition; the first pass must not fail on it."""
    group = f"{space.name}.example.com"
    definition = f"""apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: widgets.{group}}}
spec:
  group: {group}
  names: {{kind: Widget, plural: widgets, singular: widget}}
  scope: Namespaced
  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]
"""
    await space.kube.create(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": space.name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": "reconciler", "namespace": space.name}],
        }
    )
    await space.publish(
        {"crd.yaml": definition, "w.yaml": f"apiVersion: {group}/v1\nkind: Widget\nmetadata: {{name: one}}\n"}, ONE
    )
    await space.ready(await space.kustomization(), ONE)
    assert all(kind != "Warning" for kind, _, _ in await space.events())


async def test_an_old_declaration_is_reconciled_as_the_current_version(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    old: Manifest = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1beta1",
        "kind": "Kustomization",
        "metadata": {"name": "app", "namespace": space.name},
        "spec": {
            "interval": "1h",
            "prune": True,
            "validation": "client",
            "serviceAccountName": "reconciler",
            "targetNamespace": space.name,
            "sourceRef": {"kind": "GitRepository", "name": "app"},
        },
    }
    await space.kube.apply(old)
    await space.ready(ObjectRef(KUSTOMIZE_API, "Kustomization", space.name, "app"), ONE)


async def test_killed_at_any_time_the_end_state_is_the_same(space: Space) -> None:
    files = {f"cm-{n}.yaml": CONFIG_MAP.replace("settings", f"cm-{n}") for n in range(20)}
    await space.publish(files, ONE)
    ref = await space.kustomization()
    for number in range(3):
        await space.until(space.config_map(f"cm-{number * 3}"), lambda _: True)
        await space.world.controller.kill()
        await space.world.controller.start()
    live = await space.ready(ref, ONE)
    assert len(live["status"]["inventory"]["entries"]) == 20
    await space.publish({"cm-0.yaml": files["cm-0.yaml"]}, TWO)
    await space.until_gone(space.config_map("cm-19"))
    await space.world.controller.kill()
    await space.world.controller.start()
    await space.ready(ref, TWO)
    left = [c["metadata"]["name"] for c in await space.kube.list("v1", "ConfigMap", space.name)]
    assert sorted(name for name in left if name.startswith("cm-")) == ["cm-0"]
