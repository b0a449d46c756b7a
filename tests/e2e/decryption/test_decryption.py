"""A Kustomization's Secret, encrypted for each kind of key, arrives decrypted; where it cannot, the reason does, and no secret.

Flux: source-kustomize.md 8.5.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import ClientSession

from fleetloop.engine import Engines, Family
from fleetloop.kube import ObjectRef
from tests.e2e.decryption.conftest import PASSWORD, Place
from tests.e2e.kustomize.conftest import KUSTOMIZE_API, Space
from tests.kit.conditions import condition
from tests.kit.controller import Controller
from tests.kit.gpg import gpg_key
from tests.kit.key_services.azure import CLIENT, TENANT
from tests.kit.key_services.gcp import PROVIDER
from tests.kit.sops import Masters, encrypted, new_data_key, sealed_yaml

pytestmark = pytest.mark.asyncio(loop_scope="package")
ONE = "main@sha1:1111111111111111111111111111111111111111"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": PASSWORD}}
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
NEVER = "1h"  # retryInterval: a test that expects a failure asks once


async def publish(space: Space, key: bytes, masters: Masters) -> None:
    document = sealed_yaml(SECRET, key, masters)
    assert PASSWORD not in document
    await space.publish({"secret.yaml": document}, ONE)


async def keys_in(space: Space, place: Place, **entries: str) -> dict[str, Any]:
    """spec.decryption with a Secret that has these entries; __ is a dot, _ a dash."""
    named = {name.replace("__", ".").replace("_", "-"): text for name, text in entries.items()}
    place.secrets.extend(line for text in named.values() for line in text.splitlines() if len(line) > 20)
    metadata = {"name": "keys", "namespace": space.name}
    await space.kube.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": named})
    return {"provider": "sops", "secretRef": {"name": "keys"}}


async def arrives(space: Space, decryption: dict[str, Any]) -> None:
    await space.ready(await space.kustomization(decryption=decryption), ONE)
    stored = await space.kube.get(ObjectRef("v1", "Secret", space.name, "db"))
    assert {name: b64decode(value) for name, value in stored["data"].items()} == {"password": PASSWORD.encode()}


async def fails(space: Space, place: Place, decryption: dict[str, Any]) -> str:
    """The message of Ready=False BuildFailed, which is an event's too."""
    live = await space.failed(await space.kustomization(decryption=decryption, retryInterval=NEVER), "BuildFailed")
    message: str = condition(live, "Ready")["message"]
    event = await space.event(message[:60])
    for secret in place.secrets:
        assert secret not in json.dumps([live, event])
    return message


async def test_pgp(space: Space, place: Place, tmp_path: Path) -> None:
    key = new_data_key()
    with gpg_key(tmp_path / "gpg") as pair:
        await publish(space, key, {"pgp": [pair.seal(key)]})
        await arrives(space, await keys_in(space, place, team__asc=pair.ring))


async def test_aws_kms(space: Space, place: Place) -> None:
    key = new_data_key()
    await publish(space, key, {"kms": [place.services.aws.seal(key, context={"team": "a"})]})
    await arrives(space, await keys_in(space, place, sops__aws_kms=yaml.safe_dump(place.services.aws.keys)))


async def test_azure_key_vault(space: Space, place: Place) -> None:
    key = new_data_key()
    await publish(space, key, {"azure_kv": [place.services.azure.seal(key)]})
    client = {"tenantId": TENANT, "clientId": CLIENT, "clientSecret": place.services.azure.secret}
    await arrives(space, await keys_in(space, place, sops__azure_kv=yaml.safe_dump(client)))


async def test_gcp_kms(space: Space, place: Place) -> None:
    key = new_data_key()
    await publish(space, key, {"gcp_kms": [place.services.gcp.seal(key)]})
    await arrives(space, await keys_in(space, place, sops__gcp_kms=place.services.gcp.credentials))


async def test_vault(space: Space, place: Place) -> None:
    key = new_data_key()
    await publish(space, key, {"hc_vault": [place.services.vault.seal(key)]})
    await arrives(space, await keys_in(space, place, sops__vault_token=place.services.vault.new_token()))


async def test_mixed_keys_need_one_of_them(space: Space, place: Place) -> None:
    key, services = new_data_key(), place.services
    masters = {"kms": [services.aws.seal(key)], "azure_kv": [services.azure.seal(key)], "gcp_kms": [services.gcp.seal(key)]}
    await publish(space, key, masters)
    await arrives(space, await keys_in(space, place, sops__gcp_kms=services.gcp.credentials))


# Identities: nothing but a ServiceAccount is named.


async def account(space: Space, annotations: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": "decrypter", "namespace": space.name, "annotations": annotations}
    await space.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    return {"provider": "sops", "serviceAccountName": "decrypter"}


def subject(space: Space) -> str:
    return f"system:serviceaccount:{space.name}:decrypter"


async def as_azure(space: Space, place: Place, key: bytes) -> tuple[Masters, dict[str, str]]:
    place.services.azure.federated.add(subject(space))
    annotations = {"azure.workload.identity/tenant-id": TENANT, "azure.workload.identity/client-id": CLIENT}
    return {"azure_kv": [place.services.azure.seal(key)]}, annotations


async def as_gcp(space: Space, place: Place, key: bytes) -> tuple[Masters, dict[str, str]]:
    place.services.gcp.federated.add(subject(space))
    return {"gcp_kms": [place.services.gcp.seal(key)]}, {"gcp.auth.fluxcd.io/workload-identity-provider": PROVIDER}


async def as_aws(space: Space, place: Place, key: bytes) -> tuple[Masters, dict[str, str]]:
    place.services.aws.federated.add(subject(space))
    return {"kms": [place.services.aws.seal(key)]}, {"eks.amazonaws.com/role-arn": place.services.aws.role}


async def as_vault(space: Space, place: Place, key: bytes) -> tuple[Masters, dict[str, str]]:
    vault = place.services.vault
    vault.roles[f"{space.name}_decrypter"] = subject(space)
    await allow(place, vault.address)
    return {"hc_vault": [vault.seal(key)]}, {}


async def allow(place: Place, *addresses: str) -> None:
    """The operator's list of Vaults."""
    instances = [{"address": address, "loginPath": "auth/kubernetes/login"} for address in addresses]
    metadata = {"name": "fleet-vaults", "namespace": "default"}
    data = {"config.yaml": yaml.safe_dump({"instances": instances})}
    await place.world.kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


Identity = Callable[[Space, Place, bytes], Awaitable[tuple[Masters, dict[str, str]]]]


@pytest.mark.parametrize("identity", [as_azure, as_gcp, as_aws, as_vault])
async def test_the_identity_of_a_service_account(identity: Identity, space: Space, place: Place) -> None:
    key = new_data_key()
    masters, annotations = await identity(space, place, key)
    await publish(space, key, masters)
    await arrives(space, await account(space, annotations))


async def test_a_vault_login_is_for_that_address_and_namespace(space: Space, place: Place) -> None:
    key = new_data_key()
    masters, _ = await as_vault(space, place, key)
    await publish(space, key, masters)
    await arrives(space, await account(space, {}))
    [login] = [login for login in place.services.vault.logins if login["role"] == f"{space.name}_decrypter"]
    assert (login["path"], login["claims"]["aud"]) == ("/v1/auth/kubernetes/login", [place.services.vault.address])


async def test_a_login_serves_later_passes_and_is_counted(space: Space, place: Place) -> None:
    key, vault = new_data_key(), place.services.vault
    masters, _ = await as_vault(space, place, key)
    await publish(space, key, masters)
    await arrives(space, await account(space, {}))
    ref = ObjectRef(KUSTOMIZE_API, "Kustomization", space.name, "app")
    await space.kube.patch(ref, {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})
    await space.until(ref, lambda live: live["status"].get("lastHandledReconcileAt") == "now")
    assert len([login for login in vault.logins if login["role"] == f"{space.name}_decrypter"]) == 1
    labels = f'kind="Kustomization",name="app",namespace="{space.name}",operation="decrypt_with_vault"'
    async with ClientSession() as session, session.get(f"http://{place.world.controller.address}:8080/metrics") as answer:
        metrics = await answer.text()
    assert f'gotk_token_cache_events_total{{event_type="cache_miss",{labels}}} 1.0' in metrics
    assert f'gotk_token_cache_events_total{{event_type="cache_hit",{labels}}} 1.0' in metrics


async def test_nobody_logs_in_to_a_vault_that_the_operator_does_not_list(space: Space, place: Place) -> None:
    key = new_data_key()
    masters, _ = await as_vault(space, place, key)
    await allow(place, "https://vault.example.test")
    logins = len(place.services.vault.logins)
    await publish(space, key, masters)
    message = await fails(space, place, await account(space, {}))
    address = place.services.vault.address
    assert f"Vault address '{address}' is not among the instances of ConfigMap/default/fleet-vaults" in message
    assert len(place.services.vault.logins) == logins


async def test_a_service_account_without_annotations(space: Space, place: Place) -> None:
    key = new_data_key()
    await publish(space, key, {"kms": [place.services.aws.seal(key)]})
    message = await fails(space, place, await account(space, {}))
    assert f"service account '{space.name}/decrypter' has no annotation eks.amazonaws.com/role-arn" in message


# The controller's own age keys.


async def test_age_keys_of_the_controller_are_for_objects_without_a_secret(space: Space, place: Place) -> None:
    async with Engines() as engines:
        sealed = await engines.call(
            Family.SOPS,
            "sops.encrypt",
            30,
            data=b64encode(yaml.safe_dump(SECRET).encode()).decode(),
            format="yaml",
            recipients=[place.age],
            encryptedRegex="^stringData$",
        )
    # SK24: the MAC is not verified, so that a plain field may be edited.
    document = b64decode(sealed["data"]).decode().replace("name: db", "name: db\n    labels: {edited: later}")
    await space.publish({"secret.yaml": document}, ONE)
    await arrives(space, {"provider": "sops"})

    await keys_in(space, place, other__txt="x")
    message = await fails(space, place, {"provider": "sops", "secretRef": {"name": "keys"}})
    assert message.endswith("'object': cannot get sops data key: no age identity is configured")


# Refusals.


async def test_a_missing_secret(space: Space, place: Place) -> None:
    key = new_data_key()
    await publish(space, key, {"hc_vault": [place.services.vault.seal(key)]})
    message = await fails(space, place, {"provider": "sops", "secretRef": {"name": "keys"}})
    assert message == f"error decrypting sources: decryption secret '{space.name}/keys': secrets \"keys\" not found"


async def test_a_token_that_is_no_longer_valid(space: Space, place: Place) -> None:
    key, vault = new_data_key(), place.services.vault
    await publish(space, key, {"hc_vault": [vault.seal(key)]})
    token = vault.new_token()
    vault.tokens.discard(token)
    message = await fails(space, place, await keys_in(space, place, sops__vault_token=token))
    assert message == (
        "decryption failed for 'Secret.v1.[noGrp]/db': 'object': cannot get sops data key: "
        f"Vault key '{vault.address}/v1/team/transit/keys/app': HTTP status 403: permission denied"
    )


async def test_a_key_that_opens_other_values(space: Space, place: Place) -> None:
    key, vault = new_data_key(), place.services.vault
    document = yaml.safe_load(sealed_yaml(SECRET, key, {"hc_vault": [vault.seal(key)]}))
    document["stringData"]["password"] = encrypted(PASSWORD, new_data_key(), "stringData:password:")
    await space.publish({"secret.yaml": yaml.safe_dump(document)}, ONE)
    message = await fails(space, place, await keys_in(space, place, sops__vault_token=vault.new_token()))
    assert "error decrypting sops tree" in message


@asynccontextmanager
async def without_flags(controller: Controller) -> AsyncIterator[None]:
    flags = controller.flags
    await controller.stop()
    controller.flags = ()
    await controller.start()
    try:
        yield
    finally:
        await controller.stop()
        controller.flags = flags
        await controller.start()


async def test_a_service_account_that_decrypts_needs_the_gate(space: Space, place: Place) -> None:
    """Before anything else: the source does not even exist. Contract: source-kustomize.md 8.2, step 2."""
    async with without_flags(place.world.controller):
        ref = await space.kustomization(decryption={"provider": "sops", "serviceAccountName": "decrypter"})
        live = await space.failed(ref, "FeatureGateDisabled")
        assert condition(live, "Stalled")["status"] == "True"
        assert condition(live, "Ready")["message"] == (
            "spec.decryption.serviceAccountName needs the feature gate ObjectLevelWorkloadIdentity of the controller"
        )
        assert live["status"]["observedGeneration"] == -1, "SK21"
        await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
        await space.kustomization(decryption={"provider": "sops"})
        live = await space.ready(ref, ONE)
        assert condition(live, "Stalled") == {}


async def test_zz_no_log_holds_a_secret(place: Place) -> None:
    log = (place.world.controller.folder / "log").read_text()
    assert len(place.secrets) > 2
    assert "Reconciliation finished" in log
    assert [secret for secret in place.secrets if secret in log] == []
