"""What is shown of Secrets that SOPS encrypted."""

import base64
from typing import Any

from fleetloop.cli.sops_mask import is_masked, masked

MASK = "KipTT1BTKio="


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, **fields}


def test_an_encrypted_secret_loses_values_and_metadata() -> None:
    data = {"a": "ENC[AES256_GCM,data:x]", ".dockerconfigjson": "ENC[AES256_GCM,data:y]"}
    found = masked(secret(data=data, stringData={"b": "ENC[z]"}, sops={"mac": "ENC[m]"}))
    assert found == secret(data={"a": MASK, ".dockerconfigjson": encoded('{"mask":"**SOPS**"}')}, stringData={"b": "**SOPS**"})
    assert is_masked(found)


def test_only_values_that_are_encrypted_files_are_masked() -> None:
    data = {"plain": encoded("hello"), "file": encoded("A=ENC[AES256_GCM,data:x]\nsops_mac=ENC[m]\n")}
    assert masked(secret(data=data)) == secret(data={"plain": data["plain"], "file": MASK})


def test_others_stay_as_they_are() -> None:
    for manifest in (secret(data={"a": encoded("x")}), secret(data={"a": "no base64"}), {"kind": "ConfigMap", "sops": {}}):
        assert masked(manifest) == manifest
        assert not is_masked(manifest)
