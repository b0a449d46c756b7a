"""Builds with documents that each kind of key service can open, through the real engine and each service's protocol."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from fleetloop.build import BuildError, BuildRequest, build_objects
from fleetloop.build.decryption import Lack
from fleetloop.engine import Engines, EngineSettings
from tests.kit.gpg import gpg_key
from tests.kit.key_services import KeyServices, key_services
from tests.kit.key_services.azure import CLIENT, TENANT
from tests.kit.sops import new_data_key, sealed_yaml

pytestmark = pytest.mark.asyncio(loop_scope="module")
PASSWORD = "hunter2-hunter2"
SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"password": PASSWORD}}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeyServices]:
    async with key_services(tmp_path_factory.mktemp("services")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engines(services: KeyServices) -> AsyncIterator[Engines]:
    async with Engines(EngineSettings(environment=services.front.environment)) as running:
        yield running


async def decrypted(tree: Path, engines: Engines, keys: Mapping[str, bytes | str], masters: Any, key: bytes, **more: Any) -> str:
    """The password of SECRET, encrypted for `masters` and built with `keys`."""
    (tree / "secret.yaml").write_text(sealed_yaml(SECRET, key, masters))
    data = {name: value.encode() if isinstance(value, str) else value for name, value in keys.items()}
    [found] = await build_objects(tree, BuildRequest(decryption_keys=data, allow_remote_bases=False, **more), engines)
    password: str = found["stringData"]["password"]
    return password


AZURE_CLIENT = {"tenantId": TENANT, "clientId": CLIENT}
FORMS: dict[str, Callable[[KeyServices], Mapping[str, str]]] = {
    "aws": lambda s: {"sops.aws-kms": yaml.safe_dump(s.aws.keys)},
    "azure secret": lambda s: {"sops.azure-kv": yaml.safe_dump({**AZURE_CLIENT, "clientSecret": s.azure.secret})},
    "azure JSON": lambda s: {"sops.azure-kv": json.dumps({**AZURE_CLIENT, "clientSecret": s.azure.secret}, indent="\t")},
    "azure CLI": lambda s: {"sops.azure-kv": json.dumps({"appId": CLIENT, "tenant": TENANT, "password": s.azure.secret})},
    "azure certificate": lambda s: {
        "sops.azure-kv": yaml.safe_dump(
            {**AZURE_CLIENT, "clientCertificate": s.azure.certificate(), "clientCertificateSendChain": True}
        )
    },
    "azure PKCS 12": lambda s: {
        "sops.azure-kv": yaml.safe_dump(
            {**AZURE_CLIENT, "clientCertificate": s.azure.certificate("pass"), "clientCertificatePassword": "pass"}
        )
    },
    "azure authority": lambda s: {
        "sops.azure-kv": yaml.safe_dump(
            {**AZURE_CLIENT, "clientSecret": s.azure.secret, "authorityHost": "https://login.microsoftonline.com/"}
        )
    },
    "gcp": lambda s: {"sops.gcp-kms": s.gcp.credentials},
    "vault": lambda s: {"sops.vault-token": s.vault.new_token() + "\n"},
}


def masters_of(services: KeyServices, form: str, key: bytes) -> dict[str, list[Any]]:
    match form.split(maxsplit=1)[0]:
        case "aws":
            return {"kms": [services.aws.seal(key)]}
        case "azure":
            return {"azure_kv": [services.azure.seal(key)]}
        case "gcp":
            return {"gcp_kms": [services.gcp.seal(key)]}
    return {"hc_vault": [services.vault.seal(key)]}


@pytest.mark.parametrize("form", FORMS)
async def test_credentials_of_the_secret(form: str, tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    key = new_data_key()
    assert await decrypted(tmp_path, engines, FORMS[form](services), masters_of(services, form, key), key) == PASSWORD


async def test_aws_with_a_context_and_a_role(tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    key, keys = new_data_key(), {"sops.aws-kms": yaml.safe_dump(services.aws.keys)}
    master = services.aws.seal(key, context={"env": "test"}, role=services.aws.role)
    services.front.asked.clear()
    assert await decrypted(tmp_path, engines, keys, {"kms": [master]}, key) == PASSWORD
    assert "sts.eu-west-1.amazonaws.com:443" in services.front.asked
    with pytest.raises(BuildError, match="InvalidCiphertextException"):
        await decrypted(tmp_path, engines, keys, {"kms": [{**master, "context": {"env": "other"}}]}, key)


async def test_every_key_of_a_group_is_tried(tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    key = new_data_key()
    masters = {"kms": [services.aws.seal(key)], "gcp_kms": [services.gcp.seal(key)], "hc_vault": [services.vault.seal(key)]}
    keys = {"sops.aws-kms": yaml.safe_dump(services.aws.powerless), "sops.gcp-kms": services.gcp.credentials}
    assert await decrypted(tmp_path, engines, keys, masters, key) == PASSWORD


AWS_KEYS = {"aws_access_key_id": "AKIAUNKNOWN", "aws_secret_access_key": PASSWORD}
REFUSALS: dict[str, tuple[Callable[[KeyServices], Mapping[str, str]], str]] = {
    "aws stranger": (lambda s: {"sops.aws-kms": yaml.safe_dump(s.aws.powerless)}, "AccessDenied"),
    "aws secret": (
        lambda s: {"sops.aws-kms": yaml.safe_dump({**s.aws.keys, "aws_secret_access_key": PASSWORD})},
        r"AWS KMS key 'arn:aws:kms:eu-west-1:\d+:key/[0-9a-f-]+': .*Signature",
    ),
    "azure secret": (
        lambda s: {"sops.azure-kv": json.dumps({**AZURE_CLIENT, "clientSecret": PASSWORD})},
        "Azure Key Vault key 'https://fleet-test.vault.azure.net/keys/sops/1': "
        "login: HTTP status 401: invalid_client: AADSTS7000215: Invalid client secret provided.",
    ),
    "gcp key file": (
        lambda s: {"sops.gcp-kms": json.dumps({**json.loads(s.gcp.credentials), "client_email": "other@example.test"})},
        r"GCP KMS key 'projects/fleet/.*/cryptoKeys/app': login: HTTP status 400: invalid_grant: Invalid JWT Signature.",
    ),
    "vault token": (
        lambda s: {"sops.vault-token": PASSWORD},
        r"Vault key 'http://127.0.0.1:\d+/v1/team/transit/keys/app': HTTP status 403: permission denied",
    ),
    "vault of GCP": (lambda s: {"sops.aws-kms": yaml.safe_dump(AWS_KEYS)}, "no credentials for it are configured"),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_refusals_name_key_and_reason(case: str, tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    form, reason = REFUSALS[case]
    key = new_data_key()
    with pytest.raises(
        BuildError, match=f"^decryption failed for '.*': 'object': cannot get sops data key: .*{reason}"
    ) as caught:
        await decrypted(tmp_path, engines, form(services), masters_of(services, case, key), key)
    assert PASSWORD not in str(caught.value)


async def test_logins_are_asked_for_when_the_secret_lacks_them(tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    asked: list[Lack] = []

    async def log_in(lack: Lack) -> Mapping[str, str] | None:
        asked.append(lack)
        aws = services.aws.keys
        match lack.service:
            case "aws":
                return {"accessKeyId": aws["aws_access_key_id"], "secretAccessKey": aws["aws_secret_access_key"]}
            case "azure":
                return {"accessToken": services.azure.new_token()}
            case "gcp":
                return {"accessToken": services.gcp.new_token()}
        return {"token": services.vault.new_token()}

    for form in ("aws", "azure", "gcp", "vault"):
        key = new_data_key()
        masters = masters_of(services, form, key)
        assert await decrypted(tmp_path, engines, {}, masters, key, log_in=log_in) == PASSWORD
    vault = services.vault.address
    assert asked == [
        Lack("aws", region="eu-west-1"),
        Lack("azure", address="https://fleet-test.vault.azure.net"),
        Lack("gcp"),
        Lack("vault", address=vault),
    ]


async def test_an_expired_token_is_refused_by_the_service(tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    async def log_in(lack: Lack) -> Mapping[str, str] | None:
        return {"accessToken": "expired-token"}

    key = new_data_key()
    for form, reason in {"azure": "HTTP status 401: AKV10000", "gcp": "HTTP status 401: Request had invalid"}.items():
        with pytest.raises(BuildError, match=reason) as caught:
            await decrypted(tmp_path, engines, {}, masters_of(services, form, key), key, log_in=log_in)
        assert "expired-token" not in str(caught.value)


async def test_a_build_logs_in_once(tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    logins = 0

    async def log_in(lack: Lack) -> Mapping[str, str] | None:
        nonlocal logins
        logins += 1
        return {"token": services.vault.new_token()}

    for number in range(20):
        key = new_data_key()
        secret = {**SECRET, "metadata": {"name": f"db-{number}"}}
        (tmp_path / f"{number}.yaml").write_text(sealed_yaml(secret, key, {"hc_vault": [services.vault.seal(key)]}))
    request = BuildRequest(decryption_keys={}, allow_remote_bases=False, log_in=log_in)
    objects = await build_objects(tmp_path, request, engines)
    assert [o["stringData"]["password"] for o in objects] == [PASSWORD] * 20
    assert logins == 1


async def test_a_failed_login_is_told_beside_the_key(tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    async def log_in(lack: Lack) -> Mapping[str, str] | None:
        raise BuildError(f"{lack.service} login: refused")

    key = new_data_key()
    with pytest.raises(BuildError, match=r"Vault key '.*': no credentials for it are configured; vault login: refused$"):
        await decrypted(tmp_path, engines, {}, masters_of(services, "vault", key), key, log_in=log_in)


async def test_a_token_got_by_login_goes_to_azure_alone(tmp_path: Path, engines: Engines, services: KeyServices) -> None:
    async def log_in(lack: Lack) -> Mapping[str, str] | None:
        return {"accessToken": services.azure.new_token()}

    key = new_data_key()
    services.front.asked.clear()
    masters = {"azure_kv": [services.azure.seal(key, vault="https://vault.azure.net.example.test")]}
    with pytest.raises(BuildError, match=r"host 'vault\.azure\.net\.example\.test' is not of Azure"):
        await decrypted(tmp_path, engines, {}, masters, key, log_in=log_in)
    assert services.front.asked == []


@pytest.mark.parametrize("algorithm", ["rsa3072", "ed25519"])
async def test_pgp_keys_of_gnupg(algorithm: str, tmp_path: Path, engines: Engines) -> None:
    key = new_data_key()
    with gpg_key(tmp_path / "gpg", algorithm) as pair, gpg_key(tmp_path / "other") as other:
        masters, tree = {"pgp": [pair.seal(key)]}, tmp_path / "tree"
        tree.mkdir()
        rings = {"other.asc": other.ring, "team.asc": pair.ring}
        assert await decrypted(tree, engines, rings, masters, key) == PASSWORD
        with pytest.raises(BuildError, match=f"PGP key {pair.fingerprint}: no private key of the key rings opens it$"):
            await decrypted(tree, engines, {"other.asc": other.ring, "team.txt": pair.ring}, masters, key)


async def test_services_that_never_answer_cost_one_build_its_time(
    tmp_path: Path, engines: Engines, services: KeyServices
) -> None:
    async def ignore(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0)
    async with server:
        silent = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for number in range(30):
            key = new_data_key()
            secret = {**SECRET, "metadata": {"name": f"db-{number}"}}
            masters = {"hc_vault": [services.vault.seal(key, address=silent)]}
            (tmp_path / f"{number}.yaml").write_text(sealed_yaml(secret, key, masters))
        data = {"sops.vault-token": b"token"}
        request = BuildRequest(decryption_keys=data, allow_remote_bases=False, timeout=2.0)
        with pytest.raises(BuildError, match="no result within 2 s"):
            await build_objects(tmp_path, request, engines)
    assert await decrypted(_made(tmp_path / "other"), engines, {"sops.vault-token": services.vault.new_token()}, *_one(services))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _one(services: KeyServices) -> tuple[Any, bytes]:
    key = new_data_key()
    return {"hc_vault": [services.vault.seal(key)]}, key
