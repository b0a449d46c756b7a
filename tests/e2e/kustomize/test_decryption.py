"""Decryption that no flag of the controller allows. What flags allow is in tests/e2e/decryption."""

import pytest

from tests.e2e.kustomize.conftest import Space
from tests.kit.conditions import condition
from tests.kit.sops import new_data_key, sealed_yaml

pytestmark = pytest.mark.asyncio(loop_scope="package")
ONE = "main@sha1:1111111111111111111111111111111111111111"


async def test_without_identities_a_vault_is_not_asked(space: Space) -> None:
    master = {"vault_address": "http://127.0.0.1:9", "engine_path": "transit", "key_name": "app", "enc": "vault:v1:x"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"a": "b"}}
    await space.publish({"secret.yaml": sealed_yaml(secret, new_data_key(), {"hc_vault": [master]})}, ONE)
    live = await space.failed(await space.kustomization(decryption={"provider": "sops"}, retryInterval="1h"), "BuildFailed")
    assert condition(live, "Ready")["message"] == (
        "decryption failed for 'Secret.v1.[noGrp]/db': 'object': cannot get sops data key: "
        "Vault key 'http://127.0.0.1:9/v1/transit/keys/app': no credentials for it are configured"
    )
