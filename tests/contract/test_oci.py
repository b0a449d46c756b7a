"""Our registry client against a real registry: with and without authentication."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from fleetloop.oci import (
    Access,
    AuthenticationFailed,
    ContentMismatch,
    Keychain,
    Login,
    NotFound,
    Reference,
    Registry,
    RegistryUnreachable,
    Repository,
    digest_of,
    pushed_manifest,
)
from fleetloop.oci.content import FLUX_CONFIG, FLUX_CONTENT, OCI_INDEX, OCI_MANIFEST
from tests.kit.registry import PASSWORD, USER, password_door, registry, token_door


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    async with registry(tmp_path) as address:
        yield address


@pytest_asyncio.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def push(client: Registry, reference: Reference, content: bytes) -> str:
    digest, size = await client.push_blob(reference.repository, content)
    await client.push_blob(reference.repository, b"{}")
    raw = pushed_manifest(b"{}", [(FLUX_CONTENT, digest, size)], {"a": "b"}, FLUX_CONFIG)
    return await client.push_manifest(reference, raw, OCI_MANIFEST)


async def test_pushed_listed_resolved_and_pulled(server: str, session: aiohttp.ClientSession) -> None:
    client, repository = Registry(session), Repository.parse(f"oci://{server}/team/app")
    pushed = await push(client, repository.tagged("v1"), b"one")
    await push(client, repository.tagged("v2"), b"two")
    assert await client.tags(repository) == ["v1", "v2"]
    assert await client.resolve(repository.tagged("v1")) == pushed
    manifest = await client.image(repository.at(pushed))
    assert (manifest.annotations, manifest.layers[0].media_type) == ({"a": "b"}, FLUX_CONTENT)
    out = io.BytesIO()
    assert await client.blob(repository, manifest.layers[0].digest, out, 100) == 3
    assert out.getvalue() == b"one"
    assert await client.push_blob(repository, b"one") == (digest_of(b"one"), 3)


async def test_first_requests_of_a_client_may_come_together(server: str, session: aiohttp.ClientSession) -> None:
    """None of them takes HTTPS for granted while another still finds out."""
    repository = Repository.parse(f"{server}/app")
    await push(Registry(session), repository.tagged("v1"), b"one")
    client = Registry(session)
    assert await asyncio.gather(*(client.tags(repository) for _ in range(4))) == [["v1"]] * 4


async def test_an_index_leads_to_our_platform(server: str, session: aiohttp.ClientSession) -> None:
    client, repository = Registry(session), Repository.parse(f"{server}/app")
    ours = await push(client, repository.tagged("amd64"), b"ours")
    raw = (await client.manifest(repository.at(ours))).raw
    platform = {"os": "linux", "architecture": "amd64"}
    entry = {"mediaType": OCI_MANIFEST, "digest": ours, "size": len(raw), "platform": platform}
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()
    digest = await client.push_manifest(repository.tagged("latest"), index, OCI_INDEX)
    assert await client.resolve(Reference.parse(f"{server}/app")) == digest
    assert (await client.image(repository.at(digest))).digest == ours


async def test_errors_name_what_is_missing_or_too_large(server: str, session: aiohttp.ClientSession) -> None:
    client, repository = Registry(session), Repository.parse(f"{server}/app")
    with pytest.raises(NotFound, match=f"manifest {server}/app:nope: not found .*MANIFEST_UNKNOWN|NAME_UNKNOWN"):
        await client.resolve(repository.tagged("nope"))
    digest, _ = await client.push_blob(repository, b"x" * 100)
    with pytest.raises(ContentMismatch, match="larger than 99 bytes"):
        await client.blob(repository, digest, io.BytesIO(), 99)
    with pytest.raises(RegistryUnreachable, match=r"127\.0\.0\.1:1/app: "):
        await client.tags(Repository.parse("127.0.0.1:1/app"))


@pytest.mark.parametrize("door", [password_door, token_door])
async def test_credentials(door: type, server: str, session: aiohttp.ClientSession) -> None:
    """They are sent when asked for, and to their registry alone."""
    async with door(server) as front:
        repository = Repository.parse(f"{front.address}/team/app")
        client = Registry(session, Access(Keychain([(front.address, Login(USER, PASSWORD))])))
        pushed = await push(client, repository.tagged("v1"), b"one")
        assert await client.resolve(repository.tagged("v1")) == pushed
        for keychain in (
            Keychain(),
            Keychain([(front.address, Login(USER, "wrong"))]),
            Keychain([("other", Login(USER, PASSWORD))]),
        ):
            with pytest.raises(AuthenticationFailed) as refused:
                await Registry(session, Access(keychain)).tags(repository)
            assert PASSWORD not in str(refused.value)


def test_docker_configs_are_read_as_docker_writes_them() -> None:
    config = {
        "auths": {
            "https://index.docker.io/v1/": {"auth": "dTpw"},
            "ghcr.io/org": {"username": "org", "password": "x"},
            "ghcr.io": {"identitytoken": "t"},
        }
    }
    keychain = Keychain.of_docker_config(json.dumps(config).encode())
    assert keychain.login_for(Repository.parse("docker.io/alpine")) == Login("u", "p")
    assert keychain.login_for(Repository.parse("ghcr.io/org/app")) == Login("org", "x")
    assert keychain.login_for(Repository.parse("ghcr.io/organ")) == Login(token="t")
    assert keychain.login_for(Repository.parse("quay.io/x")) == Login()
    with pytest.raises(AuthenticationFailed, match="'auths' cannot be read"):
        Keychain.of_docker_config(b'{"auths": ["hunter2"]}')


@pytest.mark.parametrize(
    ("text", "repository", "selector"),
    [
        ("oci://ghcr.io/org/app:v1", "ghcr.io/org/app", "v1"),
        ("localhost:5000/app", "localhost:5000/app", "latest"),
        ("docker.io/alpine:3", "index.docker.io/library/alpine", "3"),
        ("alpine", "index.docker.io/library/alpine", "latest"),
        ("stefanprodan/podinfo:6", "index.docker.io/stefanprodan/podinfo", "6"),
        ("localhost/app", "localhost/app", "latest"),
        ("r.io/a@sha256:" + "a" * 64, "r.io/a", "sha256:" + "a" * 64),
    ],
)
def test_references(text: str, repository: str, selector: str) -> None:
    reference = Reference.parse(text)
    assert (str(reference.repository), reference.selector) == (repository, selector)


@pytest.mark.parametrize(
    "text", ["UPPER/x", "Alpine", "oci://ghcr.io/../x", "oci://gh cr/x", "oci://r.io/App", "r.io/a:b c", "r.io/a@sha256:1"]
)
def test_malformed_references(text: str) -> None:
    with pytest.raises(Exception, match=r"is no|is not"):
        Reference.parse(text)


def test_a_tag_in_a_repository_url_is_told() -> None:
    with pytest.raises(Exception, match="URL must not contain a tag; remove ':v1'"):
        Repository.parse("oci://ghcr.io/org/app:v1")


def test_a_chart_repository_names_its_host_first() -> None:
    assert str(Repository.at_host("oci://registry/charts/app")) == "registry/charts/app"
