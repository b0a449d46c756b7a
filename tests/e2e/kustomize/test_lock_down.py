"""What a tenant cannot do on a locked-down cluster, and what it is told."""

import pytest

from tests.e2e.kustomize.conftest import Space
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, ONE, TWO
from tests.kit.conditions import condition

pytestmark = pytest.mark.asyncio(loop_scope="package")

CLUSTER_ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: everything}\nrules: []\n"


async def test_a_source_of_another_namespace_is_refused_sk21(space: Space) -> None:
    """SK21: stalled, and still observedGeneration does not move."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(sourceRef={"kind": "GitRepository", "name": "app", "namespace": "default"})
    live = await space.failed(ref, "AccessDenied")
    message = "can't access 'GitRepository/default/app', cross-namespace references have been blocked"
    assert condition(live, "Ready")["message"] == message
    assert condition(live, "Stalled")["reason"] == "AccessDenied"
    assert live["status"]["observedGeneration"] == -1


async def test_a_remote_base_is_refused(space: Space) -> None:
    await space.publish({"kustomization.yaml": "resources: ['https://github.com/acme/base//deploy?ref=v1']\n"}, ONE)
    live = await space.failed(await space.kustomization(), "BuildFailed")
    message = condition(live, "Ready")["message"]
    assert message.startswith("remote base 'https://github.com/acme/base//deploy?ref=v1'")
    assert message.endswith("refused: remote bases are disabled")


async def test_files_outside_the_artifact_are_refused(space: Space) -> None:
    """CVE-2022-24877."""
    await space.publish({"app/kustomization.yaml": "resources: ['../../../../../../etc/hostname']\n"}, ONE)
    live = await space.failed(await space.kustomization(path="./app"), "BuildFailed")
    assert "is not in or below" in condition(live, "Ready")["message"]


async def test_an_object_outside_the_tenants_namespace_is_refused(space: Space) -> None:
    elsewhere = CONFIG_MAP.replace("{name: settings}", "{name: settings, namespace: default}")
    await space.publish({"cm.yaml": elsewhere}, ONE)
    live = await space.failed(await space.kustomization(targetNamespace=None), "ReconciliationFailed")
    message = condition(live, "Ready")["message"]
    assert message.startswith("ConfigMap/default/settings dry-run failed (Forbidden): ")
    assert f"system:serviceaccount:{space.name}:reconciler" in message


async def test_a_cluster_role_of_a_tenant_is_refused(space: Space) -> None:
    await space.publish({"role.yaml": CLUSTER_ROLE}, ONE)
    ref = await space.kustomization()
    live = await space.failed(ref, "ReconciliationFailed")
    assert condition(live, "Ready")["message"].startswith("ClusterRole/everything dry-run failed (Forbidden): ")
    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    live = await space.ready(ref, TWO)  # what was refused is not owned, so nothing is left to prune
    assert [entry["id"] for entry in live["status"]["inventory"]["entries"]] == [f"{space.name}_settings__ConfigMap"]


async def test_who_names_no_service_account_acts_as_default(space: Space) -> None:
    """An empty identity is never the controller's own rights."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    live = await space.failed(await space.kustomization(serviceAccountName=None), "ReconciliationFailed")
    assert f"system:serviceaccount:{space.name}:default" in condition(live, "Ready")["message"]


async def test_pruning_needs_the_tenants_right_too(space: Space) -> None:
    """Deletion acts as the tenant: an account that lost its rights deletes nothing, and nothing is forgotten."""
    await space.publish({"cm.yaml": CONFIG_MAP, "other.yaml": CONFIG_MAP.replace("settings", "other")}, ONE)
    ref = await space.kustomization(retryInterval="1h")
    await space.ready(ref, ONE)
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding"}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "no-delete", "namespace": space.name},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "patch", "create"]}],
    }
    await space.kube.create(role)
    await space.kube.create(
        binding
        | {
            "metadata": {"name": "no-delete", "namespace": space.name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "no-delete"},
            "subjects": [{"kind": "ServiceAccount", "name": "reconciler", "namespace": space.name}],
        }
    )
    await space.kube.raw("DELETE", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{space.name}/rolebindings/reconciler")
    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    live = await space.failed(ref, "PruneFailed")
    ids = [entry["id"] for entry in live["status"]["inventory"]["entries"]]
    assert ids == [f"{space.name}_settings__ConfigMap", f"{space.name}_other__ConfigMap"]
    assert "delete failed, errors:" in condition(live, "Ready")["message"]
    assert live["status"]["history"][0]["lastReconciledStatus"] == "PruneFailed"


async def test_an_inventory_of_what_was_never_applied_is_let_go(space: Space) -> None:
    """SK27: objects are written down before they are applied; killed in between, the next pass must not stumble over them."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization()
    await space.ready(ref, ONE)
    entries = [
        {"id": f"{space.name}_settings__ConfigMap", "v": "v1"},
        {"id": "_x_rbac.authorization.k8s.io_ClusterRole", "v": "v1"},
    ]
    await space.kube.patch(ref, {"status": {"inventory": {"entries": entries}}}, subresource="status")
    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    live = await space.ready(ref, TWO)
    assert live["status"]["inventory"]["entries"] == entries[:1]


async def test_who_may_not_watch_what_it_defines_is_told(space: Space) -> None:
    """A right missing in the middle of a pass is a condition with the object's name, not a controller's traceback."""
    name = f"{space.name}-may-not-read"
    group = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    rule = {"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": ["create", "patch"]}
    await space.kube.create(group | {"kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]})
    await space.kube.create(
        group
        | {
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "reconciler", "namespace": space.name}],
        }
    )
    definition = f"""apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: things.{space.name}.example.com}}
spec:
  group: {space.name}.example.com
  names: {{kind: Thing, plural: things, singular: thing}}
  scope: Namespaced
  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]
"""
    await space.publish({"crd.yaml": definition}, ONE)
    live = await space.failed(await space.kustomization(retryInterval="1h"), "ReconciliationFailed")
    message = condition(live, "Ready")["message"]
    assert message.startswith(f"waiting for CustomResourceDefinition/things.{space.name}.example.com: ")
    assert "cannot watch" in message


async def test_a_reference_leads_to_no_other_namespace(space: Space) -> None:
    """Names are read with the controller's rights: one that is a path would lead to any Secret, or to any account's token."""
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    path = "../../kube-system/configmaps/extension-apiserver-authentication"
    ref = await space.kustomization(postBuild={"substituteFrom": [{"kind": "ConfigMap", "name": path}]}, retryInterval="1h")
    live = await space.failed(ref, "BuildFailed")
    assert f"invalid resource name \"{path}\": may not contain '/'" in condition(live, "Ready")["message"]


async def test_what_is_left_alone_is_not_read_for_the_tenant(space: Space) -> None:
    """An object that Git says to leave alone is asked for by nobody: its health is told to those who may read it."""
    await space.kube.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"platform-{space.name}", "namespace": "default"},
            "stringData": {"password": "a"},
        }
    )
    metadata = (
        f"{{name: platform-{space.name}, namespace: default, annotations: {{kustomize.toolkit.fluxcd.io/reconcile: disabled}}}}"
    )
    settings = CONFIG_MAP.replace("{name: settings}", f"{{name: settings, namespace: {space.name}}}")
    await space.publish({"cm.yaml": settings, "s.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {metadata}\n"}, ONE)
    check = {"apiVersion": "v1", "kind": "Secret", "name": f"platform-{space.name}", "namespace": "default"}
    oracle = {"apiVersion": "v1", "kind": "Secret", "current": "data.password.startsWith('Y')"}
    ref = await space.kustomization(targetNamespace=None, healthChecks=[check], healthCheckExprs=[oracle], retryInterval="1h")
    live = await space.failed(ref, "HealthCheckFailed")
    assert condition(live, "Ready")["message"].startswith(
        f"health check failed after 0s: may not be read: [Secret/default/platform-{space.name}: "
    )
