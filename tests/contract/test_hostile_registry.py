"""Registries that mean harm: whatever they answer, an OciError says what is wrong, and no credential goes elsewhere."""

import asyncio
import contextlib
import io
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web

from fleetloop.oci import Access, Keychain, Login, OciError, Registry, Repository, digest_of
from fleetloop.oci.content import OCI_INDEX, OCI_MANIFEST
from tests.kit.registry import PASSWORD, USER
from tests.kit.served import Handler, served

DIGEST = digest_of(b"wanted")
DEADLINE = 20.0  # seconds


async def everything(client: Registry, repository: Repository) -> list[OciError]:
    """Asks for all there is to ask; what it is told. Other exceptions are the test's failure."""
    asked: list[Callable[[], Awaitable[object]]] = [
        lambda: client.resolve(repository.tagged("v1")),
        lambda: client.image(repository.tagged("v1")),
        lambda: client.image(repository.at(DIGEST)),
        lambda: client.tags(repository),
        lambda: client.referrers(repository, DIGEST),
        lambda: client.blob(repository, DIGEST, io.BytesIO(), 1 << 20),
    ]
    told = []
    for ask in asked:
        try:
            async with asyncio.timeout(DEADLINE):
                await ask()
        except OciError as error:
            told.append(error)
    return told


def answering(body: bytes, media_type: str, **headers: str) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=media_type, headers=headers)

    return answer


def manifest(**more: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, **more}).encode()


LAYER = {"mediaType": "x", "digest": DIGEST, "size": 1}
GARBAGE = {
    "nothing": (b"", OCI_MANIFEST),
    "text": (b"<html>welcome</html>", "text/html"),
    "no-text": (b"\xff\xfe\x00", OCI_MANIFEST),
    "null": (b"null", OCI_MANIFEST),
    "a-list": (b"[1]", OCI_MANIFEST),
    "a-number": (b"1", OCI_INDEX),
    "deep": (b"[" * 100_000, OCI_MANIFEST),
    "layers-are-text": (manifest(layers="abc"), OCI_MANIFEST),
    "a-layer-is-null": (manifest(layers=[None]), OCI_MANIFEST),
    "a-layer-without-digest": (manifest(layers=[{"mediaType": "x", "size": 1}]), OCI_MANIFEST),
    "a-size-is-text": (manifest(layers=[LAYER | {"size": "much"}]), OCI_MANIFEST),
    "annotations-are-a-list": (manifest(annotations=[1]), OCI_MANIFEST),
    "an-index-of-nothing": (json.dumps({"mediaType": OCI_INDEX, "manifests": None}).encode(), OCI_INDEX),
    "an-unknown-algorithm": (
        json.dumps(
            {
                "mediaType": OCI_INDEX,
                "manifests": [LAYER | {"digest": "rot13:abc", "platform": {"os": "linux", "architecture": "amd64"}}],
            }
        ).encode(),
        OCI_INDEX,
    ),
    "tags-are-a-number": (b'{"tags": 7}', "application/json"),
    "large": (b" " * (40 << 20), OCI_MANIFEST),
}


@pytest.mark.parametrize("name", GARBAGE)
async def test_garbage_is_told(name: str) -> None:
    body, media_type = GARBAGE[name]
    async with served(answering(body, media_type)) as address, aiohttp.ClientSession() as session:
        told = await everything(Registry(session), Repository.parse(f"{address}/app"))
    assert len(told) >= 2, "another content than that of the digest is never taken"
    assert all(len(str(error)) < 1000 for error in told)


@pytest.mark.parametrize(
    "digest", ["", "x", "sha256:../../../etc/passwd", "sha256:" + "0" * 63, "md5:" + "0" * 32, DIGEST + "\\n"]
)
async def test_a_digest_that_is_none(digest: str) -> None:
    """It would become a path, a revision and part of a URL: the content tells its own."""
    headers = {"Docker-Content-Digest": digest.replace("\\n", "%0a")}
    async with served(answering(manifest(layers=[]), OCI_MANIFEST, **headers)) as address, aiohttp.ClientSession() as session:
        found = await Registry(session).resolve(Repository.parse(f"{address}/app").tagged("v1"))
    assert found == digest_of(manifest(layers=[]))


async def test_a_connection_that_ends_in_the_middle() -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": OCI_MANIFEST, "Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport
        request.transport.abort()
        return response

    async with served(cut) as address, aiohttp.ClientSession() as session:
        told = await everything(Registry(session), Repository.parse(f"{address}/app"))
    assert len(told) >= 4 and all(address in str(error) for error in told)


async def test_pages_without_end_and_at_other_hosts() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        body = json.dumps({"tags": [f"v{number}" for number in range(50_000)]})
        return web.Response(
            text=body, content_type="application/json", headers={"Link": '</v2/app/tags/list?last=x>; rel="next"'}
        )

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return web.json_response({"tags": ["v1"]}, headers={"Link": '<http://169.254.169.254/latest>; rel="next"'})

    for handler, problem in ((endless, "more than 200000"), (elsewhere, "another host")):
        async with served(handler) as address, aiohttp.ClientSession() as session:
            with pytest.raises(OciError, match=problem):
                await Registry(session).tags(Repository.parse(f"{address}/app"))


def login(address: str) -> Access:
    return Access(Keychain([(address, Login(USER, PASSWORD))]))


async def test_redirects_take_no_credentials_along_cve_2021_32690() -> None:
    """By any verb, and by the token service; and there is an end to them."""
    heard: list[str] = []

    async def other(request: web.Request) -> web.StreamResponse:
        heard.append(request.headers.get("Authorization", "") + await request.text())
        return web.Response(status=404)

    async with served(other) as elsewhere, aiohttp.ClientSession() as session:

        async def away(request: web.Request) -> web.StreamResponse:
            if "Authorization" not in request.headers:
                return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            return web.Response(status=307, headers={"Location": f"http://{elsewhere}{request.rel_url}"})

        async with served(away) as address:
            told = await everything(Registry(session, login(address)), Repository.parse(f"{address}/app"))
        assert len(told) >= 5 and heard and not any(heard)

        async def token(request: web.Request) -> web.StreamResponse:
            if request.path == "/token":
                return web.Response(status=307, headers={"Location": f"http://{elsewhere}/token"})
            realm = f'Bearer realm="http://{request.host}/token",service="x"'
            return web.Response(status=401, headers={"WWW-Authenticate": realm})

        heard.clear()
        for known in (Login(USER, PASSWORD), Login(token="refresh")):
            async with served(token) as address:
                access = Access(Keychain([(address, known)]))
                told = await everything(Registry(session, access), Repository.parse(f"{address}/app"))
            assert len(told) >= 5 and not heard

    async def around(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": str(request.rel_url)})

    async with served(around) as address, aiohttp.ClientSession() as session:
        with pytest.raises(OciError, match="more than 5 redirects"):
            await Registry(session).tags(Repository.parse(f"{address}/app"))


async def test_who_a_redirect_leads_to_cannot_ask_for_a_login() -> None:
    """A host for blobs that answers 401 and names a token service of its own is given nothing."""
    heard: list[str] = []

    async def evil(request: web.Request) -> web.StreamResponse:
        heard.append(request.path + request.headers.get("Authorization", "") + await request.text())
        if request.path == "/token":
            return web.json_response({"token": "x"})
        realm = f'Bearer realm="http://{request.host}/token",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    async with served(evil) as elsewhere, aiohttp.ClientSession() as session:

        async def away(request: web.Request) -> web.StreamResponse:
            return web.Response(status=307, headers={"Location": f"http://{elsewhere}/blob"})

        for known in (Login(USER, PASSWORD), Login(token="refresh"), Login(bearer="bearer")):
            async with served(away) as address:
                access = Access(Keychain([(address, known)]))
                told = await everything(Registry(session, access), Repository.parse(f"{address}/app"))
            assert len(told) >= 5 and all(f"'{elsewhere}', where the registry leads to" in str(error) for error in told)
    assert set(heard) == {"/blob"}


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "Bearer",
        'Bearer realm=""',
        'Bearer realm="file:///etc/passwd"',
        'Bearer realm="http://"',
        "Digest x",
        'Bearer realm="http://[::1"',
    ],
)
async def test_challenges_that_lead_nowhere(challenge: str) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    async with served(refuse) as address, aiohttp.ClientSession() as session:
        told = await everything(Registry(session, login(address)), Repository.parse(f"{address}/app"))
    assert len(told) >= 5 and not any(PASSWORD in str(error) for error in told)


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"token": ""}', b'{"token": ["x"]}', b'{"token": "a\\r\\nX: y"}'])
async def test_tokens_that_are_none(answer: bytes) -> None:
    async def give(request: web.Request) -> web.StreamResponse:
        if request.path == "/token":
            return web.Response(body=answer, content_type="application/json")
        realm = f'Bearer realm="http://{request.host}/token",service="x"'
        return web.Response(status=401, headers={"WWW-Authenticate": realm})

    async with served(give) as address, aiohttp.ClientSession() as session:
        told = await everything(Registry(session, login(address)), Repository.parse(f"{address}/app"))
    assert len(told) >= 5


async def test_an_endless_answer_ends() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": OCI_MANIFEST})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while request.method != "HEAD":
                await response.write(b" " * (1 << 20))
        return response

    async with served(endless) as address, aiohttp.ClientSession() as session:
        told = await everything(Registry(session), Repository.parse(f"{address}/app"))
    assert len(told) >= 4 and all("larger than" in str(error) for error in told)
