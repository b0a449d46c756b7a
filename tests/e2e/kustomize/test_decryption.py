"""Decryption that the controller's flags do not allow. What they allow is in tests/e2e/decryption."""

import pytest

from tests.e2e.kustomize.conftest import Space, condition
from tests.kit.sops import new_data_key, sealed_yaml

pytestmark = pytest.mark.asyncio(loop_scope="package")
ONE = "main@sha1:1111111111111111111111111111111111111111"
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"


async def test_a_service_account_that_decrypts_needs_the_gate(space: Space) -> None:
    """Before anything else: the source does not even exist. Contract: source-kustomize.md 8.2, step 2."""
    ref = await space.kustomization(decryption={"provider": "sops", "serviceAccountName": "decrypter"})
    live = await space.failed(ref, "FeatureGateDisabled")
    assert condition(live, "Stalled")["status"] == "True"
    assert condition(live, "Ready")["message"] == (
        "spec.decryption.serviceAccountName needs the feature gate ObjectLevelWorkloadIdentity of the controller"
    )
    assert live["status"]["observedGeneration"] == 1
    await space.publish({"cm.yaml": CONFIG_MAP}, ONE)
    await space.kustomization(decryption={"provider": "sops"})
    live = await space.ready(ref, ONE)
    assert condition(live, "Stalled") == {}


async def test_without_identities_a_vault_is_not_asked(space: Space) -> None:
    master = {"vault_address": "http://127.0.0.1:9", "engine_path": "transit", "key_name": "app", "enc": "vault:v1:x"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"a": "b"}}
    await space.publish({"secret.yaml": sealed_yaml(secret, new_data_key(), {"hc_vault": [master]})}, ONE)
    live = await space.failed(await space.kustomization(decryption={"provider": "sops"}, retryInterval="1h"), "BuildFailed")
    assert condition(live, "Ready")["message"] == (
        "decryption failed for 'Secret.v1.[noGrp]/db': 'object': cannot get sops data key: "
        "Vault key 'http://127.0.0.1:9/v1/transit/keys/app': no credentials for it are configured"
    )
