"""The entries of a decryption Secret: source-kustomize.md 8.5."""

import json
from base64 import b64encode

import pytest

from fleetloop.build.decryption_keys import keys_of
from fleetloop.build.errors import BuildError

CLIENT = {"tenantId": "t", "clientId": "c"}


def test_entries_are_told_apart_by_name() -> None:
    keys = keys_of(
        {
            "b.agekey": b"B",
            "a.agekey": b"A",
            "team.asc": b"\x99ring",
            "sops.vault-token": b" token\n",
            "sops.gcp-kms": b"{}",
            "other": b"x",
            "my.sops.aws-kms": b"x",
        }
    )
    assert keys == {
        "age": "A\nB",
        "pgp": [b64encode(b"\x99ring").decode()],
        "vault": {"token": "token"},
        "gcp": {"credentials": "{}"},
    }


def test_keys_of_aws() -> None:
    text = b"aws_access_key_id: AKIA1\naws_secret_access_key: 0123\naws_session_token: 'yes'\n"
    assert keys_of({"sops.aws-kms": text})["aws"] == {
        "accessKeyId": "AKIA1",
        "secretAccessKey": "0123",  # digits stay text
        "sessionToken": "yes",
    }


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (b"tenantId: t\nclientId: c\nclientSecret: 12", {**CLIENT, "clientSecret": "12"}),
        (json.dumps({**CLIENT, "clientSecret": "s"}, indent="\t").encode(), {**CLIENT, "clientSecret": "s"}),
        (json.dumps({**CLIENT, "clientSecret": "s"}).encode("utf-16"), {**CLIENT, "clientSecret": "s"}),
        (
            b"tenantId: t\nclientId: c\nclientCertificate: P\nclientCertificatePassword: p\nclientCertificateSendChain: true\n"
            b"authorityHost: https://login.example.test\n",
            {
                **CLIENT,
                "clientCertificate": "P",
                "clientCertificatePassword": "p",
                "clientCertificateSendChain": True,
                "authorityHost": "https://login.example.test",
            },
        ),
        (b'{"appId": "c", "displayName": "x", "password": "s", "tenant": "t"}', {**CLIENT, "clientSecret": "s"}),
    ],
)
def test_forms_of_azure(text: bytes, want: dict[str, str]) -> None:
    assert keys_of({"sops.azure-kv": text})["azure"] == want


@pytest.mark.parametrize(
    ("entry", "text", "message"),
    [
        ("sops.aws-kms", b"[HUNTER2", "'sops.aws-kms' is not a YAML or JSON object"),
        ("sops.aws-kms", b"HUNTER2", "'sops.aws-kms' is not a YAML or JSON object"),
        ("sops.aws-kms", b"\xff\x00HUNTER2", "'sops.aws-kms' is not a YAML or JSON object"),
        ("sops.aws-kms", b"[" * 100_000, "'sops.aws-kms' is not a YAML or JSON object"),
        ("sops.aws-kms", b"aws_access_key_id: HUNTER2", "'sops.aws-kms' lacks aws_secret_access_key"),
        ("sops.azure-kv", b'{"tenantId": "HUNTER2"', "'sops.azure-kv' is not a YAML or JSON object"),
        ("sops.azure-kv", b"clientId: HUNTER2", "'sops.azure-kv' lacks tenantId"),
        ("sops.azure-kv", b"clientId: HUNTER2\ntenantId: t", "'sops.azure-kv' needs clientSecret or clientCertificate"),
        ("sops.azure-kv", b"appId: HUNTER2\ntenant: t", "'sops.azure-kv' lacks password"),
        ("sops.azure-kv", b"x" * (1 << 20) + b"y", "'sops.azure-kv' is larger than 1048576 bytes"),
    ],
)
def test_what_cannot_be_read_is_named_and_not_shown(entry: str, text: bytes, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        keys_of({entry: text})
    assert str(caught.value) == f"decryption Secret: {message}"
