"""HelmReleases on another cluster by spec.kubeConfig, against two real API servers (helm-notification-image.md 2.2, 2.16)."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import orjson
import pytest
import pytest_asyncio

from fleetloop.kube import ObjectRef
from fleetloop.local.network import API_PORT
from tests.e2e.helm.conftest import CONFIG_MAP, DEADLINE, DEPLOYMENT, Space, chart, snapshot
from tests.e2e.helm.test_helm_release import STUCK
from tests.e2e.helm.test_hostile_charts import HOOK as CLUSTER_ROLE_HOOK
from tests.e2e.helm.test_waits_and_drift import HOOK
from tests.kit.conditions import condition
from tests.kit.relay import Relay, relay_to
from tests.kit.remote import ADMIN, DEPLOYER, SECRET, Remote, by_secret, changed, running_remote, write_kubeconfig

pytestmark = pytest.mark.asyncio(loop_scope="package")
WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}
LOOKUP = """apiVersion: v1
kind: ConfigMap
metadata: {name: seen}
data: {it: {{ (lookup "v1" "ConfigMap" .Release.Namespace "only-there").data | toJson | quote }}}
"""
DEFINITION = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: NAMEs.remote.example}
spec:
  group: remote.example
  scope: Namespaced
  names: {plural: NAMEs, singular: NAME, kind: NAME}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
BOTH = {"web.yaml": DEPLOYMENT, "settings.yaml": CONFIG_MAP}


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def remote(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Remote]:
    async with running_remote(tmp_path_factory.mktemp("remote")) as remote:
        yield remote


@pytest_asyncio.fixture(loop_scope="package")
async def relay(remote: Remote) -> AsyncIterator[Relay]:
    host = remote.server.removeprefix("https://").partition(":")[0]
    async with relay_to(host, API_PORT) as relay:
        yield relay


async def at_remote(space: Space, remote: Remote, server: str = "", **labels: str) -> Space:
    """The team's namespace there, and its kubeconfig in a Secret here; what is released is looked up with the result."""
    await remote.prepare(space.name)
    kubeconfig = remote.kubeconfig({"token": await remote.token(space.name)}, server=server)
    await write_kubeconfig(space.kube, space.name, kubeconfig, labels=labels)
    return replace(space, world=replace(space.world, kube=remote.kube))


async def as_administrator(space: Space, remote: Remote) -> None:
    """The kubeconfig is one of an administrator of the other cluster."""
    await remote.prepare(space.name)
    pair = {"client-certificate-data": remote.kube.connection.client_cert, "client-key-data": remote.kube.connection.client_key}
    user = {key: base64.b64encode(text.encode()).decode() for key, text in pair.items()}
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig(user), key="value.yaml")


def storage(space: Space, version: int) -> ObjectRef:
    return ObjectRef("v1", "Secret", space.name, f"sh.helm.release.v1.app.v{version}")


async def test_installed_upgraded_repaired_and_uninstalled_there(space: Space, remote: Remote) -> None:
    """With a kubeconfig that is good for one namespace alone: storage, hooks, lookups, waits, drift are there, nothing here."""
    there = await at_remote(space, remote)
    metadata = {"name": "only-there", "namespace": space.name}
    await remote.kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"x": "1"}})
    await space.publish(chart(templates={**BOTH, "hook.yaml": HOOK, "seen.yaml": LOOKUP}))
    await space.install(kubeConfig=by_secret(), driftDetection={"mode": "enabled"})
    live = await space.ready(version=1)
    assert live["status"]["storageNamespace"] == space.name
    assert (await remote.kube.get(space.config_map("seen")))["data"] == {"it": '{"x":"1"}'}
    for ref in (storage(space, 1), ObjectRef("batch/v1", "Job", space.name, "before"), space.config_map()):
        assert await remote.kube.find(ref) and await space.kube.find(ref) is None
    web = await remote.kube.get(ObjectRef("apps/v1", "Deployment", space.name, "app-web"))
    assert web["status"]["readyReplicas"] == 1, "it was waited for"
    assert ("Normal", "InstallSucceeded", condition(live, "Ready")["message"]) in await space.events()

    await changed(remote.kube, space.config_map(), greeting="foreign")
    await there.until(space.config_map(), lambda cm: cm["data"] == {"greeting": "hello"})
    await remote.kube.delete(space.config_map())
    await there.until(space.config_map(), lambda cm: "deletionTimestamp" not in cm["metadata"])

    await space.install(kubeConfig=by_secret(), driftDetection={"mode": "enabled"}, values={"greeting": "two"})
    await space.ready(version=2, action="upgrade")
    assert (await remote.kube.get(space.config_map()))["data"] == {"greeting": "two"}

    await space.kube.delete(space.release)
    await space.until_gone(space.release)
    for ref in (storage(space, 1), storage(space, 2), space.config_map()):
        assert await remote.kube.find(ref) is None
    assert await remote.kube.find(ObjectRef("v1", "ConfigMap", space.name, "only-there"))


async def test_equal_releases_on_two_clusters_do_not_meet(space: Space, remote: Remote) -> None:
    """Foreign writes and health of one are not the other's."""
    there = await at_remote(space, remote)
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await space.install(driftDetection={"mode": "enabled"})
    await space.ready()
    other = space.manifest(
        space.release.api_version,
        "HelmRelease",
        "far",
        interval="1h",
        releaseName="app",
        chartRef={"kind": "OCIRepository", "name": "chart"},
        kubeConfig=by_secret(),
        driftDetection={"mode": "enabled"},
        values={"greeting": "far"},
    )
    await space.kube.apply(other)
    far = replace(space.release, name="far")
    await space.until(far, lambda live: condition(live, "Ready").get("status") == "True")
    await changed(space.kube, space.config_map(), greeting="x")
    await space.until(space.config_map(), lambda cm: cm["data"] == {"greeting": "hello"})
    await changed(remote.kube, space.config_map(), greeting="x")
    await there.until(space.config_map(), lambda cm: cm["data"] == {"greeting": "far"})


async def test_the_tenants_account_acts_there_too(space: Space, remote: Remote) -> None:
    """An administrator's kubeconfig gives no more than the release's service account has there; hooks too."""
    await as_administrator(space, remote)
    await space.publish(chart(templates={"hook.yaml": CLUSTER_ROLE_HOOK, "settings.yaml": CONFIG_MAP}))
    await space.install(kubeConfig=by_secret(), serviceAccountName=ADMIN)
    live = await space.failed("InstallFailed")
    assert f'User "system:serviceaccount:{space.name}:{ADMIN}" cannot' in condition(live, "Ready")["message"]
    await space.publish(chart("1.0.1", templates={"settings.yaml": CONFIG_MAP}), "1.0.1")
    await space.ready()
    assert await remote.kube.find(space.config_map())


async def test_definitions_and_failures_are_those_of_the_other_cluster(space: Space, remote: Remote) -> None:
    """HN11: definitions come first, there; a stuck Deployment there fails the install and is named."""
    await as_administrator(space, remote)
    name = f"thing{space.name.replace('-', '')}"
    await space.publish(chart(templates={"crds/thing.yaml": DEFINITION.replace("NAME", name), "stuck.yaml": STUCK}))
    await space.install(kubeConfig=by_secret(), timeout="20s")
    live = await space.failed("InstallFailed")
    assert f"[Deployment/{space.name}/stuck status: 'Failed']" in condition(live, "Ready")["message"]
    definition = ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", f"{name}s.remote.example")
    assert await remote.kube.find(definition) and await space.kube.find(definition) is None


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ({"exec": {"command": "touch", "args": ["/tmp/x"]}}, "user 'x': exec is not allowed"),
        ({"tokenFile": "/etc/shadow"}, "user 'x': tokenFile is not allowed"),
        ({"token": ["hunter2"]}, "user 'x': token is no text on one line"),
        ({"token": "hunter2"}, "the credentials are not accepted"),
    ],
)
async def test_bad_kubeconfigs_are_named_and_not_shown(space: Space, remote: Remote, user: dict[str, Any], told: str) -> None:
    """CVE-2022-24817: nothing of the controller is run or read."""
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig(user))
    await space.publish(chart())
    await space.install(kubeConfig=by_secret())
    live = await space.failed("RESTClientError")
    message = condition(live, "Ready")["message"]
    assert message.startswith(f"spec.kubeConfig: Secret/{space.name}/{SECRET}: ") and told in message
    assert "hunter2" not in str(live["status"]) + str(await space.events())


async def test_what_is_missing_is_named_and_comes_later(space: Space, remote: Remote) -> None:
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await space.install(kubeConfig=by_secret())
    live = await space.failed("RESTClientError")
    message = f'spec.kubeConfig: Secret/{space.name}/{SECRET}: secrets "{SECRET}" not found'
    assert condition(live, "Ready")["message"] == message
    await at_remote(space, remote, **WATCHED)
    await space.ready()


async def test_a_rotated_kubeconfig_is_used_at_once(space: Space, remote: Remote) -> None:
    there = await at_remote(space, remote, **WATCHED)
    token = await remote.token(space.name)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": token}), labels=WATCHED)
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await space.install(kubeConfig=by_secret(), driftDetection={"mode": "enabled"})
    await space.ready()
    await remote.revoke(space.name, token)
    await space.kube.patch(space.release, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}})
    await space.failed("RESTClientError")
    await remote.kube.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": DEPLOYER, "namespace": space.name}}
    )
    kubeconfig = remote.kubeconfig({"token": await remote.token(space.name)})
    await write_kubeconfig(space.kube, space.name, kubeconfig, labels=WATCHED)
    await space.ready()
    await changed(remote.kube, space.config_map(), greeting="foreign")
    await there.until(space.config_map(), lambda cm: cm["data"] == {"greeting": "hello"})


async def test_a_cluster_that_is_away_blocks_deletion_until_it_is_back(space: Space, remote: Remote, relay: Relay) -> None:
    """What is there must not be forgotten; nobody else is held up, and what was wanted comes when the cluster is back."""
    await at_remote(space, remote, relay.url)
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await space.install(kubeConfig=by_secret())
    await space.ready()
    await relay.cut()
    await space.install(kubeConfig=by_secret(), values={"greeting": "later"})
    live = await space.failed("RESTClientError")
    message = condition(live, "Ready")["message"]
    assert message.startswith(f"spec.kubeConfig: Secret/{space.name}/{SECRET}: cluster {relay.url} is unreachable: ")
    assert snapshot(live)["version"] == 1
    await relay.restore()
    await space.ready(version=2)
    await relay.cut()
    await space.kube.delete(space.release)
    event = ObjectRef("v1", "Event", space.name, "")
    async with asyncio.timeout(DEADLINE), aclosing(space.kube.watch(event.api_version, event.kind, space.name)) as events:
        async for seen in events:
            if seen.type == "ADDED" and "is unreachable" in seen.object["message"] and await _is_leaving(space):
                break
    await relay.restore()
    await space.until_gone(space.release)
    assert await remote.kube.find(space.config_map()) is None


async def _is_leaving(space: Space) -> bool:
    live = await space.kube.get(space.release)
    return "deletionTimestamp" in live["metadata"] and live["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]


async def test_a_kubeconfig_that_is_gone_lets_the_release_go(space: Space, remote: Remote) -> None:
    """2.16: the uninstall is skipped; what is there stays, and people are told."""
    await at_remote(space, remote)
    await space.publish(chart(templates={"settings.yaml": CONFIG_MAP}))
    await space.install(kubeConfig=by_secret())
    await space.ready()
    await space.kube.delete(ObjectRef("v1", "Secret", space.name, SECRET))
    await space.kube.delete(space.release)
    await space.until_gone(space.release)
    assert await remote.kube.find(space.config_map())
    missing = f'spec.kubeConfig: Secret/{space.name}/{SECRET}: secrets "{SECRET}" not found'
    assert ("Warning", "UninstallFailed", f"release {space.name}/app is left as it is: {missing}") in await space.events()


async def test_health_without_the_right_to_watch_is_found_by_reading(space: Space, remote: Remote) -> None:
    """The account there may read and write single objects, hooks among them, and neither list nor watch them."""
    await at_remote(space, remote)
    group = "rbac.authorization.k8s.io"
    single = ["get", "create", "patch", "update", "delete"]
    rules = [
        {"apiGroups": ["", "apps", "batch"], "resources": ["configmaps", "deployments", "jobs"], "verbs": single},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": [*single, "list"]},
    ]
    metadata = {"name": "no-watch", "namespace": space.name}
    await remote.kube.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": rules})
    await remote.kube.delete(ObjectRef(f"{group}/v1", "RoleBinding", space.name, DEPLOYER))
    await remote.kube.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "no-watch"},
            "subjects": [{"kind": "ServiceAccount", "name": DEPLOYER, "namespace": space.name}],
        }
    )
    await space.publish(chart(templates={**BOTH, "hook.yaml": HOOK}))
    await space.install(kubeConfig=by_secret())
    await space.ready()


async def test_a_cluster_that_trusts_our_tokens(space: Space) -> None:
    """The generic ConfigMap form: a token of the team's service account is asked for, and no secret is stored anywhere. Here the
    cluster is this one, which takes tokens for its own audience."""
    place = {"name": ADMIN, "namespace": space.name}
    await space.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": place})
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"}
    rbac, subject = "rbac.authorization.k8s.io/v1", {"kind": "ServiceAccount", **place}
    await space.kube.create(
        {"apiVersion": rbac, "kind": "RoleBinding", "metadata": place, "roleRef": role, "subjects": [subject]}
    )
    path = f"/api/v1/namespaces/{space.name}/serviceaccounts/{ADMIN}/token"
    _, answer = await space.kube.raw("POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    server, audiences = space.kube.connection, "\n".join(orjson.loads(answer)["spec"]["audiences"])
    data = {"provider": "generic", "address": server.server, "ca.crt": server.ca, "audiences": audiences}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "far", "namespace": space.name}}
    await space.kube.apply(config | {"data": data})
    await space.publish(chart(templates={"hook.yaml": CLUSTER_ROLE_HOOK, "settings.yaml": CONFIG_MAP}))
    await space.install(kubeConfig={"configMapRef": {"name": "far"}})
    live = await space.failed("RESTClientError")
    assert "audiences need a serviceAccountName" in condition(live, "Ready")["message"]
    await space.kube.apply(config | {"data": data | {"serviceAccountName": ADMIN}})
    await space.kube.patch(space.release, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}})
    live = await space.failed("InstallFailed")
    assert f'User "system:serviceaccount:{space.name}:{ADMIN}" cannot' in condition(live, "Ready")["message"]
    await space.publish(chart("1.0.1", templates={"settings.yaml": CONFIG_MAP}), "1.0.1")
    await space.ready()
    await space.kube.delete(space.release)
    await space.until_gone(space.release)
    assert await space.kube.find(space.config_map()) is None
