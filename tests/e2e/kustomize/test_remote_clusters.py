"""Kustomizations that apply to another cluster by spec.kubeConfig, against two real API servers."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from fleetloop.kube import ObjectRef
from fleetloop.local.network import API_PORT
from fleetloop.local.pki import Authority
from tests.e2e.kustomize.conftest import Space, is_ready
from tests.e2e.kustomize.test_kustomization import CONFIG_MAP, DEPLOYMENT, ONE, OTHER, STUCK, TWO
from tests.kit.conditions import condition
from tests.kit.relay import Relay, relay_to
from tests.kit.remote import ADMIN, DEPLOYER, SECRET, Remote, by_secret, changed, running_remote, write_kubeconfig
from tests.kit.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="package")
WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def remote(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Remote]:
    async with running_remote(tmp_path_factory.mktemp("remote")) as remote:
        yield remote


@pytest_asyncio.fixture(loop_scope="package")
async def relay(remote: Remote) -> AsyncIterator[Relay]:
    host = remote.server.removeprefix("https://").partition(":")[0]
    async with relay_to(host, API_PORT) as relay:
        yield relay


async def at_remote(space: Space, remote: Remote, **labels: str) -> Space:
    """The team's namespace there, and its kubeconfig in a Secret here; what is applied is looked up with the result."""
    await remote.prepare(space.name)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": await remote.token(space.name)}), labels=labels)
    return replace(space, world=replace(space.world, kube=remote.kube))


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def config_map(space: Space, name: str = "settings") -> ObjectRef:
    return space.config_map(name)


async def test_applied_healthy_repaired_pruned_and_deleted_there(space: Space, remote: Remote) -> None:
    """The whole life with a kubeconfig that is good for one namespace alone: it may watch no kind of the whole cluster."""
    there = await at_remote(space, remote)
    await space.publish({"cm.yaml": CONFIG_MAP, "other.yaml": OTHER, "web.yaml": DEPLOYMENT}, ONE)
    ref = await space.kustomization(kubeConfig=by_secret(), wait=True)
    live = await space.ready(ref, ONE)
    assert condition(live, "Healthy")["reason"] == "Succeeded"
    assert (await remote.kube.get(config_map(space)))["data"] == {"a": "1"}
    assert await space.kube.find(config_map(space)) is None
    managers = {e["manager"] for e in (await remote.kube.get(config_map(space)))["metadata"]["managedFields"]}
    assert managers == {"kustomize-controller"}

    await changed(remote.kube, config_map(space), a="2")
    await there.until(config_map(space), lambda cm: cm["data"] == {"a": "1"})

    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    await space.ready(ref, TWO)
    assert await remote.kube.find(config_map(space, "other")) is None

    await space.kube.delete(ref)
    await space.until_gone(ref)
    assert await remote.kube.find(config_map(space)) is None


async def test_the_tenants_account_acts_there_too(space: Space, remote: Remote) -> None:
    """An administrator's kubeconfig gives no more than the service account of the Kustomization has there."""
    await remote.prepare(space.name)
    admin = remote.kube.connection
    pair = {"client-certificate-data": encoded(admin.client_cert), "client-key-data": encoded(admin.client_key)}
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig(pair), key="value.yaml")
    await space.publish({"cm.yaml": CONFIG_MAP.replace("{name: settings}", "{name: settings, namespace: default}")}, ONE)
    live = await space.failed(await space.kustomization(kubeConfig=by_secret(), targetNamespace=None), "ReconciliationFailed")
    message = condition(live, "Ready")["message"]
    assert f"system:serviceaccount:{space.name}:{ADMIN}" in message
    assert message.startswith("ConfigMap/default/settings dry-run failed (Forbidden): ")
    await space.publish({"cm.yaml": CONFIG_MAP}, TWO)
    await space.ready(await space.kustomization(kubeConfig=by_secret(key="value.yaml")), TWO)


async def test_equal_objects_on_two_clusters_do_not_meet(space: Space, remote: Remote) -> None:
    """Health and drift of one are not the other's."""
    there = await at_remote(space, remote)
    await space.publish({"cm.yaml": CONFIG_MAP, "web.yaml": DEPLOYMENT}, ONE)
    await space.publish({"cm.yaml": CONFIG_MAP, "web.yaml": STUCK}, ONE, source="stuck")
    here_ref = await space.kustomization("here", wait=True)
    await space.ready(here_ref, ONE)
    stuck = {"kind": "GitRepository", "name": "stuck"}
    there_ref = await space.kustomization("there", kubeConfig=by_secret(), wait=True, sourceRef=stuck)
    await space.until(there_ref, lambda live: condition(live, "Healthy").get("status") == "Unknown")
    await space.kube.patch(here_ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}})
    await space.until(here_ref, lambda live: live["status"].get("lastHandledReconcileAt") == "1" and is_ready(live))
    assert condition(await space.kube.get(there_ref), "Healthy")["status"] == "Unknown"

    await changed(remote.kube, config_map(space), a="remote")
    await there.until(config_map(space), lambda cm: cm["data"] == {"a": "1"})
    await changed(space.kube, config_map(space), a="local")
    await space.until(config_map(space), lambda cm: cm["data"] == {"a": "1"})
    labels = [(await kube.get(config_map(space)))["metadata"]["labels"] for kube in (space.kube, remote.kube)]
    assert [found["kustomize.toolkit.fluxcd.io/name"] for found in labels] == ["here", "there"]


async def test_a_rotated_kubeconfig_is_used_at_once(space: Space, remote: Remote) -> None:
    """A labelled Secret wakes the Kustomization (source-kustomize.md 8.12), and its watches move to the new credentials."""
    there = await at_remote(space, remote)
    token = await remote.token(space.name)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": token}), labels=WATCHED)
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(kubeConfig=by_secret())
    await space.ready(ref, ONE)
    await remote.revoke(space.name, token)
    await space.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}})
    live = await space.failed(ref, "ReconciliationFailed")
    message = condition(live, "Ready")["message"]
    expected = f"spec.kubeConfig: Secret/{space.name}/{SECRET}: cluster {remote.server}: the credentials are not accepted"
    assert message == expected

    metadata = {"name": DEPLOYER, "namespace": space.name}
    await remote.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": await remote.token(space.name)}), labels=WATCHED)
    await space.until(ref, is_ready)
    await changed(remote.kube, config_map(space), a="2")
    await there.until(config_map(space), lambda cm: cm["data"] == {"a": "1"})


async def test_a_cluster_that_is_away_is_told_hurts_nobody_and_is_found_again(space: Space, remote: Remote, relay: Relay) -> None:
    await remote.prepare(space.name)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": await remote.token(space.name)}, server=relay.url))
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(kubeConfig=by_secret())
    await space.ready(ref, ONE)
    await relay.cut()
    await space.publish({"cm.yaml": CONFIG_MAP, "other.yaml": OTHER}, TWO)
    live = await space.failed(ref, "ReconciliationFailed")
    message = condition(live, "Ready")["message"]
    assert message.startswith(f"spec.kubeConfig: Secret/{space.name}/{SECRET}: cluster {relay.url} is unreachable: ")
    assert live["status"]["lastAppliedRevision"] == ONE
    await space.ready(await space.kustomization("local"), TWO)
    await relay.restore()
    await space.ready(ref, TWO)  # its interval is an hour
    assert await remote.kube.find(config_map(space, "other"))


async def test_a_silent_cluster_holds_nobody_up(space: Space, remote: Remote, relay: Relay) -> None:
    """Many Kustomizations on a cluster that takes connections and says nothing: the others go on."""
    await remote.prepare(space.name)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": await remote.token(space.name)}, server=relay.url))
    relay.swallow()
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    refs = [await space.kustomization(f"far-{number}", kubeConfig=by_secret(), suspend=False) for number in range(12)]
    for ref in refs:
        live = await space.failed(ref, "ReconciliationFailed")
        assert "is unreachable: no answer within 10s" in condition(live, "Ready")["message"]
    started = asyncio.get_running_loop().time()
    for ref in refs:
        await space.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}})
    await space.ready(await space.kustomization("near"), ONE)
    assert asyncio.get_running_loop().time() - started < 10  # a single probe's patience


async def test_an_unreachable_cluster_blocks_deletion_until_it_is_back(space: Space, remote: Remote, relay: Relay) -> None:
    """source-kustomize.md 8.9: what is there must not be forgotten."""
    await remote.prepare(space.name)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": await remote.token(space.name)}, server=relay.url))
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(kubeConfig=by_secret())
    await space.ready(ref, ONE)
    await relay.cut()
    await space.kube.delete(ref)
    await space.event(f"cluster {relay.url} is unreachable")
    assert (await space.kube.get(ref))["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
    await relay.restore()
    await space.until_gone(ref)
    assert await remote.kube.find(config_map(space)) is None


async def test_a_kubeconfig_that_is_gone_blocks_deletion_too(space: Space, remote: Remote) -> None:
    await at_remote(space, remote, **WATCHED)
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(kubeConfig=by_secret())
    await space.ready(ref, ONE)
    await space.kube.delete(ObjectRef("v1", "Secret", space.name, SECRET))
    await space.failed(ref, "ReconciliationFailed")
    await space.kube.delete(ref)
    await space.event(f"spec.kubeConfig: Secret/{space.name}/{SECRET}: ")
    assert await space.kube.find(ref)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": await remote.token(space.name)}), labels=WATCHED)
    await space.until_gone(ref)
    assert await remote.kube.find(config_map(space)) is None


async def test_a_certificate_of_somebody_else_is_not_trusted(space: Space, remote: Remote, tmp_path: Path) -> None:
    await remote.prepare(space.name)
    wrong = Authority.ensure(tmp_path, "somebody-else").pem
    token = await remote.token(space.name)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": token}, authority=wrong))
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    live = await space.failed(await space.kustomization(kubeConfig=by_secret()), "ReconciliationFailed")
    message = condition(live, "Ready")["message"]
    assert "failed to verify certificate" in message
    assert token not in str(live)


@pytest.mark.parametrize("user", [{"exec": {"command": "touch", "args": ["/tmp/x"]}}, {"tokenFile": "/etc/shadow"}])
async def test_kubeconfigs_run_and_read_nothing_of_the_controller(space: Space, remote: Remote, user: dict[str, object]) -> None:
    """CVE-2022-24817."""
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig(user))
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    live = await space.failed(await space.kustomization(kubeConfig=by_secret()), "ReconciliationFailed")
    expected = f"spec.kubeConfig: Secret/{space.name}/{SECRET}: user 'x': {next(iter(user))} is not allowed"
    assert condition(live, "Ready")["message"].startswith(expected)


async def test_a_missing_secret_and_a_missing_key_are_named(space: Space) -> None:
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    live = await space.failed(await space.kustomization(kubeConfig=by_secret()), "ReconciliationFailed")
    message = f'spec.kubeConfig: Secret/{space.name}/{SECRET}: secrets "{SECRET}" not found'
    assert condition(live, "Ready")["message"] == message
    await write_kubeconfig(space.kube, space.name, "x", key="other")
    ref = await space.kustomization(kubeConfig=by_secret(key="config"))
    text = "no kubeconfig under the key 'config'"
    await space.until(ref, lambda live: text in condition(live, "Ready").get("message", ""))


async def test_the_controllers_own_token_goes_to_no_audience_that_a_tenant_chooses(space: Space) -> None:
    server = space.kube.connection
    await write_config_map(space, {"provider": "generic", "address": server.server, "audiences": "https://evil.example"})
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(kubeConfig={"configMapRef": {"name": SECRET}})
    live = await space.failed(ref, "ReconciliationFailed")
    assert "audiences need a serviceAccountName" in condition(live, "Ready")["message"]


async def write_config_map(space: Space, data: dict[str, str]) -> None:
    metadata = {"name": SECRET, "namespace": space.name}
    await space.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


async def test_health_without_the_right_to_watch_is_found_by_reading(space: Space, remote: Remote) -> None:
    """The account there may read and write single objects, and neither list nor watch them."""
    await at_remote(space, remote)
    group = "rbac.authorization.k8s.io"
    rule = {"apiGroups": ["", "apps"], "resources": ["configmaps", "deployments"], "verbs": ["get", "create", "patch", "delete"]}
    metadata = {"name": "no-watch", "namespace": space.name}
    await remote.kube.create({"apiVersion": f"{group}/v1", "kind": "Role", "metadata": metadata, "rules": [rule]})
    await remote.kube.delete(ObjectRef(f"{group}/v1", "RoleBinding", space.name, ADMIN))
    await remote.kube.create(
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "no-watch"},
            "subjects": [{"kind": "ServiceAccount", "name": ADMIN, "namespace": space.name}],
        }
    )
    await space.publish({"cm.yaml": CONFIG_MAP, "web.yaml": DEPLOYMENT}, ONE)
    live = await space.ready(await space.kustomization(kubeConfig=by_secret(), wait=True), ONE)
    assert condition(live, "Healthy")["reason"] == "Succeeded"


async def test_a_cluster_that_nobody_uses_is_left(space: Space, remote: Remote, relay: Relay) -> None:
    """Its connections end with the last Kustomization that needs them, here one that moves to this cluster."""
    await remote.prepare(space.name)
    await write_kubeconfig(space.kube, space.name, remote.kubeconfig({"token": await remote.token(space.name)}, server=relay.url))
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    ref = await space.kustomization(kubeConfig=by_secret())
    await space.ready(ref, ONE)
    assert relay.connections
    await space.kube.patch(ref, {"spec": {"kubeConfig": None}})
    await space.until(space.config_map(), bool)
    await eventually(lambda: not relay.connections, 10)
